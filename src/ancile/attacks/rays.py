"""RayS: Chen and Gu, KDD 2020, arXiv:2006.12792, algorithms 1 to 3. Labels alone, Linf.

The nearest example in the direction of a corner of the box, found by bisection; corners are searched by
turning the signs of windows, halved from round to round. A turn is kept when its ray fools at the distance
reached. Deviation: after the last round, which turns single features, the first begins again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ancile.attacks.constraint import Constraint
from ancile.attacks.decisions import Asker, Goal, handed_back
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.attacks.decisions import Scores

FINE = 1e-3  # of the range: how closely a distance is bisected, as in the paper's code
NEARER = 0.999  # of the distance, at which a turn is tried: equally far is no gain


def rays(
    scores: Scores,
    x: NDArray[np.floating],
    y: NDArray[np.int64],
    constraint: Constraint,
    rng: Streams,  # noqa: ARG001 - one signature for all attacks
    *,
    queries: int = 1000,
    goal: Goal = "nearest",
    on_step: Callable[[], bool] | None = None,
) -> NDArray[np.floating]:
    """The nearest point met that the model misreads, for each sample, from decisions alone, within eps.

    scores   answers (n, classes) to samples (n, *shape); only which is largest is looked at
    x        (n, *shape)
    y        (n,) true labels
    queries  most questions about one sample, all counted
    goal     ``nearest`` asks all questions; ``inside`` none once a sample's point is within eps
    on_step  asked before every batch of questions; True ends the attack with the nearest found so far
    returns  (n, *shape) each inside ball and bounds and misread; a sample for which none was found, or that
             is misread as it is, comes back unchanged

    Linf. Draws nothing from ``rng``. None is asked where eps is 0. Scores that are not finite decide nothing.
    """
    if constraint.norm != "linf":
        raise AncileError(
            "rays is not defined in this norm", value=plain(f"norm={constraint.norm}"), remedy="give linf"
        )
    asker = Asker.of(scores, x, y, constraint, queries=queries, goal=goal, stop=on_step)
    if not x.size or constraint.eps == 0 or constraint.reach == 0:
        return x.copy()
    everyone = np.arange(len(x))
    asker.left[asker.fools(asker.ball.around, everyone)] = 0
    ray = _Ray(asker)
    while len(who := asker.alive()):
        ray.ask(who)
        asker.settle(ray.distance[who], who)
    far = np.where(np.isfinite(ray.distance), ray.distance, 0.0).astype(x.dtype)
    return handed_back(asker, x, constraint, ray.signs * far[:, None])


class _Ray:
    """The best corner of each sample so far and how far along it the edge is.

    A sample is either bisecting, between ``low`` and ``distance``, or tries the next turn; all ask at once.
    """

    def __init__(self, asker: Asker) -> None:
        self.asker, self.ball = asker, asker.ball
        n, self.width = asker.least.shape
        self.signs = np.ones((n, self.width), dtype=asker.least.dtype)
        self.distance, self.low = np.full(n, np.inf), np.full(n, np.inf)
        self.level, self.window = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.farthest = np.maximum(asker.most, -asker.least).max(axis=1, initial=0.0).astype(np.float64)
        self.begun = np.zeros(n, dtype=bool)
        self.asked = n

    def ask(self, who: NDArray[np.intp]) -> None:
        """One question about each of the samples that may still be asked about."""
        if len(who) < self.asked:
            self.asked, self.ball = len(who), self.asker.ball.take(self.asker.left > 0)
        distance, low = self.distance[who], self.low[who]
        bisecting = distance > low + FINE * self.farthest[who]
        signs = self.signs[who]
        self._turn(signs, who, np.flatnonzero(~bisecting))
        far = np.where(bisecting, (low + distance) / 2, distance * NEARER)
        far = np.where(np.isfinite(far), far, self.farthest[who])
        fooled = self.asker.fools(self._points(signs, far), who)
        # A bisection that failed raises its lower end; a turn that failed leaves all as it is
        up = bisecting & ~fooled
        self.low[who[up]] = far[up]
        self.signs[who[fooled]] = signs[fooled]
        self.distance[who[fooled]] = far[fooled]
        self.low[who[fooled & ~bisecting]] = 0.0

    def _points(self, signs: NDArray[np.floating], far: NDArray[np.float64]) -> NDArray[np.floating]:
        """So far along the corners, cut by the bounds."""
        around = self.ball.around
        moved = (signs * far.astype(signs.dtype)[:, None]).reshape(around.shape)
        if self.ball.unit is not None:
            moved *= self.ball.unit.astype(around.dtype)
        moved += around
        return np.clip(moved, self.ball.low, self.ball.high, out=moved)

    def _turn(self, signs: NDArray[np.floating], who: NDArray[np.intp], places: NDArray[np.intp]) -> None:
        """Turn the next window of those at ``places`` of ``who``; before all others, none."""
        some = who[places]
        level, window, begun = self.level[some], self.window[some], self.begun[some]
        count = np.minimum(1 << np.minimum(level, 62), self.width)
        starts, ends = window * self.width // count, (window + 1) * self.width // count
        for k in np.flatnonzero(begun):
            signs[places[k], starts[k] : ends[k]] *= -1
        last = window + 1 >= count
        self.window[some] = np.where(begun & ~last, window + 1, 0)
        self.level[some] = np.where(begun & last, np.where(count >= self.width, 0, level + 1), level)
        self.begun[some] = True
