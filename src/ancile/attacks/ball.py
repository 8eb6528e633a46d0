"""A norm ball around each sample of a batch, cut by bounds, as an object that projects many times.

Written once for numpy arrays and torch tensors: both spell these operations alike. Edges are rounded towards
the sample, so that no result is outside by one unit in the last place of the float type that the model sees.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, cast

from ancile.numeric import np

if TYPE_CHECKING:
    from types import ModuleType

    import torch
    from numpy.typing import ArrayLike, NDArray

Norm = Literal["linf", "l2"]
A = TypeVar("A", "NDArray[np.floating]", "torch.Tensor")

# Of an L2 radius: far above the rounding of a sum of squares in float64, far below a unit of float32
SUM_ROUNDING = 1e-12
# Rounds of the search in `_onto_sphere`; without any it would be scale and then clip, as is done elsewhere
SPHERE_ROUNDS = 2


def namespace(x: A) -> ModuleType:
    """The library that ``x`` belongs to: numpy, or torch, which is not imported for it."""
    return np if isinstance(x, np.ndarray) else sys.modules["torch"]


def float64(value: ArrayLike, like: A) -> A:
    """``value`` in float64, of the same library and on the same device as ``like``."""
    if isinstance(like, np.ndarray):
        return cast("A", np.asarray(value, dtype=np.float64))
    xp = namespace(like)
    return cast("A", xp.as_tensor(value, dtype=xp.float64, device=like.device))


def features(x: A) -> A:
    """(n, features) of samples of any shape, also of no samples."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def per_sample(value: A, like: A) -> A:
    """(n,) numbers shaped so that they broadcast over samples."""
    return value.reshape((-1,) + (1,) * (like.ndim - 1))


@dataclass(frozen=True, eq=False)
class Ball(Generic[A]):
    """Where each sample of a batch may go.

    around     (n, *shape) the samples
    low, high  (n, *shape) least and greatest value of each feature within ball and bounds
    unit       length of one unit of distance, broadcastable to a sample, float64; None is 1 everywhere
    """

    norm: Norm
    eps: float
    around: A
    low: A
    high: A
    unit: A | None

    def take(self, chosen: A | NDArray[np.bool_]) -> Ball[A]:
        """The balls of the chosen samples, by mask or index."""
        return Ball(self.norm, self.eps, self.around[chosen], self.low[chosen], self.high[chosen], self.unit)

    def project(self, x: A) -> A:
        """``x`` brought inside ball and bounds: the nearest point in Linf, close to it in L2."""
        xp = namespace(self.around)
        if self.eps == 0:
            return cast("A", xp.asarray(self.around, copy=True))
        with np.errstate(over="ignore"):
            x = cast("A", xp.asarray(x, dtype=self.around.dtype))
        return cast("A", xp.clip(x, self.low, self.high)) if self.norm == "linf" else _onto_sphere(x, self)

    def project_(self, x: A) -> A:
        """As ``project``, into the memory of ``x`` where the norm allows it; the float type is the ball's."""
        if self.eps == 0 or self.norm == "l2":
            return self.project(x)
        return cast("A", namespace(x).clip(x, self.low, self.high, out=x))

    def ascent(self, gradient: A) -> A:
        """The direction of length 1 that climbs most; 0 where the gradient is 0 or not a number."""
        xp = namespace(gradient)
        unit = None if self.unit is None else xp.asarray(self.unit, dtype=gradient.dtype)
        gradient = xp.nan_to_num(gradient)
        if self.norm == "linf":
            sign = xp.sign(gradient)
            return cast("A", sign if unit is None else sign * unit)
        scaled = gradient if unit is None else gradient * unit
        norm = per_sample(l2_length(scaled), scaled)
        unit_vector = scaled / xp.where(norm > 0, norm, xp.ones_like(norm))
        return cast("A", unit_vector if unit is None else unit_vector * unit)


