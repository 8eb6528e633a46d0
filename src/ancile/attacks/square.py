"""Square attack: Andriushchenko, Croce, Flammarion, Hein, ECCV 2020, arXiv:1912.00049, algorithms 1 and 2.

A random search that needs scores, or labels, and no gradients. Deviations from the paper: each sample draws
its own windows, so that nothing depends on the batch; a proposal that would change nothing has its sign
turned instead of being drawn again; a table's row, whose neighbouring columns mean nothing, has random sets
of features in place of windows; a proposal that is as good is taken, so that the search can walk where a
model answers with labels or in steps (a small network on digits, labels, eps 0.15: 72 against 84 % left).

In L1 as in "Mind the box" (Croce and Hein 2021, arXiv:2103.01208); in L0 it is Sparse-RS (arXiv:2006.12834).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks.constraint import Constraint
from ancile.attacks.sparse_moves import sparse_move, sparse_share, sparse_start
from ancile.attacks.square_moves import Place, bump_move, bump_start, linf_move, linf_start
from ancile.attacks.stop import OnStep, stopped
from ancile.attacks.streams import Streams
from ancile.attacks.windows import grid_of
from ancile.core.errors import AncileError
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Queries out of 10,000 after which the share of the plane that a proposal changes is halved: section 4.1
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)

MOVES = {
    "linf": (linf_start, linf_move),
    "l2": (bump_start, bump_move),
    "l1": (bump_start, bump_move),
    "l0": (sparse_start, sparse_move),
}


def square(
    scores: Callable[[NDArray[np.floating]], NDArray[np.floating]],
    x: NDArray[np.floating],
    y: NDArray[np.int64],
    constraint: Constraint,
    rng: Streams,
    *,
    queries: int = 1000,
    first_share: float = 0.8,
    on_step: OnStep = None,
) -> NDArray[np.floating]:
    """The most wrong point found by changing random windows of each sample to the edge of the ball.

    scores       answers (n, classes) to samples (n, *shape): logits, probabilities or one-hot labels
    x            (n, *shape): images with channels first or last, or without, or rows of any length
    y            (n,) true labels
    queries      most questions about one sample
    first_share  of the plane that the first proposals change: p in the paper, 0.8 as in AutoAttack; not in L0
    on_step      asked before every query; True ends the attack with the best found so far
    returns      (n, *shape) inside the ball, in the float type of ``x``: an adversarial example where one
                 was met, else the point of the largest margin; whether it fools is the caller's to judge

    Draws windows and signs from ``rng``. Cost: at most ``queries`` queries a sample, none once it is broken;
    none where eps is 0. Scores that are not finite decide nothing.
    """
    if queries < 1 or not 0 < first_share <= 1:
        raise AncileError(
            "an attack without queries or windows",
            value=f"queries={queries}, first_share={first_share:g}",
            remedy="give 1 query or more and a share above 0, at most 1",
        )
    found = x.copy()
    if constraint.eps == 0 or not len(x):
        return found
    if not x.size:
        raise AncileError(
            "samples without features", value=f"shape {x.shape}", remedy="give samples of at least one value"
        )
    sparse = constraint.norm == "l0"
    grid = constraint.spots(x.shape[1:]) if sparse else grid_of(x.shape[1:])
    start, move = MOVES[constraint.norm]
    left = _Left(Place.of(constraint.ball(x), grid, rng), np.arange(len(x)), y, np.full(len(x), -np.inf))
    now = grid.planes(x)
    for query in range(queries):
        if stopped(on_step):
            break
        area = sparse_share(query, queries) if sparse else _share(first_share, query, queries) * grid.places
        proposal = move(now, left.place, area, query) if query else start(left.place)
        candidates = grid.samples(proposal, x.shape[1:])
        value, fooled = _judged(np.asarray(scores(candidates)), left.y)
        better = fooled | (value >= left.value)
        found[left.rows[better]] = candidates[better]
        now = np.where(better[:, None, None], proposal, now)
        left = left._replace(value=np.where(better, value, left.value))
        if fooled.any():
            now, left = now[~fooled], left.take(~fooled)
            if not len(now):
                break
    return found


class _Left(NamedTuple):
    """The samples that stand: where each may go, which it is, its label and its best margin so far."""

    place: Place
    rows: NDArray[np.int64]
    y: NDArray[np.int64]
    value: NDArray[np.floating]

    def take(self, stands: NDArray[np.bool_]) -> _Left:
        return _Left(self.place.take(stands), self.rows[stands], self.y[stands], self.value[stands])


def _share(first: float, query: int, queries: int) -> float:
    """The share of the plane to change at a query; the halvings are stretched over all queries."""
    reached = query * 10_000 // queries
    return first / 2.0 ** sum(reached > after for after in HALVINGS)


def _judged(
    scores: NDArray[np.floating], y: NDArray[np.int64]
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """(n,) best wrong less right score, NaN where scores are not finite; whether the decision is wrong."""
    rows = np.arange(len(y))
    finite = np.isfinite(scores).all(axis=1)
    wrong = np.array(scores, dtype=np.float64)
    wrong[rows, y] = -np.inf
    value = np.where(finite, wrong.max(axis=1), np.nan) - np.where(finite, scores[rows, y], 0.0)
    return value, finite & (scores.argmax(axis=1) != y)
