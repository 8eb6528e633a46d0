"""How near the queries of benign callers are to each other's, from a reference set: for ``collusion``.

One half of the rows gives the distances of pairs, the other the limit, from crowds that are simulated: who
sends rows at random, some of them rows that everybody sends, and jobs that send their rows sorted by the same
value at the same time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ancile.numeric import np
from ancile.serve.calibration import FLAGGED, LEAST_LIMIT, SLACK
from ancile.serve.guards.collusion import ROUNDED, Crowd, Pairs
from ancile.serve.guards.sequence import Benign
from ancile.serve.ranks import QUERIES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float32]

MOST_ROWS = 2000  # of each half
KEPT = 4000  # of the smallest distances
MEMBERS, CROWDS = 10, 4  # identities of a crowd; crowds of each kind
POPULAR, ASKED = 5, 0.1  # rows that everybody sends, and which share of the queries they are


def pairs_of(x: NDArray[np.floating], benign: Benign, *, seed: int = 0) -> Pairs:
    """The table and the limit from the reference set ``x``, (n, *shape)."""
    rng = np.random.Generator(np.random.Philox(seed))
    flat = np.ascontiguousarray(x.reshape(len(x), -1), np.float32)
    flat = flat[rng.permutation(len(flat))[: 2 * MOST_ROWS]]
    points = np.empty((len(flat), benign.width), np.float32)
    for row, point in zip(flat, points, strict=True):
        benign.seen(row, point)
    half = len(points) // 2
    found, rest = _table(points[:half]), points[half:]
    crowds = [_random(rest, rng) for _ in range(CROWDS)]
    crowds += [_jobs(rest, flat[half:, rng.integers(flat.shape[1])], rng) for _ in range(CROWDS)]
    highest = np.array([_highest(one, found) for one in crowds])
    return found._replace(limit=SLACK * max(LEAST_LIMIT, _beyond(highest)))


def _table(points: Points) -> Pairs:
    squares = np.square(points, dtype=np.float64).sum(axis=1)
    distances = squares[:, None] + squares - 2.0 * (points @ points.T).astype(np.float64)
    found = np.sqrt(np.maximum(distances[np.triu_indices(len(points), 1)], 0.0))
    apart = found[found > ROUNDED]  # equal rows are no evidence
    kept = min(KEPT, len(apart))
    smallest = np.sort(np.partition(apart, kept - 1)[:kept])
    return Pairs(smallest.tolist(), len(found), len(points), math.inf)


def _beyond(highest: NDArray[np.floating]) -> float:
    """What a share of FLAGGED of the members comes above: maxima of sums are Gumbel's, fitted by moments."""
    scale = float(highest.std()) * math.sqrt(6) / math.pi
    fitted = float(highest.mean()) - np.euler_gamma * scale - scale * math.log(-math.log1p(-FLAGGED))
    return max(fitted, float(highest.max()))


def _random(points: Points, rng: np.random.Generator) -> list[Points]:
    """Rows at random, a tenth of them popular."""
    popular = rng.integers(len(points), size=POPULAR)
    found = []
    for _ in range(MEMBERS):
        chosen = rng.integers(len(points), size=QUERIES)
        again = rng.random(QUERIES) < ASKED
        chosen[again] = popular[rng.integers(POPULAR, size=int(again.sum()))]
        found.append(points[chosen])
    return found


def _jobs(points: Points, value: NDArray[np.float32], rng: np.random.Generator) -> list[Points]:
    """Each member has rows of its own, and all sort them by the same value."""
    parts = np.array_split(rng.permutation(len(points)), MEMBERS)
    return [points[part[np.argsort(value[part], kind="stable")]] for part in parts]


def _highest(members: list[Points], known: Pairs) -> list[float]:
    """How high the sum of each member comes, one query of each in turn."""
    crowd, totals, found = Crowd(members[0].shape[1]), [0.0] * len(members), [0.0] * len(members)
    for turn in range(max(len(one) for one in members)):
        for who, one in enumerate(members):
            if turn < len(one):
                _, totals[who] = crowd.add(one[turn], who + 1, totals[who], known)
                found[who] = max(found[who], totals[who])
    return found
