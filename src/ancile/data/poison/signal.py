"""What a detector says of rows: one scale for all of them, so that their words can be ranked together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ancile.data.rows import Integers, Reals
from ancile.numeric import NDArray, np


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Rows that share something which clean rows do not.

    what      in words: the pattern and where it stands, never a whole row
    rows      places in the rows that were looked at
    evidence  as a score of ``Signal``, of the group as a whole
    label     the class that the rows are given, where it is one; -1 else
    mask      (height, width), where of a picture the pattern stands; None for what is no picture
    """

    what: str
    rows: Integers
    evidence: float
    label: int = -1
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Signal:
    """What one detector says of every row.

    score   (n,) 0 or more: -log10 of the chance that any row of a clean set of this size looks so, which
            counts everything that the detector tried; 0 where it says nothing. Above 3 is a finding
    reason  why a row has its score, in words
    groups  of rows, strongest first
    """

    name: str
    score: Reals
    reason: Callable[[int], str]
    groups: tuple[Group, ...] = field(default=())
