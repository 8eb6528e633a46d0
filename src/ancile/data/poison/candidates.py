"""What may be a trigger: rows of one class alike in one respect, and the evidence for it.

How distinct the most distinct group of a clean class is depends on the set: digits fall into styles, signs
into tracks. So each class is judged by the others: the largest gains of classes follow a Gumbel
distribution, whose two numbers come from the middle of them, which a poisoned class or two does not move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ancile.data.rows import Integers, Reals
from ancile.numeric import np

LEAST_SCALE = 2.0  # of the Gumbel distribution, in units of gain: classes that happen to agree say nothing
SCALE_OF_MIDDLE = 0.25  # at least this share of the median,
FEW = 0.75  # and this one more over the number of blocks: few of them say little of how they scatter
GUMBEL_MEDIAN = 0.3665  # -ln(ln 2), the median of the standard distribution
GUMBEL_QUARTILES = 1.5725  # between its quartiles


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """Rows of one class that share something.

    gain    how much better two groups explain their block than one, after what speaks against it
    rows    places of the rows in the set
    block   number of the block (rows of one class that were compared with each other)
    label   of the block
    place   where in the view
    """

    gain: float
    rows: Integers
    block: int
    label: int
    place: tuple[int, ...]


def evidence(candidates: Sequence[Candidate], blocks: Sequence[int]) -> Reals:
    """-log10 of the chance that the most distinct group of any clean block is as distinct as each candidate.

    blocks  the label of each block that was looked at; one without a candidate had no group at all
    Each candidate is judged by the blocks of other labels; 0 where there are none.
    """
    best = np.zeros(len(blocks))
    for one in candidates:
        best[one.block] = max(best[one.block], one.gain)
    of = np.asarray(blocks)
    found = np.zeros(len(candidates))
    for at, one in enumerate(candidates):
        others = best[of != one.label]
        if len(others):
            found[at] = surprise(one.gain, others, len(blocks))
    return found


def surprise(gain: float, others: Reals, tried: int) -> float:
    """-log10 of the chance that the largest of ``tried`` draws, distributed as ``others``, reaches gain."""
    low, middle, high = np.quantile(others, [0.25, 0.5, 0.75])
    scale = max((high - low) / GUMBEL_QUARTILES, (SCALE_OF_MIDDLE + FEW / len(others)) * middle, LEAST_SCALE)
    mode = middle - GUMBEL_MEDIAN * scale
    return float(max(0.0, (gain - mode) / scale / np.log(10) - np.log10(tried)))


def strongest(candidates: Sequence[Candidate], said: Reals) -> list[tuple[Candidate, float]]:
    """Candidates with evidence, strongest first, each with rows of which no stronger one has half."""
    kept: list[tuple[Candidate, float]] = []
    for at in np.argsort(-said, kind="stable"):
        one = candidates[at]
        fresh = [len(np.intersect1d(one.rows, other.rows)) <= len(one.rows) / 2 for other, _ in kept]
        if said[at] > 0 and all(fresh):
            kept.append((one, float(said[at])))
    return kept
