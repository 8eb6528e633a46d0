"""Everything that is wrong with a data set, told in one error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ancile.core.errors import AncileError
from ancile.core.text import plain

NAMES = 20  # column names in one message; the rest are counted
NAME_LENGTH = 40


def named(names: Iterable[str], *, most: int = NAMES) -> str:
    """Names from outside, safe to show, the first of them with a count of the rest."""
    every = list(names)
    shown = ", ".join(plain(name, NAME_LENGTH) for name in every[:most])
    return shown + (f" and {len(every) - most} more" if len(every) > most else "")


def raise_faults(faults: Sequence[str], *, remedy: str) -> None:
    """Raise the one error that holds all ``faults``; nothing where there are none."""
    if faults:
        many = f"data set has {len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise AncileError(many, value="; ".join(faults), remedy=remedy)