def box(norm: Norm, eps: float, around: A, *, low: ArrayLike, high: ArrayLike, unit: ArrayLike) -> Ball[A]:
    """The ball around each sample with its edges worked out."""
    xp = namespace(around)
    length = np.asarray(unit, dtype=np.float64)
    radius = eps * length
    back = np.divide(radius, length, out=np.zeros_like(radius), where=length > 0)
    reach = float64(np.where(back > eps, np.nextafter(radius, 0.0), radius), around)
    least, most = _inwards(low, around, upwards=True), _inwards(high, around, upwards=False)
    bottom = xp.minimum(xp.maximum(_edge(around, -reach), least), around)
    top = xp.maximum(xp.minimum(_edge(around, reach), most), around)
    return Ball(norm, eps, around, bottom, top, None if (length == 1).all() else float64(length, around))


def _edge(around: A, radius: A) -> A:
    """``around + radius`` in the float type of ``around``, never further away than ``radius``."""
    xp = namespace(around)
    centre = xp.asarray(around, dtype=xp.float64)
    edge = xp.asarray(centre + radius, dtype=around.dtype)
    beyond = xp.abs(xp.asarray(edge, dtype=xp.float64) - centre) > xp.abs(radius)
    return cast("A", xp.where(beyond, xp.nextafter(edge, around), edge))


def _inwards(bound: ArrayLike, around: A, *, upwards: bool) -> A:
    """A bound in the float type of ``around``, rounded to the side that is inside."""
    xp = namespace(around)
    exact = float64(bound, around)
    rounded = xp.asarray(exact, dtype=around.dtype)
    back = xp.asarray(rounded, dtype=xp.float64)
    beyond = back < exact if upwards else back > exact
    away = xp.full_like(rounded, float("inf") if upwards else float("-inf"))
    return cast("A", xp.where(beyond, xp.nextafter(rounded, away), rounded))


def l2_length(x: A) -> A:
    """(n,) L2 lengths; the largest entry is taken out first, since the square of 1e-30 is 0 in float32."""
    xp = namespace(x)
    flat = features(x)
    largest = xp.amax(xp.abs(flat), axis=1)
    divisor = xp.where(largest > 0, largest, xp.ones_like(largest))
    return cast("A", largest * xp.sqrt(xp.sum((flat / divisor[:, None]) ** 2, axis=1)))


def _onto_sphere(x: A, ball: Ball[A]) -> A:
    """``x`` inside the L2 ball and the bounds; samples that are inside stay as they are.

    The nearest point of ball and box is clip(around + s * change) for the s that uses eps up. With the
    features clipped at one s taken as fixed, the s for the rest is known; it comes to the true one from
    inside, and reaches it once no further feature is clipped.
    """
    xp = namespace(x)
    centre = xp.asarray(ball.around, dtype=xp.float64)
    low, high = (xp.asarray(v, dtype=xp.float64) - centre for v in (ball.low, ball.high))
    change = xp.asarray(x, dtype=xp.float64) - centre
    weight = 1.0 if ball.unit is None else (ball.unit > 0) / xp.where(ball.unit > 0, ball.unit, 1.0)
    outside = l2_length(xp.clip(change, low, high) * weight) > ball.eps * (1.0 - SUM_ROUNDING)
    clipped = xp.clip(x, ball.low, ball.high)
    if not outside.any():
        return cast("A", clipped)
    allowed = ball.eps * (1.0 - 2.0 * SUM_ROUNDING)
    share = xp.where(outside, allowed / xp.where(outside, l2_length(change * weight), 1.0), 1.0)
    for _ in range(SPHERE_ROUNDS):
        wanted = change * per_sample(share, change)
        reached = xp.clip(wanted, low, high)
        held = l2_length(xp.where(reached == wanted, 0.0, reached) * weight)
        free = l2_length(xp.where(reached == wanted, change, 0.0) * weight)
        left = allowed * xp.sqrt(xp.clip(1.0 - (held / allowed) ** 2, 0.0, None))
        share = xp.where(outside & (free > 0), left / xp.where(free > 0, xp.maximum(free, left), 1.0), share)
    shrunk = xp.clip(change * per_sample(share, change), low, high)
    placed = xp.clip(_edge(ball.around, shrunk), ball.low, ball.high)
    return cast("A", xp.where(per_sample(outside, change), placed, clipped))
