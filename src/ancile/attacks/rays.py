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
    found = np.isfinite(ray.distance)[:, None]
    change = np.where(found, ray.change(ray.signs, ray.distance, everyone), x.dtype.type(0))
    return handed_back(asker, x, constraint, change)


class _Ray:
    """The best corner of each sample so far and how far along it the edge is.

    A sample is either bisecting, between ``low`` and ``distance``, or tries the next turn; all ask at once.
    """

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        n, self.width = asker.least.shape
        self.signs = np.ones((n, self.width), dtype=asker.least.dtype)
        self.distance, self.low = np.full(n, np.inf), np.full(n, np.inf)
        self.places = np.arange(self.width)
        self.level, self.window = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.farthest = np.maximum(asker.most, -asker.least).max(axis=1, initial=0.0).astype(np.float64)
        self.begun = np.zeros(n, dtype=bool)

    def ask(self, who: NDArray[np.intp]) -> None:
        """One question about each of these samples."""
        bisecting = self.distance[who] > self.low[who] + FINE * self.farthest[who]
        signs = self.signs[who].copy()
        turning = np.flatnonzero(~bisecting)
        signs[turning] *= np.where(self._turns(who[turning]), -1, 1).astype(signs.dtype)
        far = np.where(bisecting, (self.low[who] + self.distance[who]) / 2, self.distance[who] * NEARER)
        fooled = self.asker.fools(self.asker.points(self.change(signs, far, who), who), who)
        # A bisection that failed raises its lower end; a turn that failed leaves all as it is
        up = who[bisecting & ~fooled]
        self.low[up] = far[bisecting & ~fooled]
        self.signs[who[fooled]] = signs[fooled]
        self.distance[who[fooled]] = np.where(np.isfinite(far), far, self.farthest[who])[fooled]
        self.low[who[fooled & ~bisecting]] = 0.0

    def change(
        self, signs: NDArray[np.floating], distance: NDArray[np.floating], who: NDArray[np.intp]
    ) -> NDArray[np.floating]:
        """So far along the corners, cut by the bounds."""
        far = np.where(np.isfinite(distance), distance, self.farthest[who]).astype(signs.dtype)[:, None]
        return np.asarray(np.clip(signs * far, self.asker.least[who], self.asker.most[who]))

    def _turns(self, who: NDArray[np.intp]) -> NDArray[np.bool_]:
        """The next window of each sample; the one after it is then next. Before all others none."""
        level, window = self.level[who], self.window[who]
        count = np.minimum(1 << np.minimum(level, 62), self.width)
        start, end = window * self.width // count, (window + 1) * self.width // count
        begun = self.begun[who]
        inside = (self.places >= start[:, None]) & (self.places < end[:, None]) & begun[:, None]
        last = window + 1 >= count
        self.window[who] = np.where(begun & ~last, window + 1, 0)
        ended = np.where(count >= self.width, 0, level + 1)
        self.level[who] = np.where(begun & last, ended, level)
        self.begun[who] = True
        return np.asarray(inside)
