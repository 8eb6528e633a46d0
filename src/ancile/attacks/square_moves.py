"""Starts and proposals of the square attack, on samples laid out as (n, channels, places).

Those of L1 follow Croce and Hein, "Mind the box", ICML 2021, arXiv:2103.01208, and its authors' code: the
bumps of L2, measured in L1, and the exact projection; those of L0 are in `sparse_moves`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ancile.attacks.ball import Ball
from ancile.attacks.streams import Streams
from ancile.attacks.windows import Grid, bump, features, sides, window
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TILES = 5  # bumps along each side of the plane in the first L2 proposal: the paper's section 3.3
LEAST_SIDE = 3  # of an L2 window, which has a hill and a valley
BEYOND = 4.0  # times eps, from where a change is projected: what the bounds cut off is given to other places
NOTHING = 1e-10  # keeps an unchanged window's length from 0, as in the authors' code
GROWTHS = 6  # of a change that the bounds cut short; of a thousandth what is left then is not asked for
WHOLE = 1 - 1e-3  # of eps: a change as long as that is long enough
SUMMED = 1e-6  # relative error of a length in the float type of the samples, summed in pairs


@dataclass(frozen=True, eq=False)
class Place:
    """Where the samples that stand may go.

    around, low, high  (n, channels, places) as in ``Ball``
    unit               (channels, places) length of one unit of distance, 0 where nothing may move
    room               least and greatest change, (n, channels, places) in units; L2 alone
    inner              length of change that stays within eps when it is added and rounded; None where that is
                       too little of eps
    """

    grid: Grid
    eps: float
    ball: Ball[NDArray[np.floating]]
    unit: NDArray[np.float64]
    rng: Streams
    room: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None
    inner: float | None = None

    @classmethod
    def of(cls, ball: Ball[NDArray[np.floating]], grid: Grid, rng: Streams) -> Place:
        """The place of every sample of a batch."""
        shape = ball.around.shape[1:]
        unit = np.ones(shape) if ball.unit is None else np.broadcast_to(ball.unit, shape)
        units = np.asarray(grid.planes(unit[None])[0], dtype=np.float64)
        planes = Ball(
            ball.norm, ball.eps, grid.planes(ball.around), grid.planes(ball.low), grid.planes(ball.high),
            None if ball.unit is None else units,
            Grid(grid.channels, 1, grid.places, row=grid.row, channels_last=False),
        )  # fmt: skip
        if ball.norm != "l2":
            return cls(grid, ball.eps, planes, units, rng)
        low, high = (_scaled(edge, planes.around, units) for edge in (planes.low, planes.high))
        return cls(grid, ball.eps, planes, units, rng, (low, high), _inner(planes, units))

    def take(self, stands: NDArray[np.bool_]) -> Place:
        """The places of the samples that stand."""
        room = self.room and (self.room[0][stands], self.room[1][stands])
        return replace(self, ball=self.ball.take(stands), rng=self.rng.take(stands), room=room)

    @property
    def movable(self) -> NDArray[np.bool_]:
        """(places,) whether a row's feature may change."""
        return np.asarray(self.unit[0] > 0)


def linf_start(place: Place) -> NDArray[np.floating]:
    """Stripes one place wide down each channel, at one end of the ball or the other; a row: each feature."""
    grid = place.grid
    signs = place.rng.signs("square-start", grid.channels * grid.width)
    stripes = signs.reshape(-1, grid.channels, 1, grid.width)
    up = np.broadcast_to(stripes > 0, (len(signs), grid.channels, grid.height, grid.width))
    return np.where(up.reshape(place.ball.low.shape), place.ball.high, place.ball.low)


