"""Models of an ensemble that disagree, more often than on benign inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.serve.ranks import Ranks, added
from ancile.serve.verdict import ALLOW, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.numeric import np


def disagreement(differing: NDArray[np.floating], total: float, ranks: Ranks) -> tuple[Verdict, float]:
    """Whether a caller's inputs, these the last of them, divide the models too often; and the new sum."""
    total = added(total, differing.tolist(), ranks)
    if total > ranks.limit:
        return Verdict("degrade", "disagreement", "too many inputs on which the models disagree"), total
    return ALLOW, total
