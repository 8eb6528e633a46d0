"""Names of Python 2 that an unpickler takes for those of Python 3 while the protocol is below 3."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

TABLES = Path(__file__).with_name("python2_names.json")


class Renames(NamedTuple):
    """(module, name) to the same today, and module to module for all other names."""

    names: dict[tuple[str, str], tuple[str, str]]
    modules: dict[str, str]


@cache
def renames() -> Renames:
    """The tables of ``_compat_pickle``, kept here so that they are the same under every Python."""
    held = msgspec.json.decode(TABLES.read_bytes())
    return Renames({(a, b): (c, d) for (a, b), (c, d) in held["names"]}, held["modules"])


def renamed(module: str, path: str) -> tuple[str, str]:
    """Module and path that are looked up instead of these, below protocol 3."""
    known = renames()
    return known.names.get((module, path)) or (known.modules.get(module, module), path)
