"""HopSkipJump: Chen, Jordan, Wainwright, IEEE S&P 2020, arXiv:1904.02144, algorithm 2. Labels alone.

In turn: to the edge of the class by bisection, the direction of the edge from decisions about random points
around it, a step along that direction which still fools. Deviations, to the attacker's gain: the random
points differ by the signs of windows where a sample is an image; they are farther from the edge, as bisection
is coarser, and fewer; the first point is the middle of the range where that fools.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ancile.attacks.constraint import Constraint
from ancile.attacks.decisions import BATCH, Asker, Goal, begin, halved, handed_back
from ancile.attacks.streams import Streams
from ancile.attacks.windows import Grid
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.attacks.decisions import Scores

PROBES = 20  # of the first turn, times the square root of the turn: 100 in the paper
RADIUS = {"linf": 0.1, "l2": 0.8}  # of the distance: how far from the edge is asked
FIRST = 8  # rounds of bisection at the start, and those after each step
ROUNDS = {"linf": 6, "l2": 8}
COARSE = 7  # windows along the shorter side of an image, in the first turn; then ever finer, and again
HALVINGS = 6  # of a step until it fools
MOST = 1 << 24  # features of probes that lie in memory at a time, where one sample's are not more


def hopskipjump(
    scores: Scores,
    x: NDArray[np.floating],
    y: NDArray[np.int64],
    constraint: Constraint,
    rng: Streams,
    *,
    queries: int = 1000,
    goal: Goal = "nearest",
    on_step: Callable[[], bool] | None = None,
) -> NDArray[np.floating]:
    """The nearest point met that the model misreads, for each sample, from decisions alone, within eps.

    scores   answers (n, classes) to samples (n, *shape); only which is largest is looked at
    x        (n, *shape): images with channels first or last, or without, or rows of any length
    y        (n,) true labels
    queries  most questions about one sample, all counted
    goal     ``nearest`` asks all questions; ``inside`` none once a sample's point is within eps
    on_step  asked before every batch of questions; True ends the attack with the nearest found so far
    returns  (n, *shape) each inside ball and bounds and misread; a sample for which none was found, or that
             is misread as it is, comes back unchanged

    Linf and L2. Draws starts and signs from ``rng``. None is asked where eps is 0. Scores that are not finite
    decide nothing.
    """
    if constraint.norm not in RADIUS:
        raise AncileError(
            "hopskipjump is not defined in this norm",
            value=plain(f"norm={constraint.norm}"),
            remedy="give linf or l2",
        )
    asker = Asker.of(scores, x, y, constraint, queries=queries, goal=goal, stop=on_step)
    if not x.size or constraint.eps == 0 or constraint.reach == 0:
        return x.copy()
    change = begin(asker, rng)
    who = asker.alive()
    change[who] = halved(asker, change[who], who, rounds=FIRST)
    asker.settle(asker.length(change[who]), who)
    turn = 0
    while len(who := asker.alive()):
        change[who] = _turn(asker, change[who], who, rng.take(who), turn)
        asker.settle(asker.length(change[who]), who)
        turn += 1
    return handed_back(asker, x, constraint, change)


def _turn(
    asker: Asker, change: NDArray[np.floating], who: NDArray[np.intp], rng: Streams, turn: int
) -> NDArray[np.floating]:
    """Changes not farther than those given, all of which fool."""
    distance = asker.length(change)
    way, length = _direction(asker, change, who, rng, turn), distance / math.sqrt(turn + 1)
    best, rest = change.copy(), np.arange(len(who))
    for _ in range(HALVINGS):
        about = who[rest]
        tried = change[rest] + length[rest, None] * way[rest]
        np.clip(tried, asker.least[about], asker.most[about], out=tried)
        fooled = asker.fools(asker.points(tried, about), about)
        best[rest[fooled]] = tried[fooled]
        rest = rest[~fooled]
        length /= 2
        if not len(rest):
            break
    ended = halved(asker, best, who, rounds=ROUNDS[asker.ball.norm])
    nearer = asker.length(ended) < distance
    return np.where(nearer[:, None], ended, change)


def _direction(
    asker: Asker, change: NDArray[np.floating], who: NDArray[np.intp], rng: Streams, turn: int
) -> NDArray[np.floating]:
    """(m, features) of length 1 in the norm: from decisions about points around, less their mean."""
    m, width = change.shape
    around = _Around.of(asker, change, who)
    grid, sides = asker.grid, window_sides(asker.grid)
    side = sides[turn % len(sides)]
    probes = max(2, round(PROBES * math.sqrt(turn + 1)))
    way, part = np.empty_like(change), max(1, min(BATCH, MOST // width) // probes)
    for some in np.split(np.arange(m), range(part, m, part)):
        bits = window_bits(grid, side, probes, rng.take(some), turn)
        points = either(spread(grid, bits, side), around.up[some], around.down[some])
        about = np.repeat(who[some], probes)
        answers = asker.fools(points.reshape(len(about), *asker.ball.around.shape[1:]), about)
        counted = weights(answers.reshape(-1, 1, probes), change.dtype)
        mean = np.matmul(counted, bits.astype(change.dtype) - 0.5)
        way[some] = spread(grid, mean, side)[:, 0]
    way *= around.room
    if asker.ball.norm == "linf":
        return np.asarray(np.sign(way))
    length = np.sqrt((way.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    return np.asarray(way / np.where(length > 0, length, 1.0)).astype(change.dtype)


class _Around(NamedTuple):
    """The box around each point from whose corners probes are drawn.

    up, down  (m, 1, features) greatest and least value of each feature
    room      (m, features) between them, in units of distance
    """

    up: NDArray[np.floating]
    down: NDArray[np.floating]
    room: NDArray[np.floating]

    @classmethod
    def of(cls, asker: Asker, change: NDArray[np.floating], who: NDArray[np.intp]) -> _Around:
        m, width = change.shape
        share = RADIUS[asker.ball.norm] / (1.0 if asker.ball.norm == "linf" else math.sqrt(width))
        scale = (share * asker.length(change))[:, None].astype(change.dtype)
        up, down = np.minimum(change + scale, asker.most[who]), np.maximum(change - scale, asker.least[who])
        points = [asker.points(edge, who).reshape(m, 1, width) for edge in (up, down)]
        return cls(points[0], points[1], up - down)


def weights(answers: NDArray[np.bool_], dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    """(…, probes) what each counts: its answer less their mean, or its sign where all answers are equal."""
    even = answers.all(axis=-1, keepdims=True) | ~answers.any(axis=-1, keepdims=True)
    centred = answers - answers.mean(axis=-1, keepdims=True)
    return np.where(even, np.where(answers, 1.0, -1.0), centred).astype(dtype)


def either(
    mask: NDArray[np.bool_], one: NDArray[np.floating], other: NDArray[np.floating]
) -> NDArray[np.floating]:
    """``np.where`` on the bits of floats: that mispredicts a random mask and takes ten times as long."""
    whole = np.dtype(f"i{one.itemsize}")
    chosen = np.negative(mask.view(np.int8)).astype(whole)
    chosen &= one.view(whole) ^ other.view(whole)
    chosen ^= other.view(whole)
    return chosen.view(one.dtype)


def window_sides(grid: Grid) -> tuple[int, ...]:
    """Sides of the windows of an image, each half of the one before, the last is 1; of a row, 1."""
    coarse = 1 if grid.row else max(1, min(grid.height, grid.width) // COARSE)
    return tuple(coarse >> k for k in range(coarse.bit_length()))


def window_bits(grid: Grid, side: int, count: int, rng: Streams, step: int) -> NDArray[np.bool_]:
    """(n, count, windows) one random bit for each window of an image, or each feature of a row."""
    windows = grid.channels * -(-grid.height // side) * -(-grid.width // side)
    return rng.bits("decisions-windows", count * windows, step=step).reshape(len(rng), count, windows)


def spread(grid: Grid, values: NDArray[Any], side: int) -> NDArray[Any]:
    """(n, count, features) of (n, count, windows): each feature has the value of its window."""
    if side == 1 and not grid.channels_last:
        return values
    n, count, _ = values.shape
    planes = values.reshape(n * count * grid.channels, -(-grid.height // side), -(-grid.width // side))
    planes = planes.repeat(side, axis=1).repeat(side, axis=2)[:, : grid.height, : grid.width]
    planes = planes.reshape(n * count, grid.channels, grid.places)
    last = (grid.height, grid.width, grid.channels)
    shape = last if grid.channels_last else (grid.channels * grid.places,)
    return grid.samples(planes, shape).reshape(n, count, -1)
