"""Answers near the boundary between classes, more of them than a benign caller gets.

Searches of the boundary, and extraction that asks where the model is unsure (Juuti et al., PRADA, 2019,
arXiv:1805.02628, section 3), live there. The gateway sees the margin even where the caller gets only a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.serve.ranks import Ranks, added
from ancile.serve.scores import unsureness
from ancile.serve.verdict import ALLOW, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.numeric import np


def confidence(scores: NDArray[np.floating], total: float, ranks: Ranks) -> tuple[Verdict, float]:
    """Whether a caller's answers, these the last of them, are unsure too often; and the new sum."""
    total = added(total, unsureness(scores), ranks)
    if total > ranks.limit:
        return Verdict("degrade", "confidence", "too many inputs on which the model is unsure"), total
    return ALLOW, total
