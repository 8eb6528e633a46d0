"""A mark in the answers: for a keyed share of the rows the best two classes change places.

DAWN (Szyller et al., ACM MM 2021, arXiv:1906.00830): a model that was trained on these answers repeats the
wrong ones, and the holder of the key can show which they are. It stops nothing, and costs that share in
accuracy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.numeric import np
from ancile.serve.inference import Infer
from ancile.serve.scores import row_draws, topped

if TYPE_CHECKING:
    from numpy.typing import NDArray


def marked(infer: Infer, *, share: float, key: bytes) -> NDArray[np.bool_]:
    """Which rows of a request carry the mark; the same row always does or never."""
    found: NDArray[np.bool_] = row_draws(infer, key + b"watermark", 1)[:, 0] < share
    return found


def swapped(scores: NDArray[np.floating], rows: NDArray[np.bool_]) -> NDArray[np.floating]:
    """The scores with the best two of these rows exchanged."""
    order = np.argsort(scores, axis=1)
    return topped(scores, np.where(rows, order[:, -2], order[:, -1]))
