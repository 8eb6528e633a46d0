"""What an attacker may change: a norm ball around each sample, cut by the bounds of the data.

Everything is decided in the float type that the model sees: x + eps is rounded there, and a result that is
one unit in the last place outside the ball is outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from ancile.attacks.ball import NORMS, Ball, Norm, box, features, l2_length
from ancile.attacks.windows import Grid, grid_of, row_of
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

A = TypeVar("A", "NDArray[np.floating]", "torch.Tensor")

BEYOND = "eps is beyond the data's range"
UNITS = "give eps in the data's own units; for 8-bit images 8/255 = 0.0314"


@dataclass(frozen=True, eq=False)
class Constraint:
    """A norm ball of radius ``eps``, cut by bounds.

    norm       ``linf``, ``l2``, ``l1``; or ``l0``, the number of features that changed, by however much
    eps        at least 0; 0 changes nothing, bit for bit; in L0 the most features, a fraction of one is none
    low, high  what a feature may be: one number, or an array that broadcasts to a sample's shape
    scale      length of one unit of distance in each feature, None for 1: with the features' ranges, eps is a
               share of the range; 0 makes a feature immovable
    movable    where False, a feature stays as it is; None for all
    pixels     in L0, count pixels of an image, all channels of one as 1, as Sparse-RS does; else features,
               since tables have no pixels and minimal-norm attacks count so too

    A sample that is beyond the bounds as it came may stay there or move towards them, never further out.
    """

    norm: Norm
    eps: float
    low: float | NDArray[np.floating] = 0.0
    high: float | NDArray[np.floating] = 1.0
    scale: float | NDArray[np.floating] | None = None
    movable: NDArray[np.bool_] | None = None
    pixels: bool = False

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise AncileError(
                "no such norm", value=plain(f"norm={self.norm}"), remedy=f"give one of {', '.join(NORMS)}"
            )
        if self.pixels and self.norm != "l0":
            raise AncileError(
                "only l0 counts pixels", value=f"norm={self.norm}", remedy="give norm l0, or leave pixels out"
            )
        if not (math.isfinite(self.eps) and self.eps >= 0):
            raise AncileError("eps is not a distance", value=f"eps={self.eps:g}", remedy=UNITS)
        low, high = np.asarray(self.low, dtype=np.float64), np.asarray(self.high, dtype=np.float64)
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
            raise AncileError(
                "the bounds are not finite or are the wrong way round",
                value=f"bounds {low.min():g}..{high.max():g}",
                remedy="give the lowest and the highest value that each feature can take",
            )
        unit = self.unit
        if not (np.isfinite(unit).all() and (unit >= 0).all()):
            raise AncileError(
                "a scale is negative or not finite",
                value=f"scale {np.min(unit):g}..{np.max(unit):g}",
                remedy="give the range of each feature, 0 for one that cannot change",
            )
        if self.norm == "linf" and (self.eps > self.reach > 0 or (self.eps > 0 and (low == high).all())):
            raise AncileError(
                BEYOND,
                value=f"eps={self.eps:g}, bounds {low.min():g}..{high.max():g}"
                + ("" if self.scale is None else f", {self.reach:g} in units of scale"),
                remedy=UNITS,
            )

    @property
    def unit(self) -> NDArray[np.float64]:
        """Length of one unit of distance in each feature, 0 where nothing may move."""
        scale = np.asarray(1.0 if self.scale is None else self.scale, dtype=np.float64)
        return scale if self.movable is None else np.where(self.movable, scale, 0.0)

    @property
    def reach(self) -> float:
        """The widest range of a movable feature in units of distance: a larger Linf eps means no more."""
        span, unit = np.broadcast_arrays(
            np.asarray(self.high, dtype=np.float64) - np.asarray(self.low, dtype=np.float64), self.unit
        )
        return float(np.divide(span, unit, out=np.zeros(span.shape), where=unit > 0).max())

    def at(self, eps: float) -> Constraint:
        """The same constraint with another eps."""
        return replace(self, eps=eps)

    def fits(self, shape: tuple[int, ...]) -> None:
        """Refuse a sample's shape to which bounds, scale or mask do not broadcast."""
        for name in ("low", "high", "scale", "movable"):
            given = np.shape(getattr(self, name))
            if len(given) > len(shape) or any(
                a not in (1, b) for a, b in zip(given[::-1], shape[::-1], strict=False)
            ):
                raise AncileError(
                    f"{name} does not fit the samples",
                    value=f"{name} {given}, a sample {shape}",
                    remedy="give one number, or an array of the shape of a sample",
                )

    def ball(self, around: A) -> Ball[A]:
        """The ball around each sample, worked out once for many projections."""
        self.fits(tuple(around.shape[1:]))
        spots = self.spots(tuple(around.shape[1:]))
        return box(self.norm, self.eps, around, low=self.low, high=self.high, unit=self.unit, spots=spots)

    def spots(self, shape: tuple[int, ...]) -> Grid:
        """What L0 counts in a sample of this shape: its features, or the pixels of an image."""
        return grid_of(shape) if self.pixels else row_of(shape)

    def project(self, x: A, around: A) -> A:
        """``x`` brought inside ball and bounds, in the float type of ``around``: see ``Ball.project``."""
        return self.ball(around).project(x)

    def distance(self, x: A, around: A) -> NDArray[np.float64]:
        """(n,) distances between samples in units of scale; infinite where an immovable feature moved."""
        change = np.abs(_float64(x) - _float64(around))
        unit = np.broadcast_to(self.unit, change.shape)
        still = np.where(change > 0, np.inf, 0.0)
        if self.norm == "l0":
            places = self.spots(change.shape[1:]).planes(change)
            unmoved = features(np.where(unit > 0, 0.0, still)).max(axis=1, initial=0.0)
            return np.asarray((places != 0).any(axis=1).sum(axis=1) + unmoved)
        flat = features(np.divide(change, unit, out=still, where=unit > 0))
        if self.norm == "linf":
            return np.asarray(flat.max(axis=1, initial=0.0))
        if self.norm == "l1":
            return np.asarray(flat.sum(axis=1))
        finite = np.isfinite(flat).all(axis=1)
        return np.where(
            finite, l2_length(np.where(finite[:, None], flat, 0.0)), flat.max(axis=1, initial=0.0)
        )

    def holds(self, x: A, around: A) -> NDArray[np.bool_]:
        """(n,) whether each sample is finite and inside ball and bounds, without tolerance."""
        points, centres = _float64(x), _float64(around)
        low, high = np.minimum(self.low, centres), np.maximum(self.high, centres)
        inside = ((points >= low) & (points <= high)).all(axis=tuple(range(1, points.ndim)))
        return np.asarray(inside & (self.distance(x, around) <= self.eps))


def require_count(norm: str, eps: float) -> None:
    """Refuse an L0 eps that is no whole number: who gives one takes it for a share, or for another norm."""
    if norm == "l0" and not float(eps).is_integer():
        raise AncileError(
            "an l0 eps counts features",
            value=f"eps={eps:g}",
            remedy="give a whole number, the most features that may change",
        )


def _float64(x: A) -> NDArray[np.float64]:
    array = x if isinstance(x, np.ndarray) else x.detach().cpu().numpy()
    return np.asarray(array, dtype=np.float64)
