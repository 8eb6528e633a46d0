"""One ranking from what all detectors say.

Rows of a group stand or fall together: their score is that of the group, which pays for being one of d
detectors, and for sets with something planted being the fewer. Of rows that are bad one by one a score says
how many clean rows are as bad, and beside it stands how many rows of the set are; the ratio is a false
discovery rate (Benjamini and Hochberg 1995). By itself that is never a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ancile.data.poison.signal import Group, Signal
from ancile.data.rows import Integers, Reals
from ancile.numeric import np

PLANTED = 1.0  # log10 of how many clean sets there are to one with a planted group
HIGHEST = 300.0  # what a float can still say
TOLD = 0.5  # a row of a group has the reason of the group from here
TOLD_ALONE = 0.02  # any other row: of a clean set some twenty are so bad
ALONE = 2.9  # below a finding: one by one, rows of an honest set may be as strange as they like
FINDING = 3.0  # from here a row, or a group, is a finding: the scale of ``Signal``


class Skipped(NamedTuple):
    """A detector that could not be asked, and why."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a search says of n rows.

    score      (n,) 0 or more: -log10 of the share of clean rows among the rows that are as bad or worse
    order      (n,) places, worst first
    precision  (n,) at k-1 the expected share of planted or mislabelled rows among the first k of the order
    signals    what each detector says
    groups     of all signals, strongest first
    skipped    detectors that could not be asked
    """

    score: Reals
    order: Integers
    precision: Reals
    signals: tuple[Signal, ...]
    groups: tuple[Group, ...]
    skipped: tuple[Skipped, ...]

    def reasons(self, row: int) -> tuple[str, ...]:
        """Why this row stands where it does, the strongest first; empty where nothing speaks against it."""
        said = []
        for one in self.signals:
            grouped = any(row in group.rows for group in one.groups)
            if one.score[row] >= (TOLD if grouped else TOLD_ALONE):
                paid = np.log10(len(self.signals)) + PLANTED if grouped else 0.0
                said.append((one.score[row] - paid, one.reason))
        return tuple(reason(row) for _, reason in sorted(said, key=lambda pair: -pair[0]))


def combined(signals: Sequence[Signal], rows: int, skipped: Sequence[Skipped] = ()) -> Found:
    """All signals in one ranking; without any, every row is at 0 in the order of the set."""
    worst = np.zeros(rows)
    tie = np.zeros(rows)
    for signal in signals:
        score = np.clip(np.nan_to_num(signal.score, nan=0.0, posinf=HIGHEST), 0, HIGHEST)
        worst = np.maximum(worst, judged(signal, score, len(signals)))
        score[[row for group in signal.groups for row in group.rows]] = 0  # weak groups are no tie-break
        tie += np.argsort(np.argsort(score, kind="stable"), kind="stable") * (score > 0)
    order = np.lexsort((np.arange(rows), -tie, -worst)).astype(np.int64)
    groups = sorted((group for signal in signals for group in signal.groups), key=lambda one: -one.evidence)
    return Found(
        score=worst + 0.0,  # never -0
        order=order,
        precision=1 - 10.0 ** -worst[order],
        signals=tuple(signals),
        groups=tuple(groups),
        skipped=tuple(skipped),
    )


def judged(signal: Signal, score: Reals, tried: int) -> Reals:
    """What the score (n,) of one of so many signals is worth."""
    alone = np.minimum(discovery(score, tried), ALONE)
    for group in signal.groups:
        alone[group.rows] = np.maximum(score[group.rows] - np.log10(tried) - PLANTED, 0)
    return alone


def discovery(score: Reals, tried: int) -> Reals:
    """-log10 of the false discovery rate of each row, monotone in its score; 0 where it is 1."""
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    clean = np.log10(tried) - np.log10(np.expm1(np.maximum(falling, 1e-12) * np.log(10)))
    last = np.searchsorted(-falling, -falling, side="right")
    rate = np.minimum(clean - np.log10(np.maximum(last, 1)), 0)
    found = np.empty_like(score)
    found[order] = -np.minimum.accumulate(rate[::-1])[::-1]
    found[score <= 0] = 0
    return found
