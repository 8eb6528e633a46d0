"""Less precise answers that look as ever: scores on a coarse grid, moved within it by keyed draws.

The same row gets the same answer, so that asking again tells nothing. Averaging over rows that are all but
equal gives back the coarse grid and no more. Where two classes are within ``BAND``, which of them is named is
drawn as well: a search of the boundary by labels finds a blurred one.
After Vora et al., 2026, arXiv:2602.08679 (a staircase on the scores), with the draws keyed as in DAWN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ancile.numeric import np
from ancile.serve.inference import Infer
from ancile.serve.scores import Layout, margins, probabilities, replaced, row_draws, scores_in, topped
from ancile.serve.signature import is_float
from ancile.serve.tensors import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE_STEP = 0.2  # of probabilities: five levels
LOGIT_STEP = 1.0  # of logits: an odds ratio of e
BAND = 0.1  # of the margin


def degraded(outputs: Sequence[Tensor], infer: Infer, layout: Layout, *, key: bytes) -> list[Tensor]:
    """The outputs as an identity under suspicion gets them, of the same names, shapes and datatypes."""
    rows = infer.inputs[0].array.shape[0]
    scores = scores_in(outputs, layout, rows=rows)
    found = list(outputs)
    if scores is not None:
        draws = row_draws(infer, key, scores.shape[1] + 1)
        classes = _classes(scores, draws[:, -1])
        found = replaced(found, layout, topped(_coarse(scores, draws[:, :-1]), classes), classes)
    for at, one in enumerate(found):
        if is_float(one.datatype) and one.name != layout.scores and one.array.shape[0] == rows:
            size = one.array[0].size
            moves = row_draws(infer, key + b"rest", size).reshape(one.array.shape)
            found[at] = one._replace(array=_one_digit(one.array, moves).astype(one.array.dtype))  # type: ignore[arg-type]  # floating
    return found


def _coarse(scores: NDArray[np.floating], draws: NDArray[np.float64]) -> NDArray[np.floating]:
    if probabilities(scores) is not scores:
        found: NDArray[np.floating] = (np.floor(scores / LOGIT_STEP) + draws) * LOGIT_STEP
        return found
    cells = np.floor(scores / SHARE_STEP)
    moved = cells + np.where(
        cells > 0, draws, draws / scores.shape[1]
    )  # the many that are next to 0 stay small
    shares: NDArray[np.floating] = moved / moved.sum(axis=1, keepdims=True)
    return shares


def _classes(scores: NDArray[np.floating], draws: NDArray[np.float64]) -> NDArray[np.intp]:
    """The best class, or within the band one of the best two, the second at most every other time."""
    shares = probabilities(scores)
    order: NDArray[np.intp] = np.argsort(shares, axis=1)
    close = 0.5 * (1.0 - margins(shares) / BAND)
    drawn: NDArray[np.intp] = np.where(draws < close, order[:, -2], order[:, -1])
    return drawn


def _one_digit(values: NDArray[np.floating], draws: NDArray[np.float64]) -> NDArray[np.floating]:
    """Numbers that are no scores: the first digit stands, the others are drawn."""
    sizes = np.maximum(np.abs(values.astype("f8")), 1e-12)
    step = 10.0 ** np.floor(np.log10(sizes))
    found: NDArray[np.floating] = (np.floor(values / step) + draws) * step
    return found