def linf_move(now: NDArray[np.floating], place: Place, area: float, step: int) -> NDArray[np.floating]:
    """A window at one end of the ball in each channel; a row: some features, each at an end of its own."""
    at = _where(place, area, step)
    each = at.shape[1] if place.grid.row else 1
    signs = place.rng.signs("square-sign", place.grid.channels * each, step=step)
    up = signs.reshape(len(now), place.grid.channels, each) > 0
    low, high, old = (_read(planes, at) for planes in (place.ball.low, place.ball.high, now))
    new = np.where(up, high, low)
    idle = (new == old).all(axis=(1, 2), keepdims=True)
    return _written(now, at, np.where(up ^ idle, high, low))


def bump_start(place: Place) -> NDArray[np.floating]:
    """Bumps side by side, each of a random sign in each channel; a row: random signs."""
    grid = place.grid
    if grid.row:
        change = place.rng.signs("square-start", grid.places)[:, None, :]
    else:
        height, width = max(1, grid.height // TILES), max(1, grid.width // TILES)
        down, across = grid.height // height, grid.width // width
        signs = place.rng.signs("square-start", grid.channels * down * across)
        tiles = signs.reshape(-1, grid.channels, down, 1, across, 1) * bump(height, width)[:, None, :]
        change = np.zeros((len(signs), grid.channels, grid.height, grid.width))
        top, left = (grid.height - down * height) // 2, (grid.width - across * width) // 2
        change[:, :, top : top + down * height, left : left + across * width] = tiles.reshape(
            len(signs), grid.channels, down * height, across * width
        )
    change = change.reshape(place.ball.around.shape)
    if place.ball.norm == "l1":
        change *= BEYOND * place.eps / np.maximum(_length(change, 1, axis=(1, 2)), NOTHING)
    return _on_sphere(change, place)


def bump_move(now: NDArray[np.floating], place: Place, area: float, step: int) -> NDArray[np.floating]:
    """A bump added to one window, with what length another window gives up and the ball has left."""
    channels = place.grid.channels
    change = _scaled(now, place.ball.around, place.unit)
    at, emptied = _where(place, area, step), _where(place, area, step, purpose="square-other")
    union = np.zeros((len(now), 1, place.grid.places), dtype=bool)
    for places in (at, emptied):
        np.put_along_axis(union, places[:, None, :], values=True, axis=2)
    power = 1 if place.ball.norm == "l1" else 2
    freed = _length(np.where(union, change, 0.0), power, axis=2) ** power
    spare = np.maximum(place.eps**power - _length(change, power, axis=(1, 2)) ** power, 0.0) / channels
    old = _read(change, at)
    new = _bumps(place, area, at.shape[1], step) + old / (NOTHING + _length(old, power, axis=2))
    new *= (spare + freed) ** (1.0 / power) / np.maximum(_length(new, power, axis=2), NOTHING)
    if power == 1:  # as in the authors' code: the projection shares it out among the channels
        new *= channels
    cleared = _written(change, emptied, np.zeros((1, 1, 1)))
    return _on_sphere(_written(cleared, at, new), place)


def _where(place: Place, area: float, step: int, *, purpose: str = "square-window") -> NDArray[np.int64]:
    if place.grid.row:
        movable = place.movable
        count = int(movable.sum())
        chosen = min(max(1, round(area * count / place.grid.places)), max(1, count))
        return features(movable, chosen, place.rng, purpose, step)
    return window(place.grid, _size(place, area), place.rng, purpose, step)


def _size(place: Place, area: float) -> tuple[int, int]:
    """Height and width of a window; in L2 and L1 odd and at least three, as far as there is room."""
    height, width = sides(place.grid, area)
    if place.ball.norm == "linf":
        return height, width
    most = place.grid.height, place.grid.width
    return min(max(LEAST_SIDE, height | 1), most[0]), min(max(LEAST_SIDE, width | 1), most[1])


def _bumps(place: Place, area: float, count: int, step: int) -> NDArray[np.float64]:
    """(n, channels, count) changes of length 1: a bump, lying or standing, of random sign; a row: signs."""
    signs = place.rng.signs("square-sign", place.grid.channels * (count if place.grid.row else 1), step=step)
    if place.grid.row:
        return np.asarray(signs[:, None, :] / np.sqrt(count))
    height, width = _size(place, area)
    standing = place.rng.signs("square-turn", 1, step=step) > 0
    shape = np.where(standing, bump(height, width).ravel(), bump(width, height).T.ravel())
    return np.asarray(signs[:, :, None] * shape[:, None, :])


def _length(change: NDArray[np.floating], power: int, *, axis: int | tuple[int, int]) -> NDArray[np.float64]:
    if power == 1:
        return np.asarray(np.abs(change).sum(axis=axis, keepdims=True))
    return np.asarray(np.sqrt((change**2).sum(axis=axis, keepdims=True)))


def _on_sphere(change: NDArray[np.floating], place: Place) -> NDArray[np.floating]:
    """The samples moved by ``change``, in units of distance, made as long as the ball allows."""
    change = np.where(place.unit > 0, change, 0.0)
    if place.ball.norm == "l1":  # whose projection puts back what is shortest: what is added must stand out
        return place.ball.project(place.ball.around + change * place.unit)
    if place.room is None or place.inner is None:
        length = np.maximum(_length(change, 2, axis=(1, 2)), NOTHING) / BEYOND
        return place.ball.project(place.ball.around + change * (place.eps / length) * place.unit)
    grown = _grown(change.astype(place.ball.around.dtype), place.room, place.inner)
    moved = place.ball.around + grown * place.unit.astype(grown.dtype)
    return np.clip(moved, place.ball.low, place.ball.high, out=moved)


def _grown(
    change: NDArray[np.floating], room: tuple[NDArray[np.floating], NDArray[np.floating]], eps: float
) -> NDArray[np.floating]:
    """The change as long as eps; what the bounds cut off is given to other places.

    Stretched and cut by turns it tends to the point that the exact projection finds of a change far beyond
    eps, from inside and at a tenth of the cost.
    """
    factor = eps / np.maximum(_length(change, 2, axis=(1, 2)), NOTHING)
    for _ in range(GROWTHS):
        change *= factor.astype(change.dtype)
        np.clip(change, *room, out=change)
        length = _length(change, 2, axis=(1, 2))
        short = length < WHOLE * eps
        if not short.any():
            break
        factor = np.where(short, eps / np.maximum(length, NOTHING), 1.0)
    return change


def _inner(ball: Ball[NDArray[np.floating]], unit: NDArray[np.float64]) -> float | None:
    """``Place.inner``: eps less what rounding may add to the length of a change."""
    ends = np.maximum(np.abs(ball.low), np.abs(ball.high)).max(axis=0, initial=0.0)
    step = np.divide(np.spacing(ends), unit, out=np.zeros(unit.shape), where=unit > 0)
    inner = ball.eps * (1 - SUMMED) - float(np.sqrt((step**2).sum()))
    return inner if inner > WHOLE * ball.eps else None


def _scaled(
    x: NDArray[np.floating], around: NDArray[np.floating], unit: NDArray[np.float64]
) -> NDArray[np.floating]:
    """The change of ``x`` in units of distance, 0 where nothing may move."""
    change = x - around
    if (unit == 1).all():
        return change
    return np.divide(change, unit, out=np.zeros_like(change), where=unit > 0, casting="same_kind")


def _read(planes: NDArray[np.floating], at: NDArray[np.int64]) -> NDArray[np.floating]:
    """(n, channels, count) what stands at the places of each sample."""
    return np.take_along_axis(planes, at[:, None, :], axis=2)


def _written(
    planes: NDArray[np.floating], at: NDArray[np.int64], values: NDArray[np.floating]
) -> NDArray[np.floating]:
    """A copy with the values at the places of each sample."""
    copy = planes.copy()
    np.put_along_axis(copy, at[:, None, :], values, axis=2)
    return copy
