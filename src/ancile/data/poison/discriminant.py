"""Clouds with one common shape, a middle for each class: linear discriminant analysis, each row left out.

It has too few numbers to learn a handful of rows by heart: what a flexible model believes since it saw it
often enough, this one does not.
"""

from __future__ import annotations

from ancile.data.rows import Integers, Reals
from ancile.numeric import NDArray, np

SHRUNK = (0.03, 0.3)  # shares of the mean spread added to the common shape


def left_out_of_clouds(points: NDArray[np.float32], y: Integers, classes: int) -> list[Reals]:
    """For each amount of shrinking the log likelihood (n, classes) of rows by the middles of all others."""
    x = points.astype(np.float64)
    count = np.bincount(y, minlength=classes)
    sums = np.zeros((classes, x.shape[1]))
    np.add.at(sums, y, x)
    middles = sums / np.maximum(count, 1)[:, None]
    within = x - middles[y]
    shape = within.T @ within / len(x)
    found = []
    for share in SHRUNK:
        ridge = share * np.trace(shape) / len(shape) + 1e-9
        turn = np.linalg.inv(np.linalg.cholesky(shape + ridge * np.eye(len(shape)))).T
        found.append(_likelihood(x @ turn, middles @ turn, y, count))
    return found


def _likelihood(x: Reals, middles: Reals, y: Integers, count: Integers) -> Reals:
    """Half the squared distances, the own middle without the row, and the log of the class's size."""
    apart = np.square(x).sum(axis=1)[:, None] - 2 * x @ middles.T + np.square(middles).sum(axis=1)
    rows = np.arange(len(y))
    own = np.maximum(count[y], 1)
    # without the row its class's middle moves away from it by the factor n / (n - 1)
    apart[rows, y] *= np.square(own / np.maximum(own - 1, 0.5))
    found: Reals = -apart / 2 + np.log(np.maximum(count, 1e-3))
    return found
