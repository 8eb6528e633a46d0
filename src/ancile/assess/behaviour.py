"""Whether a model's answers are steady: the same in every pass, and in every company."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.models.model import Model

ALONE = 8  # samples that are also judged without company


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """Whether a sample's scores are its own: differences are shares of the spread of all scores.

    flips    share of labels that changed between two passes over the same batch
    passes   mean difference between these passes
    company  mean difference between a sample in a batch and the same sample alone
    """

    n: int
    flips: float
    passes: float
    company: float


def steadiness(model: Model, x: NDArray[np.float32]) -> Steadiness:
    """What passes over the same samples say of each other. Cost: 2 n + 8 queries."""
    first, second = model.scores(x), model.scores(x)
    few = min(ALONE, len(x))
    alone = np.concatenate([model.scores(x[i : i + 1]) for i in range(few)])
    finite = np.asarray(np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1))
    tiny = float(np.finfo(np.float32).tiny)
    scale = max(float(first[finite].std()), tiny) if finite.any() else tiny
    return Steadiness(
        n=len(x),
        flips=float((first.argmax(axis=1) != second.argmax(axis=1)).mean()),
        passes=_difference(first[finite], second[finite]) / scale,
        company=_difference(first[:few][finite[:few]], alone[finite[:few]]) / scale,
    )


def _difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.nan_to_num(np.abs(a - b)).mean()) if len(a) else 0.0


def lead(scores: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) how far the highest other class lies above the true one."""
    others, rows = scores.copy(), np.arange(len(y))
    others[rows, y] = -np.inf
    return np.asarray(others.max(axis=1) - scores[rows, y])
