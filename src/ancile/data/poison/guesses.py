"""What a model says of a row that it did not see: ridge regression on one-hot labels, each row left out.

Leave-one-out residuals of least squares are r / (1 - h), h the diagonal of the hat matrix: Allen 1974.
"""

from __future__ import annotations

from ancile.data.rows import Integers, Reals
from ancile.numeric import NDArray, np

STRENGTHS = 10.0 ** np.arange(-3, 3)  # of the ridge, in shares of the mean spread of the features
SHARPNESS = 2.0 ** np.arange(0, 7)  # of the softmax over scores that aim at 0 and 1
LEAST = 1e-6  # a probability of 0 would be beyond argument


def out_of_fold(features: NDArray[np.float32], y: Integers, classes: int) -> Reals:
    """(n, classes), each row by the others; ridge and sharpness by the least log loss of rows left out."""
    best = np.full((len(y), classes), 1 / classes)
    least = np.inf
    for scores in left_out(features, y, classes):
        for sharpness in SHARPNESS:
            guess = softmax(sharpness * scores)
            loss = float(-np.log(guess[np.arange(len(y)), y]).mean())
            if loss < least:
                best, least = guess, loss
    return best


def left_out(features: NDArray[np.float32], y: Integers, classes: int) -> list[Reals]:
    """For each strength of ridge the scores (n, classes) of rows by a model of all others."""
    x = np.hstack([features, np.ones((len(y), 1), np.float32)])
    aims = np.zeros((len(y), classes))
    aims[np.arange(len(y)), y] = 1
    spread, axes = np.linalg.eigh((x.T @ x).astype(np.float64))
    turned = (x @ axes.astype(np.float32)).astype(np.float64)
    drawn = turned.T @ aims
    scale = float(spread.mean())
    found = []
    for strength in STRENGTHS * scale:
        damp = 1 / (np.maximum(spread, 0) + strength)
        fitted = (turned * damp) @ drawn
        own: Reals = np.minimum(np.square(turned) @ damp, 1 - 1e-6)
        found.append((fitted - own[:, None] * aims) / (1 - own)[:, None])
    return found


def softmax(scores: Reals) -> Reals:
    """Probabilities (n, classes), none below one in a million."""
    share = np.exp(scores - scores.max(axis=1, keepdims=True))
    share = np.maximum(share / share.sum(axis=1, keepdims=True), LEAST)
    found: Reals = share / share.sum(axis=1, keepdims=True)
    return found
