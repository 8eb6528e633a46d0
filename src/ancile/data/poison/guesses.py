"""What models of several kinds say of a row that they did not see, and what they say together.

Ridge regression on one-hot labels, each row left out: leave-one-out residuals of least squares are r /
(1 - h), h the diagonal of the hat matrix (Allen 1974). Experts are joined by the mean of their logarithms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ancile.data.rows import Integers, Reals
from ancile.numeric import NDArray, np

STRENGTHS = 10.0 ** np.arange(-3, 3)  # of the ridge, in shares of the mean spread of the features
SHARPNESS = 2.0 ** np.arange(-6, 8, 0.5)  # of the softmax over scores of any scale
LEAST = 1e-6  # a probability of 0 would be beyond argument


def together(experts: Sequence[Sequence[Reals]], y: Integers) -> Reals:
    """(n, classes): of each expert its setting with the least log loss, then the mean of their logarithms.

    experts  of each its settings, each scores (n, classes) of rows left out
    """
    best = [min((sharpened(one, y) for one in settings), key=lambda pair: pair[0])[1] for settings in experts]
    return best[0] if len(best) == 1 else sharpened(np.mean([np.log(one) for one in best], axis=0), y)[1]


def sharpened(scores: Reals, y: Integers) -> tuple[float, Reals]:
    """The log loss and the probabilities at the best sharpness of the softmax."""
    rows = np.arange(len(y))
    tried = [softmax(sharpness * scores) for sharpness in SHARPNESS]
    losses = [float(-np.log(one[rows, y]).mean()) for one in tried]
    best = int(np.argmin(losses))
    return losses[best], tried[best]


def left_out(features: NDArray[np.float32], y: Integers, classes: int) -> list[Reals]:
    """For each strength of ridge the scores (n, classes) of rows by a model of all others."""
    return [one.left_out for one in ridges(features, y, classes)]


def best_ridge(
    features: NDArray[np.float32], y: Integers, classes: int, others: NDArray[np.float32]
) -> tuple[Reals, Reals]:
    """Probabilities of other rows, and of the rows left out, at the strength with the least loss of these."""
    rows = np.arange(len(y))
    found = []
    for one in ridges(features, y, classes, others):
        for sharpness in SHARPNESS:
            said = softmax(sharpness * one.left_out)
            found.append((float(-np.log(said[rows, y]).mean()), sharpness, one, said))
    _, sharpness, best, said = min(found, key=lambda each: each[0])
    return softmax(sharpness * best.others), said


class Ridge(NamedTuple):
    """Scores of rows left out (n, classes), and of other rows (m, classes)."""

    left_out: Reals
    others: Reals


def ridges(
    features: NDArray[np.float32], y: Integers, classes: int, others: NDArray[np.float32] | None = None
) -> Iterator[Ridge]:
    """For each strength of ridge; one decomposition for all of them."""
    x, more = (
        np.hstack([one, np.ones((len(one), 1), np.float32)])
        for one in (features, features[:0] if others is None else others)
    )
    aims = np.zeros((len(y), classes))
    aims[np.arange(len(y)), y] = 1
    spread, axes = np.linalg.eigh((x.T @ x).astype(np.float64))
    turned, turned_more = ((one @ axes.astype(np.float32)).astype(np.float64) for one in (x, more))
    drawn = turned.T @ aims
    for strength in STRENGTHS * float(spread.mean()):
        damp = 1 / (np.maximum(spread, 0) + strength)
        fitted = (turned * damp) @ drawn
        own: Reals = np.minimum(np.square(turned) @ damp, 1 - 1e-6)
        yield Ridge((fitted - own[:, None] * aims) / (1 - own)[:, None], (turned_more * damp) @ drawn)


def softmax(scores: Reals) -> Reals:
    """Probabilities (n, classes), none below one in a million."""
    share = np.exp(scores - scores.max(axis=1, keepdims=True))
    share = np.maximum(share / share.sum(axis=1, keepdims=True), LEAST)
    found: Reals = share / share.sum(axis=1, keepdims=True)
    return found
