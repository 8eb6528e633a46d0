"""Extraction: rows to ask about, chosen without or with what came of those before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.attackers.surrogate import Surrogate
from ancile.serve.attackers.target import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.float32]

SEEDS = 10  # natural rows that a thief without data of his own begins with
STEP = 0.3  # of a value's spread: JBDA's lambda is 0.1 of the range of a pixel
ROUND = 50  # queries between two fits of the surrogate
POOL = 500  # synthetic rows of which the least sure ones are asked about


class Loot(NamedTuple):
    """What a thief has so far; ``x`` in his units."""

    x: Rows
    y: NDArray[np.intp]
    classes: int


Thief = Callable[[Loot, "Rows", Space, np.random.Generator], "Rows"]


def uniform(_: Loot, _own: Rows, space: Space, rng: np.random.Generator) -> Rows:
    """Each value anywhere in its range (Tramer et al., USENIX Security 2016)."""
    low, high = space.low / space.scale, space.high / space.scale
    return rng.uniform(low, high, size=(ROUND, len(low))).astype(np.float32)


def marginals(_: Loot, own: Rows, _space: Space, rng: np.random.Generator) -> Rows:
    """Each value from another of the thief's few rows."""
    return _mixed(own[:SEEDS], ROUND, rng)


def jacobian(loot: Loot, own: Rows, space: Space, rng: np.random.Generator) -> Rows:
    """Jacobian-based augmentation (Papernot et al., ASIA CCS 2017): a step along the gradient."""
    if not len(loot.x):
        return own[:SEEDS]
    chosen = rng.integers(len(loot.x), size=ROUND)
    surrogate = Surrogate(loot.x, loot.y, classes=loot.classes, rng=rng)
    x, y = loot.x[chosen], loot.y[chosen]
    step = STEP * np.maximum(own[:SEEDS].std(axis=0), 0.1)
    moved = x - rng.choice([-1.0, 1.0], size=(len(x), 1)) * step * surrogate.signs(x, y)
    return np.asarray(np.clip(moved, space.low / space.scale, space.high / space.scale), np.float32)


def active(loot: Loot, own: Rows, _space: Space, rng: np.random.Generator) -> Rows:
    """Of many synthetic rows those that the surrogate is least sure of (uncertainty sampling)."""
    if not len(loot.x):
        return own[:SEEDS]
    pool = _mixed(own[:SEEDS], POOL, rng)
    scores = np.sort(Surrogate(loot.x, loot.y, classes=loot.classes, rng=rng).scores(pool), axis=1)
    return pool[np.argsort(scores[:, -1] - scores[:, -2])[:ROUND]]


def natural(loot: Loot, own: Rows, _space: Space, _rng: np.random.Generator) -> Rows:
    """Rows as the model meets them (Knockoff Nets: Orekondy et al., CVPR 2019): not to be told from use."""
    return np.take(own, range(len(loot.x), len(loot.x) + ROUND), axis=0, mode="wrap")


def _mixed(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    chosen = rng.integers(len(rows), size=(count, rows.shape[1]))
    return np.take_along_axis(rows, chosen, axis=0)


THIEVES: dict[str, Thief] = {
    "uniform": uniform,
    "marginals": marginals,
    "jacobian": jacobian,
    "active": active,
    "natural": natural,
}


def steal(
    thief: Thief,
    ask: Callable[[Rows], int],
    own: NDArray[np.floating],
    *,
    space: Space,
    classes: int,
    rng: np.random.Generator,
) -> Iterator[Loot]:
    """What the thief has after each round; ``own`` rows and what ``ask`` gets are in the model's units."""
    seeds = (own / space.scale).astype(np.float32)
    loot = Loot(seeds[:0], np.zeros(0, np.intp), classes)
    while True:
        rows = thief(loot, seeds, space, rng)
        labels = [ask((row * space.scale).astype(np.float32)) for row in rows]
        loot = Loot(np.concatenate([loot.x, rows]), np.concatenate([loot.y, labels]).astype(np.intp), classes)
        yield loot
