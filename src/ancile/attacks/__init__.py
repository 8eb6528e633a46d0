"""Attacks, one file each, as pure functions: ``from ancile.attacks import pgd`` is the function.

Importing the room loads no attack, hence no torch; a name of the table is loaded when it is asked for.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from ancile.attacks.table import ATTACKS, row

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ancile.attacks.fgsm import fgsm as fgsm
    from ancile.attacks.pgd import pgd as pgd
    from ancile.attacks.square import square as square

NAMES = tuple(one.name for one in ATTACKS)


class _Room(ModuleType):
    """The package, in which a file's own name stands for the attack in it.

    Python sets a submodule on its package when it is first imported; the attack takes that place.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in NAMES and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room


def __getattr__(name: str) -> Callable[..., Any]:
    if name in NAMES:
        return row(name).load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
