"""What benign callers look like, from a reference set: ranks of nearest distances, limits of their sums.

Rows that give the ranks and rows that give the limits are disjoint, but where answers are needed. Benign
callers are simulated: who draws rows at random and repeats some, who sends a batch sorted by one value or
by several; and, for what may be acted upon, who moves a value or two of a form at a time. How far that is
from real callers is for recorded traffic to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.numeric import np
from ancile.serve.guards.sequence import (
    FILLS,
    MOVED,
    REPEAT,
    SEARCH,
    SUMS,
    Benign,
    Light,
    Window,
    bucket,
)
from ancile.serve.orders import sorted_order
from ancile.serve.ranks import QUERIES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.float32]

LEAST_ROWS = 500  # below, the nearest of 64 random rows is too often the same one
MOST_ROWS = 4000  # that are looked at
CALLERS = 40  # simulated of each kind
REPEATED = 0.03
FLAGGED = 0.002  # of benign callers by one sum, at most; there are several
# Of a sum of log-likelihood ratios: independent benign queries come above it as rarely as that (Wald 1947).
LEAST_LIMIT = math.log(QUERIES / FLAGGED)
SLACK = 1.5  # of a limit: real callers are other than simulated ones
SLACK_OF_IMAGES = 2.5  # one batch of them is denser than another
TABLE = 4000  # distances of a table; its quantiles are kept
WIDEST = 64  # values of a sample that are searched exactly
PROJECTED = 32
ALIKE = 0.1  # of the values, that the variance is spread over as evenly, make a sample's values of one kind
FLAT = 0.1  # of the median deviation of an image: what has less is taken for noise on one colour
SPREAD = 1e-6  # of a value that never changes
VARIED = 10  # queries that somebody tries with one form
NEVER = (math.inf,) * SUMS


def calibrate(x: NDArray[np.floating], *, seed: int = 0) -> Benign:
    """The benign callers of a reference set, as far as they can be told without the model's answers.

    x  (n, *shape) at least 500 samples
    """
    if len(x) < LEAST_ROWS:
        raise AncileError(
            "the reference set is too small",
            value=f"{len(x)} samples",
            remedy=f"give at least {LEAST_ROWS} that the model was not trained on",
        )
    rng = np.random.Generator(np.random.Philox(seed))
    flat = np.ascontiguousarray(x.reshape(len(x), -1), np.float32)[:MOST_ROWS]
    benign = _space(flat, rng)
    samples = rng.permutation(len(flat))
    half = len(samples) // 2
    ranked = benign._replace(ranks=_ranks(flat[samples[:half]], benign, rng))
    return ranked._replace(limits=_limits(flat[samples[half:]], ranked, None, rng))


def with_sureness(benign: Benign, x: NDArray[np.floating], sure: NDArray[np.floating]) -> Benign:
    """The same, with limits of the sums that need answers.

    All rows that were asked about are used, those that gave the ranks of distances among them: each is
    compared with other rows in either case.

    x     the samples again
    sure  (m,) rank of the margin of the answer to each of the first m among all; small is unsure
    """
    rng = np.random.Generator(np.random.Philox(1))
    count = min(len(x), len(sure), MOST_ROWS)
    flat = np.ascontiguousarray(x[:count].reshape(count, -1), np.float32)
    found = _limits(flat, benign, sure[:count], rng)
    return benign._replace(limits=(*benign.limits[:SEARCH], *found[SEARCH:]))


def _space(flat: Rows, rng: np.random.Generator) -> Benign:
    """Where distances are taken: values each by their own spread, images whatever their light."""
    centre, spread = flat.mean(axis=0), flat.std(axis=0)
    weight = (1.0 / np.where(spread > SPREAD, spread, 1.0)).astype(np.float32)
    if flat.shape[1] <= WIDEST:
        return Benign(centre, weight, None, (), NEVER)
    projection = (rng.normal(size=(PROJECTED, flat.shape[1])) / PROJECTED**0.5).astype(np.float32)
    if not of_one_kind(spread):
        return Benign(centre, weight, projection, (), NEVER)
    least = max(FLAT * float(np.median(flat.std(axis=1))), SPREAD)
    light = Light(least, 1.0 / max(float(flat.std()), SPREAD))
    projection -= projection.mean(axis=1, keepdims=True)  # so that what all values have more is nothing
    with_ones = np.concatenate([projection, np.ones((1, flat.shape[1]), np.float32)])
    return Benign(centre, weight, with_ones, (), NEVER, light)


def of_one_kind(spread: NDArray[np.floating]) -> bool:
    """Whether values with these deviations have one unit, as pixels do and the columns of a table do not.

    The variance of a table in many units is that of a few columns (participation ratio).
    """
    shares = np.square(spread, dtype=np.float64)
    return bool(shares.sum() ** 2 >= ALIKE * len(shares) * np.square(shares).sum())


def _ranks(samples: Rows, benign: Benign, rng: np.random.Generator) -> tuple[list[float], ...]:
    found: list[list[float]] = [[] for _ in FILLS]
    for _ in range(CALLERS):
        window = Window(benign.width)
        for at in rng.integers(len(samples), size=2 * FILLS[-1]):
            distance, _ = window.nearest(samples[at], benign)
            if window.filled and distance > REPEAT:
                found[bucket(window.filled)].append(distance)
            window.keep()
    if not all(found):
        raise AncileError(
            "the reference set has too few different samples",
            value="most are equal",
            remedy="give samples as the model meets them",
        )
    # A near pair is two rows, drawn again and again: n rows tell of nothing rarer than one in n / 2.
    most = min(TABLE, len(samples) // 2)
    return tuple(np.quantile(one, np.linspace(0, 1, min(len(one), most))).tolist() for one in found)


Sent = tuple["Rows", int]  # a sample, and the row of the reference whose answer it is taken to have


def _random(samples: Rows, rng: np.random.Generator) -> Iterator[Sent]:
    before = 0
    for at in rng.integers(len(samples), size=QUERIES):
        before = before if rng.random() < REPEATED else int(at)
        yield samples[before], before


def _sorted(samples: Rows, rng: np.random.Generator) -> Iterator[Sent]:
    for at in sorted_order(samples, rng):
        yield samples[at], int(at)


def _forms(samples: Rows, rng: np.random.Generator) -> Iterator[Sent]:
    for _ in range(QUERIES // VARIED):
        base = int(rng.integers(len(samples)))
        row = samples[base].copy()
        for _ in range(VARIED):
            yield row.copy(), base  # a form near the boundary stays there, as far as is known here
            for value in rng.integers(samples.shape[1], size=int(rng.integers(1, 3))):
                row[value] = samples[int(rng.integers(len(samples))), value]


def _limits(
    samples: Rows, ranked: Benign, sure: NDArray[np.floating] | None, rng: np.random.Generator
) -> tuple[float, ...]:
    plain = [_highest(kind, samples, ranked, sure, rng) for kind in (_random, _sorted)]
    limits = np.max([_beyond(one) for one in plain], axis=0)
    limits[:SEARCH] = np.maximum(limits[:SEARCH], LEAST_LIMIT)
    if sure is None:
        limits[SEARCH:] = np.inf
    else:
        limits[MOVED] = max(limits[MOVED], _beyond(_highest(_forms, samples, ranked, sure, rng))[MOVED])
    slack = SLACK if ranked.light is None else SLACK_OF_IMAGES
    return tuple(float(one) for one in limits * slack)


def _highest(
    kind: Callable[[Rows, np.random.Generator], Iterator[Sent]],
    samples: Rows,
    ranked: Benign,
    sure: NDArray[np.floating] | None,
    rng: np.random.Generator,
) -> NDArray[np.floating]:
    """(callers, sums) how high each sum of each caller comes."""
    found = np.zeros((CALLERS, SUMS))
    for caller in found:
        window = Window(ranked.width)
        for sample, at in kind(samples, rng):
            near = window.add(sample, ranked)
            if sure is not None:
                window.answered(near, float(sure[at]))
            np.maximum(caller, window.sums, out=caller)
    return found


def _beyond(highest: NDArray[np.floating]) -> NDArray[np.floating]:
    """What a share of FLAGGED of the callers comes above: maxima of sums are Gumbel's, fitted by moments."""
    scale = highest.std(axis=0) * math.sqrt(6) / math.pi
    fitted = highest.mean(axis=0) - np.euler_gamma * scale - scale * math.log(-math.log1p(-FLAGGED))
    found: NDArray[np.floating] = np.maximum(fitted, highest.max(axis=0))
    return found
