"""A norm ball around each sample of a batch, cut by bounds, as an object that projects many times.

Written once for numpy arrays and torch tensors. Edges are rounded towards the sample, so that no result is
outside by one unit in the last place of the float type that the model sees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, cast

from ancile.attacks import ascents
from ancile.attacks.projections import SUM_ROUNDING, onto_cross, onto_few, onto_sphere
from ancile.attacks.vectors import features, float64, l2_length, namespace, per_sample, towards
from ancile.attacks.windows import Grid
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray

__all__ = ["NORMS", "Ball", "Norm", "box", "features", "l2_length", "per_sample"]

Norm = Literal["linf", "l2", "l1", "l0"]
NORMS: tuple[Norm, ...] = ("linf", "l2", "l1", "l0")
A = TypeVar("A", "NDArray[np.floating]", "torch.Tensor")


@dataclass(frozen=True, eq=False)
class Ball(Generic[A]):
    """Where each sample of a batch may go.

    eps        in units of distance; in L0 the most places that may change, a fraction counts for nothing
    around     (n, *shape) the samples
    low, high  (n, *shape) least and greatest value of each feature within ball and bounds
    unit       length of one unit of distance, broadcastable to a sample, float64; None is 1 everywhere
    spots      what L0 counts: the places of a grid, over which a sample's features are spread
    """

    norm: Norm
    eps: float
    around: A
    low: A
    high: A
    unit: A | None
    spots: Grid

    def take(self, chosen: A | NDArray[np.bool_]) -> Ball[A]:
        """The balls of the chosen samples, by mask or index."""
        return replace(self, around=self.around[chosen], low=self.low[chosen], high=self.high[chosen])

    @property
    def still(self) -> bool:
        """Whether nothing may change."""
        return self.eps < 1 if self.norm == "l0" else self.eps == 0

    def project(self, x: A) -> A:
        """The nearest point inside ball and bounds, distances counted in units; ``x`` itself where inside.

        L0 keeps the places whose change brings the result nearest to ``x``.
        """
        xp = namespace(self.around)
        if self.still:
            return cast("A", xp.asarray(self.around, copy=True))
        with np.errstate(over="ignore"):
            x = cast("A", xp.asarray(x, dtype=self.around.dtype))
        clipped = cast("A", xp.clip(x, self.low, self.high))
        if self.norm == "linf":
            return clipped
        outside = self._outside(clipped)
        if outside.any():
            clipped[outside] = _nearest(self.take(outside), x[outside])
        return clipped

    def project_(self, x: A) -> A:
        """As ``project``, into the memory of ``x`` where the norm allows it; the float type is the ball's."""
        if self.still or self.norm != "linf":
            return self.project(x)
        return cast("A", namespace(x).clip(x, self.low, self.high, out=x))

    def ascent(self, gradient: A, *, top: int | A | None = None) -> A:
        """The direction of length 1 that climbs most; 0 where the gradient is 0 or not a number.

        In L1 one feature; with ``top``, one number or (n,), the signs of so many, all as long. In L0 one
        place and as far as the bounds allow. In both ``step_`` does better: it knows the room that is left.
        """
        xp = namespace(gradient)
        gradient = cast("A", xp.nan_to_num(gradient))
        if self.norm == "l0":
            return ascents.edges(gradient, self, 1) - self.around
        unit = None if self.unit is None else xp.asarray(self.unit, dtype=gradient.dtype)
        slope = gradient if unit is None or self.norm == "linf" else gradient * unit
        direction = _direction(self.norm, slope, top)
        return cast("A", direction if unit is None else direction * unit)

    def step_(self, x: A, gradient: A, size: float, *, left: float | None = None) -> A:
        """``x``, which is inside and may be written to, moved by a step of this length that climbs; inside.

        left  share of the steps of a climb that are still to come, from 1 to 0; None for a single step

        Linf and L2 go along ``ascent``. L1 moves the steepest features that have room: many at the begin of a
        climb, one at its end; a single step fills their room, which is best on a linear model. L0 takes up to
        ``size`` places to the better bound and puts back those that gain least.
        """
        if self.norm == "l0":
            return self.project(ascents.swapped(x, gradient, self, size))
        if self.norm == "l1" and left is None:
            return self.project(ascents.filled(x, gradient, self, size))
        if self.norm == "l1":
            top = ascents.fewer(features(x).shape[1], left or 0.0)
            return self.project(x + size * self.ascent(self.open(x, gradient), top=top))
        x += size * self.ascent(gradient)
        return self.project_(x)

    def open(self, x: A, gradient: A) -> A:
        """The gradient, 0 where a feature has no room left in its direction."""
        xp = namespace(x)
        room = xp.where(gradient > 0, x < self.high, x > self.low)
        return cast("A", xp.where(room, gradient, 0.0))

    def scaled(self, x: A) -> A:
        """(n, features) float64 change from the sample in units of distance, 0 where nothing may move."""
        change = float64(x, self.around) - float64(self.around, self.around)
        if self.unit is None:
            return features(change)
        xp = namespace(change)
        divided = xp.where(self.unit > 0, change / xp.where(self.unit > 0, self.unit, 1.0), 0.0)
        return cast("A", features(divided))

    def changed(self, x: A) -> A:
        """(n, places) whether L0 counts a place as changed."""
        return cast("A", namespace(x).any(self.spots.planes(x != self.around), axis=1))

    def _outside(self, clipped: A) -> A:
        xp = namespace(clipped)
        if self.norm == "l0":
            return cast("A", xp.sum(self.changed(clipped), axis=1) > int(self.eps))
        change = self.scaled(clipped)
        length = l2_length(change) if self.norm == "l2" else xp.sum(xp.abs(change), axis=1)
        return cast("A", length > self.eps * (1.0 - SUM_ROUNDING))

    def only(self, x: A, places: A, *, beside: A | None = None) -> A:
        """``x`` where (n, places) says so; ``beside``, the sample where not given, elsewhere."""
        xp = namespace(x)
        shape = (len(x), self.spots.channels, self.spots.places)
        chosen = self.spots.samples(xp.broadcast_to(places[:, None], shape), tuple(x.shape[1:]))
        return cast("A", xp.where(chosen, x, self.around if beside is None else beside))


