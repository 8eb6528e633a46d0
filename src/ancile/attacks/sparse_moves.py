"""Starts and proposals of the square attack in L0: Sparse-RS, AAAI 2022, arXiv:2006.12834, algorithm 1.

By Croce, Andriushchenko, Singh, Flammarion, Hein. Of the changed places a share is swapped in every proposal;
new ones go to a random corner of the bounds. Deviations: a place that is back at its value counts as
unchanged, and another takes its turn; where a corner is the sample itself, the signs are turned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.attacks.square_moves import Place
from ancile.attacks.vectors import largest
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST = 0.3  # of the changed places that the first proposals swap: alpha_init in the paper's settings
# Queries out of 10,000 after which that share is divided by so much, as in the authors' code
DIVISORS = ((0, 2), (50, 4), (200, 5), (500, 6), (1000, 8), (2000, 10), (4000, 12), (6000, 15), (8000, 20))


def sparse_start(place: Place) -> NDArray[np.floating]:
    """As many random places as may change, each at a random corner of its bounds."""
    none = np.zeros(len(place.rng), dtype=np.int64)
    return _swapped(place.ball.around, place, none, 0)


def sparse_move(now: NDArray[np.floating], place: Place, share: float, step: int) -> NDArray[np.floating]:
    """A share of the changed places put back, others changed in their stead."""
    out = np.full(len(now), max(1, int(share * int(place.eps))), dtype=np.int64)
    return _swapped(now, place, out, step)


def sparse_share(query: int, queries: int) -> float:
    """The share of the changed places to swap at a query; the divisions are stretched over all queries."""
    reached = query * 10_000 // queries
    return FIRST / max((by for after, by in DIVISORS if reached > after), default=1)


def _swapped(
    now: NDArray[np.floating], place: Place, out: NDArray[np.int64], step: int
) -> NDArray[np.floating]:
    changed = np.asarray(place.ball.changed(now), dtype=bool)
    corners = _corners(place, step)
    order = place.rng.uniform("square-place", place.grid.places, step=step)
    free = ~changed & (corners != place.ball.around).any(axis=1)
    room = np.minimum(int(place.eps), free.sum(axis=1) + changed.sum(axis=1))
    kept = changed & ~_drawn(order, changed, out)
    taken = _drawn(order, free, room - kept.sum(axis=1))
    swapped = np.where(taken[:, None], corners, now)
    return np.where((kept | taken)[:, None], swapped, place.ball.around)


def _drawn(
    order: NDArray[np.float64], among: NDArray[np.bool_], count: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(n, places) whether a place is one of the ``count`` drawn among these."""
    chosen = largest(np.where(among, order, -1.0), count)
    return np.asarray(np.logical_and(among, chosen), dtype=np.bool_)


def _corners(place: Place, step: int) -> NDArray[np.floating]:
    """Each place at a random end of its bounds in each channel; the other one where it is there already."""
    ball = place.ball
    signs = place.rng.signs("square-sign", place.grid.channels * place.grid.places, step=step)
    up = signs.reshape(ball.around.shape) > 0
    idle = (np.where(up, ball.high, ball.low) == ball.around).all(axis=1, keepdims=True)
    return np.where(up ^ idle, ball.high, ball.low)
