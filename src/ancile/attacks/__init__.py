"""Attacks, each usable alone: ``from ancile.attacks import pgd; pgd(net, x, y, norm="linf", eps=0.3)``.

Importing the room loads no attack, hence no torch; a name of the table is loaded when it is asked for. The
attacks themselves, one file each with the signature that planners use, are ``ancile.attacks.pgd.pgd`` and so
on.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from ancile.attacks.table import ATTACKS, row

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NAMES = tuple(one.name for one in ATTACKS)


class _Room(ModuleType):
    """The package, in which an attack's name stands for the function of its own, not for its file.

    Python sets a submodule on its package when it is first imported; it is not kept there.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in NAMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room


def __getattr__(name: str) -> Callable[..., Any]:
    if name in NAMES:
        row(name).load()
        from ancile.attacks.alone import alone  # noqa: PLC0415 - it loads numpy

        return alone(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
