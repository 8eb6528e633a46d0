"""Secrets in texts: patterns after published token forms (``secrets.json``), then entropy.

Entropy alone is no reason: hashes and vocabularies have as much. A text that fits a pattern must also be as
mixed as a drawn one, and none of those that documentation shows.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

PLACEHOLDER = re.compile(
    r"(?i:example|placeholder|change_?me|redacted|your[_-]|dummy|insert|x{5}|sample|secret_?key_?here)"
    r"|1234567890|abcdefgh|ABCDEFGH|0{8}|[<>{}$*]"
)
SHOWN = 4  # characters of a secret that a report shows


class Pattern(NamedTuple):
    """What one kind of secret looks like; ``hints`` are texts of which one is in every such secret."""

    what: str
    source: str
    hints: tuple[str, ...]
    form: re.Pattern[str]
    bits: float


class Secret(NamedTuple):
    """A secret: what it is, where, how it begins, how long it is."""

    what: str
    offset: int
    begin: str
    length: int


@cache
def patterns() -> tuple[Pattern, ...]:
    """The patterns, read once."""
    held = json.loads(files("ancile.patterns").joinpath("secrets.json").read_text("utf-8"))
    return tuple(
        Pattern(one["what"], one["source"], tuple(one["hints"]), re.compile(one["pattern"]), one["bits"])
        for one in held["patterns"]
    )


def find_secrets(text: str) -> Iterator[Secret]:
    """Every secret of a text."""
    for pattern in patterns():
        if not any(hint in text for hint in pattern.hints):
            continue
        for found in pattern.form.finditer(text):
            group = "secret" if "secret" in pattern.form.groupindex else 0
            secret = found[group]
            if entropy(secret) >= pattern.bits and not PLACEHOLDER.search(secret):
                yield Secret(pattern.what, found.start(), found[0][:SHOWN], len(secret))


def entropy(text: str) -> float:
    """Shannon entropy of its characters, in bits a character."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
