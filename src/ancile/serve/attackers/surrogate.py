"""What a thief trains on the answers: random features and ridge regression (Rahimi, Recht, NIPS 2007).

It is fitted in one solve, bends as a network of one layer does, and has a gradient to go along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.floating]

FEATURES = 512
RIDGE = 1e-2


class Surrogate:
    """A model of somebody else's model.

    x  (n, values) in the attacker's units; y (n,) labels that were given out
    """

    def __init__(self, x: Rows, y: NDArray[np.integer], *, classes: int, rng: np.random.Generator) -> None:
        self._centre = x.mean(axis=0)
        self._spread = x.std(axis=0) + 1e-6
        width = x.shape[1]
        self._inner = rng.normal(size=(width, FEATURES)) / width**0.5
        self._offset = rng.uniform(-1, 1, size=FEATURES)
        features = self._features(x)
        wanted = np.eye(classes)[y] - 1.0 / classes
        ridge = RIDGE * len(x)
        if len(x) < features.shape[1]:  # the same by as many equations as there are rows
            dual = features @ features.T + ridge * np.eye(len(x))
            self._outer = features.T @ np.linalg.solve(dual, wanted)
        else:
            inner = features.T @ features + ridge * np.eye(features.shape[1])
            self._outer = np.linalg.solve(inner, features.T @ wanted)

    def _features(self, x: Rows) -> Rows:
        scaled = (x - self._centre) / self._spread
        bent: Rows = np.maximum(scaled @ self._inner + self._offset, 0.0)
        return np.concatenate([bent, scaled, np.ones((len(x), 1))], axis=1)

    def scores(self, x: Rows) -> Rows:
        """(n, classes), the largest for the label."""
        found: Rows = self._features(x) @ self._outer
        return found

    def labels(self, x: Rows) -> NDArray[np.intp]:
        """(n,) what it takes them for."""
        found: NDArray[np.intp] = self.scores(x).argmax(axis=1)
        return found

    def signs(self, x: Rows, y: NDArray[np.integer]) -> Rows:
        """(n, values) signs of the gradient of each row's own score."""
        scaled = (x - self._centre) / self._spread
        alive = (scaled @ self._inner + self._offset) > 0
        outer = self._outer[:, y].T
        found = (alive * outer[:, :FEATURES]) @ self._inner.T + outer[:, FEATURES:-1]
        signs: Rows = np.sign(found / self._spread)
        return signs
