"""Inputs unlike the reference set: Mahalanobis' distance, of images along their main components.

Of a sample of more than 64 values the 32 main components are looked at, and how much is outside them (the
residual; Jackson and Mudholkar, Technometrics 1979). Synthetic queries of extraction are seen so; an
adversarial example is near a benign row, and is not. One outlier is no attack: a caller's add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.orders import for_jobs
from ancile.serve.ranks import Ranks, added, ranks_of
from ancile.serve.strange import Table
from ancile.serve.verdict import ALLOW, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 64  # values of a sample that are whitened whole
COMPONENTS = 32
SHRUNK = 0.02  # of the mean variance, added to each: constant features have none
MOST_ROWS = 2000  # that the components are taken from


class Usual(NamedTuple):
    """What rows of the reference are like.

    centre  mean of a flat sample
    axes    (k, values) whitening directions
    rest    (values,) one over the deviation of each value, where only components are whitened, else None
    widths  (k,) variance along each axis, likewise
    spread  the mean of what is outside the components, 1 without
    ranks   of distances of rows that the others were not taken from
    """

    centre: NDArray[np.float32]
    axes: NDArray[np.float32]
    rest: NDArray[np.float32] | None
    widths: NDArray[np.float32]
    spread: float
    ranks: Ranks

    def distances(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Of flat samples, (n, values)."""
        if len(rows) == 1:
            return np.array([self.distance(rows[0])])
        away = rows - self.centre
        if self.rest is not None:
            away *= self.rest
        found = away @ self.axes.T
        inside: NDArray[np.floating] = np.einsum("ij,ij->i", found, found)
        if self.rest is None:
            return inside
        # The axes are directions over the deviations along them: the widths take that back.
        outside = np.einsum("ij,ij->i", away, away) - (found * found) @ self.widths
        together: NDArray[np.floating] = inside / len(self.axes) + outside / self.spread
        return together

    def distance(self, row: NDArray[np.floating]) -> float:
        """The same of one sample, at half the cost."""
        away = np.subtract(row, self.centre, dtype=np.float32)
        if self.rest is not None:
            away *= self.rest
        found = self.axes.dot(away)
        inside = float(found.dot(found))
        if self.rest is None:
            return inside
        outside = float(away.dot(away)) - float((found * found).dot(self.widths))
        return inside / len(self.axes) + outside / self.spread


def usual(x: NDArray[np.floating], *, seed: int = 0) -> Usual:
    """What the reference set ``x``, (n, *shape), is like; half of its rows give the ranks alone."""
    rng = np.random.Generator(np.random.Philox(seed))
    flat = np.ascontiguousarray(x.reshape(len(x), -1), np.float32)[rng.permutation(len(x))]
    fitted, ranked = flat[: len(flat) // 2][:MOST_ROWS], flat[len(flat) // 2 :]
    found = _fitted(fitted)
    distances = found.distances(ranked).tolist()
    return found._replace(ranks=for_jobs(ranks_of(distances), distances, ranked))


def _fitted(x: NDArray[np.float32]) -> Usual:
    none = Ranks((), 0.0)
    centre = x.mean(axis=0)
    deviations = x.std(axis=0)
    floor = float(np.sqrt(SHRUNK * np.mean(deviations**2))) or 1.0
    away = (x - centre) / np.maximum(deviations, floor)
    scale = (1.0 / np.maximum(deviations, floor)).astype(np.float32)
    if x.shape[1] <= WIDEST:
        covariance = np.cov(away, rowvar=False).reshape(x.shape[1], -1) + SHRUNK * np.eye(x.shape[1])
        values, vectors = np.linalg.eigh(covariance)
        axes = (vectors / np.sqrt(values)).T * scale
        return Usual(centre, np.ascontiguousarray(axes, np.float32), None, centre[:0], 1.0, none)
    values, vectors = np.linalg.eigh(away @ away.T / len(away))
    values, vectors = values[-COMPONENTS:], vectors[:, -COMPONENTS:]
    directions = (away.T @ vectors) / np.sqrt(np.maximum(values, 1e-12) * len(away))
    axes = np.ascontiguousarray((directions / np.sqrt(np.maximum(values, SHRUNK))).T, np.float32)
    left = np.square(away).sum(axis=1) - np.square(away @ directions).sum(axis=1)
    widths = np.maximum(values, SHRUNK).astype(np.float32)
    return Usual(centre, axes, scale, widths, max(float(left.mean()), 1e-6), none)


def outlier(rows: NDArray[np.floating], total: float, found: Usual) -> tuple[Verdict, float]:
    """Whether a caller's inputs, these the last of them, are unlike the reference; and the new sum."""
    total = added(total, found.distances(rows.reshape(len(rows), -1)).tolist(), found.ranks)
    if total > found.ranks.limit:
        return Verdict("degrade", "outlier", "inputs are unlike those that the model was made for"), total
    return ALLOW, total


def stranger(rows: NDArray[np.floating], total: float, table: Table) -> tuple[Verdict, float]:
    """The same by the ranks of their values: mixtures of values that never go together."""
    total = added(total, [table.distance(row) for row in rows.reshape(len(rows), -1)], table.ranks)
    if total > table.ranks.limit:
        return Verdict("degrade", "outlier", "inputs are unlike those that the model was made for"), total
    return ALLOW, total
