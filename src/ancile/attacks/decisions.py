"""What searches by decisions alone share: questions that are counted, first points, and the way to the edge.

On numpy alone. A change is a vector in units of distance, as in ``nearest``; a sample's questions end when
its own budget is spent, whatever those beside it do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ancile.attacks.ball import Ball
from ancile.attacks.constraint import Constraint
from ancile.attacks.streams import Streams
from ancile.attacks.vectors import features
from ancile.attacks.windows import Grid, grid_of
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = Callable[[NDArray[np.floating]], NDArray[np.floating]]

BATCH = 256  # questions in one call: more falls out of the cache of a small machine
TRIES = 20  # random points after the middle and the far corner, until one fools
SURELY = 1.0 - 1e-5  # of eps: a point so far away is inside however it is rounded

Goal = Literal["nearest", "inside"]


@dataclass(eq=False)
class Asker:
    """A batch of samples, how far each may go, and how many questions each has left.

    least, most  (n, features) least and greatest change within the bounds, in units of distance
    left         (n,) questions
    enough       distance at which a sample is settled
    """

    scores: Scores
    y: NDArray[np.int64]
    ball: Ball[NDArray[np.floating]]
    least: NDArray[np.floating]
    most: NDArray[np.floating]
    left: NDArray[np.int64]
    stop: Callable[[], bool] | None
    enough: float
    stopped: bool = field(default=False)

    @classmethod
    def of(
        cls,
        scores: Scores,
        x: NDArray[np.floating],
        y: NDArray[np.int64],
        constraint: Constraint,
        *,
        queries: int,
        goal: Goal,
        stop: Callable[[], bool] | None,
    ) -> Asker:
        """The whole range of the bounds: what is too far in the end is not handed back."""
        if queries < 1 or goal not in ("nearest", "inside"):
            raise AncileError(
                "an attack without queries, or without a goal that there is",
                value=plain(f"queries={queries}, goal={goal}"),
                remedy="give 1 query or more, and the goal nearest or inside",
            )
        width = constraint.reach * max(1, features(x).shape[1])
        ball = constraint.at(constraint.reach if constraint.norm == "linf" else width).ball(x)
        least, most = (ball.scaled(edge).astype(x.dtype) for edge in (ball.low, ball.high))
        left = np.full(len(x), queries, dtype=np.int64)
        enough = constraint.eps * SURELY if goal == "inside" else 0.0
        return cls(scores, y, ball, least, most, left, stop, enough)

    @property
    def grid(self) -> Grid:
        """How a sample is laid out."""
        return grid_of(self.ball.around.shape[1:])

    def points(self, change: NDArray[np.floating], who: NDArray[np.intp]) -> NDArray[np.floating]:
        """(m, *shape) the samples ``who`` changed, inside the bounds."""
        around = self.ball.around[who]
        moved = change.reshape(around.shape)
        unit = None if self.ball.unit is None else self.ball.unit.astype(around.dtype)
        moved = around + (moved if unit is None else moved * unit)
        return np.asarray(np.clip(moved, self.ball.low[who], self.ball.high[who]))

    def fools(self, points: NDArray[np.floating], who: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(m,) whether these points are misread, (m,) the samples they are of; one may stand there often.

        A question is one row. What is beyond a sample's budget is not asked and does not fool. Asked to stop,
        nothing is asked any more.
        """
        asked = self._affordable(who)
        answer = np.zeros(len(who), dtype=bool)
        if not asked.all():
            answer[asked] = self.fools(points[asked], who[asked])
            return answer
        for begin in range(0, len(who), BATCH):
            if self.stopped or (self.stop is not None and self.stop()):
                self.stopped = True
                break
            rows = slice(begin, begin + BATCH)
            given = np.asarray(self.scores(points[rows]))
            answer[rows] = np.isfinite(given).all(axis=1) & (given.argmax(axis=1) != self.y[who[rows]])
            self.left -= np.bincount(who[rows], minlength=len(self.left))
        return answer

    def _affordable(self, who: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(m,) which questions are within their sample's budget: its first ones."""
        times = np.bincount(who, minlength=len(self.left))
        if (times <= self.left).all():
            return np.ones(len(who), dtype=bool)
        ranks = np.argsort(who, kind="stable")
        starts = np.repeat(np.cumsum(times) - times, times)
        order = np.empty(len(who), dtype=np.int64)
        order[ranks] = np.arange(len(who)) - starts
        return np.asarray(order < self.left[who])

    def settle(self, distance: NDArray[np.floating], who: NDArray[np.intp]) -> None:
        """Ask no more about those of the samples ``who`` that are near enough at these distances."""
        self.left[who[distance <= self.enough]] = 0

    def alive(self) -> NDArray[np.intp]:
        """The samples that may still be asked about."""
        return np.flatnonzero((self.left > 0) & (not self.stopped))

    def length(self, change: NDArray[np.floating]) -> NDArray[np.floating]:
        """(m,) distances of changes."""
        if self.ball.norm == "linf":
            return np.asarray(np.abs(change).max(axis=1, initial=0.0))
        return np.asarray(np.sqrt((change.astype(np.float64) ** 2).sum(axis=1)).astype(change.dtype))


def along(norm: str, change: NDArray[np.floating], share: NDArray[np.floating]) -> NDArray[np.floating]:
    """The way from samples to changes on which the distance grows evenly: capped in Linf, straight in L2."""
    if norm == "linf":
        cap = share[:, None] * np.abs(change).max(axis=1, keepdims=True)
        return np.asarray(np.clip(change, -cap, cap))
    return np.asarray(change * share[:, None])


def begin(asker: Asker, rng: Streams) -> NDArray[np.floating]:
    """(n, features) changes that fool; no more is asked about samples for which there is none.

    First the sample itself, for which none is needed where it is misread; then the middle of the range, the
    far corner, and points drawn evenly from the range.
    """
    change = np.zeros_like(asker.least)
    found = asker.fools(asker.ball.around, np.arange(len(change)))
    asker.left[found] = 0
    for attempt in range(TRIES + 2):
        who = np.flatnonzero(~found & (asker.left > 0))
        if not len(who) or asker.stopped:
            break
        tried = _first(asker, rng, who, attempt)
        fooled = asker.fools(asker.points(tried, who), who)
        change[who[fooled]] = tried[fooled]
        found[who[fooled]] = True
    asker.left[~found] = 0
    return change


def _first(asker: Asker, rng: Streams, who: NDArray[np.intp], attempt: int) -> NDArray[np.floating]:
    """A point to begin at, as a change."""
    least, most = asker.least[who], asker.most[who]
    if attempt == 0:
        return np.asarray((least + most) / 2)
    if attempt == 1:
        return np.where(most > -least, most, least)
    drawn = rng.take(who).uniform("decisions-start", least.shape[1], step=attempt)
    return np.asarray((least + (most - least) * drawn).astype(least.dtype))


def halved(
    asker: Asker, change: NDArray[np.floating], who: NDArray[np.intp], *, rounds: int
) -> NDArray[np.floating]:
    """Changes of the samples ``who``, which fool, brought to the edge along their way by bisection."""
    low, high = np.zeros(len(who), dtype=change.dtype), np.ones(len(who), dtype=change.dtype)
    for _ in range(rounds):
        middle = (low + high) / 2
        fooled = asker.fools(asker.points(along(asker.ball.norm, change, middle), who), who)
        low, high = np.where(fooled, low, middle), np.where(fooled, middle, high)
    return along(asker.ball.norm, change, high)


def handed_back(
    asker: Asker, x: NDArray[np.floating], constraint: Constraint, change: NDArray[np.floating]
) -> NDArray[np.floating]:
    """(n, *shape) the samples, changed where that stays in ball and bounds without tolerance."""
    found = asker.points(change, np.arange(len(x)))
    return np.asarray(np.where(_per_sample(constraint.holds(found, x), x), found, x))


def _per_sample(value: NDArray[np.bool_], like: NDArray[np.floating]) -> NDArray[np.bool_]:
    return value.reshape((-1,) + (1,) * (like.ndim - 1))
