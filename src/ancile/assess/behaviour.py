"""How a model's answers behave: the same in every pass and company or not, in steps or smoothly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.models.model import Model

ALONE = 8  # samples that are also judged without company
HALVINGS = 12  # of the way to a boundary
JUMP = 0.25  # of what the whole way changes, at a boundary: a smooth answer has next to nothing left there


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
        passes=_difference(first[finite], second[finite], scale),
        company=_difference(first[:few][finite[:few]], alone[finite[:few]], scale),
    )


class Crossing(NamedTuple):
    """How many ways were halved down to a boundary, and at how many of them the scores jump."""

    ways: int
    jumps: int


def crossing(
    model: Model, near: NDArray[np.float32], far: NDArray[np.float32], y: NDArray[np.int64]
) -> Crossing:
    """What scores do where the answer changes, between samples and others that are misread. Cost: 14 queries.

    A step from one class to another leaves the way there without a slope, or with one that tells nothing.
    """
    near, far = near.copy(), far.copy()
    whole = lead(model.scores(far), y) - lead(model.scores(near), y)
    for _ in range(HALVINGS):
        half = (near + far) / 2
        beyond = lead(model.scores(half), y) > 0
        far[beyond], near[~beyond] = half[beyond], half[~beyond]
    left = lead(model.scores(far), y) - lead(model.scores(near), y)
    with np.errstate(invalid="ignore"):
        return Crossing(len(near), int((left > JUMP * whole).sum()))


def _difference(a: NDArray[np.float64], b: NDArray[np.float64], scale: float) -> float:
    """Mean, as a share of the scale; what is not finite differs by all of it."""
    with np.errstate(invalid="ignore"):
        apart = np.nan_to_num(np.abs(a - b) / scale, nan=1.0, posinf=1.0)
    return float(apart.mean()) if len(a) else 0.0


def lead(scores: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) how far the highest other class lies above the true one."""
    others, rows = scores.copy(), np.arange(len(y))
    others[rows, y] = -np.inf
    return np.asarray(others.max(axis=1) - scores[rows, y])
