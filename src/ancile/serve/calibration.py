"""What benign callers look like, from a reference set: ranks of nearest distances, a limit of their sum.

Rows that give the ranks and rows that give the limit are disjoint. A benign caller is taken to draw rows at
random, and to repeat one query in 33 exactly; how far that is from real callers is for recorded traffic to
say, and the documentation says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.numeric import np
from ancile.serve.guards.sequence import FILLS, REPEAT, SLOTS, Benign, Window, bucket

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_ROWS = 500  # below, the nearest of 64 random rows is too often the same one
CALLERS = 200  # simulated for each half
QUERIES = 600  # of each: what a benign caller may ask without being flagged
REPEATED = 0.03
FLAGGED = 0.01  # of benign callers, at most
TABLE = 2000  # distances of a table; its quantiles are kept
WIDEST = 64  # values of a sample that are searched exactly
PROJECTED = 32
SPREAD = 1e-6  # of a value that never changes


def calibrate(x: NDArray[np.floating], *, seed: int = 0) -> Benign:
    """The benign callers of a reference set.

    x  (n, *shape) at least 500 samples
    """
    if len(x) < LEAST_ROWS:
        raise AncileError(
            "the reference set is too small",
            value=f"{len(x)} samples",
            remedy=f"give at least {LEAST_ROWS} that the model was not trained on",
        )
    rng = np.random.Generator(np.random.Philox(seed))
    flat = np.ascontiguousarray(x.reshape(len(x), -1), np.float32)
    projection = None
    if flat.shape[1] > WIDEST:
        projection = rng.normal(size=(PROJECTED, flat.shape[1])).astype(np.float32) / np.float32(
            PROJECTED**0.5
        )
    spread = flat.std(axis=0)
    weight = (1.0 / np.where(spread > SPREAD, spread, 1.0)).astype(np.float32)
    if projection is not None:
        projection *= weight
    benign = Benign(flat.mean(axis=0), weight, projection, (), 0.0)
    samples = flat[rng.permutation(len(flat))]
    half = len(samples) // 2
    ranked = benign._replace(ranks=_ranks(samples[:half], benign, rng))
    return ranked._replace(limit=_limit(samples[half:], ranked, rng))


def _ranks(samples: NDArray[np.float32], benign: Benign, rng: np.random.Generator) -> tuple[list[float], ...]:
    found: list[list[float]] = [[] for _ in FILLS]
    for _ in range(CALLERS):
        window = Window(benign.width)
        for at in rng.integers(len(samples), size=2 * SLOTS):
            distance, filled = window.nearest(samples[at], benign)
            if filled and distance > REPEAT:
                found[bucket(filled)].append(distance)
    if not all(found):
        raise AncileError(
            "the reference set has too few different samples",
            value="most are equal",
            remedy="give samples as the model meets them",
        )
    return tuple(np.quantile(one, np.linspace(0, 1, TABLE)).tolist() for one in found)


def _limit(samples: NDArray[np.float32], ranked: Benign, rng: np.random.Generator) -> float:
    highest = []
    for _ in range(CALLERS):
        window, most = Window(ranked.width), 0.0
        before = 0
        for at in rng.integers(len(samples), size=QUERIES):
            chosen = before if rng.random() < REPEATED else int(at)
            before = chosen
            most = max(most, window.add(samples[chosen], ranked))
        highest.append(most)
    return float(np.quantile(highest, 1 - FLAGGED)) + 1e-9
