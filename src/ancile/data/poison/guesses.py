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
BY_A_DIE = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # shares of labels that no content explains
EVEN = 1.0  # nats of all labels together: less does not tell two explanations apart
LEAST = 1e-6  # a probability of 0 would be beyond argument


def together(experts: Sequence[Sequence[Reals]], y: Integers) -> Reals:
    """(n, classes): of each expert its setting with the least log loss, then the mean of their logarithms.

    experts  of each its settings, each scores (n, classes) of rows left out
    """
    best = [_sharpest(settings, y) for settings in experts]
    return best[0] if len(best) == 1 else _sharpest([np.mean([np.log(one) for one in best], axis=0)], y)


def _sharpest(settings: Sequence[Reals], y: Integers) -> Reals:
    fits = [sharpened(scores, y) for scores in settings]
    best = int(np.argmin([fit.loss for fit in fits]))
    return softmax(fits[best].sharpness * settings[best])


class Fit(NamedTuple):
    """How scores become probabilities: the log loss, and the sharpness of the softmax that gives it."""

    loss: float
    sharpness: float


def sharpened(scores: Reals, y: Integers) -> Fit:
    """The best sharpness, with the best share of labels by a die; of nearly equal ones the sharpest.

    So wrong labels do not make the model unsure of all the others.
    """
    rows, classes = np.arange(len(y)), scores.shape[1]
    fits = []
    for sharpness in SHARPNESS:
        own = softmax(sharpness * scores)[rows, y]
        fits += [
            Fit(float(-np.log((1 - share) * own + share / classes).mean()), float(sharpness))
            for share in BY_A_DIE
        ]
    least = min(fits).loss
    return Fit(least, max(fit.sharpness for fit in fits if fit.loss <= least + EVEN / len(y)))


def left_out(features: NDArray[np.float32], y: Integers, classes: int) -> list[Reals]:
    """For each strength of ridge the scores (n, classes) of rows by a model of all others."""
    return [one.left_out for one in ridges(features, y, classes)]


def best_ridge(
    features: NDArray[np.float32], y: Integers, classes: int, others: NDArray[np.float32]
) -> tuple[Reals, Reals]:
    """Probabilities of other rows, and of the rows left out, at the strength with the least loss of these."""
    each = list(ridges(features, y, classes, others))
    fits = [sharpened(one.left_out, y) for one in each]
    best = int(np.argmin([fit.loss for fit in fits]))
    sharpness = fits[best].sharpness
    return softmax(sharpness * each[best].others), softmax(sharpness * each[best].left_out)


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