def box(
    norm: Norm, eps: float, around: A, *, low: ArrayLike, high: ArrayLike, unit: ArrayLike, spots: Grid
) -> Ball[A]:
    """The ball around each sample with its edges worked out."""
    xp = namespace(around)
    length = np.asarray(unit, dtype=np.float64)
    least, most = _inwards(low, around, upwards=True), _inwards(high, around, upwards=False)
    one = None if (length == 1).all() else float64(length, around)
    if norm == "l0":
        movable = float64(length, around) > 0
        bottom = xp.where(movable, xp.minimum(least, around), around)
        top = xp.where(movable, xp.maximum(most, around), around)
        return Ball(norm, eps, around, bottom, top, one, spots)
    radius = eps * length
    back = np.divide(radius, length, out=np.zeros_like(radius), where=length > 0)
    reach = float64(np.where(back > eps, np.nextafter(radius, 0.0), radius), around)
    bottom = xp.minimum(xp.maximum(towards(around, -reach), least), around)
    top = xp.maximum(xp.minimum(towards(around, reach), most), around)
    return Ball(norm, eps, around, bottom, top, one, spots)


def _nearest(ball: Ball[A], x: A) -> A:
    """For samples that are outside when clipped."""
    xp = namespace(x)
    change, low, high = ball.scaled(x), ball.scaled(ball.low), ball.scaled(ball.high)
    if ball.norm == "l0":
        gain = change**2 - (change - xp.clip(change, low, high)) ** 2
        gain = xp.sum(ball.spots.planes(gain.reshape(x.shape)), axis=1)
        return ball.only(xp.clip(x, ball.low, ball.high), onto_few(gain, int(ball.eps)))
    onto = onto_sphere if ball.norm == "l2" else onto_cross
    moved = onto(change, low, high, ball.eps).reshape(x.shape)
    placed = towards(ball.around, moved if ball.unit is None else moved * ball.unit)
    return cast("A", xp.clip(placed, ball.low, ball.high))


def _direction(norm: Norm, slope: A, top: int | A | None) -> A:
    """The steepest direction of length 1 in units of distance."""
    xp = namespace(slope)
    if norm == "linf":
        return cast("A", xp.sign(slope))
    if norm == "l1":
        return ascents.few_signs(slope, 1 if top is None else top)
    length = per_sample(l2_length(slope), slope)
    return cast("A", slope / xp.where(length > 0, length, xp.ones_like(length)))


def _inwards(bound: ArrayLike, around: A, *, upwards: bool) -> A:
    """A bound in the float type of ``around``, rounded to the side that is inside."""
    xp = namespace(around)
    exact = float64(bound, around)
    rounded = xp.asarray(exact, dtype=around.dtype)
    back = xp.asarray(rounded, dtype=xp.float64)
    beyond = back < exact if upwards else back > exact
    away = xp.full_like(rounded, float("inf") if upwards else float("-inf"))
    return cast("A", xp.where(beyond, xp.nextafter(rounded, away), rounded))
