"""Rows of one class that are alike in a way that its other rows are not: found in matrices of similarity."""

from __future__ import annotations

from typing import NamedTuple

from ancile.data.poison.whitening import Floats
from ancile.data.rows import Integers
from ancile.numeric import NDArray, np

FEWEST = 3  # rows of a group
MOST = 0.6  # of the rows of a class: what more of them share is the class
NEAREST = (2, 8, 20)  # neighbours by which a seed is chosen: for groups of few rows and of many
ROUNDS = 3  # from the seed to the group; measured: the fourth changes nothing
NOISE = 0.05  # deviation of similarities that no split is judged below


class Split(NamedTuple):
    """For each of w cells: how much better two groups explain the rows than one, and the upper group.

    gain    (w,) log of the ratio of likelihoods
    inside  (w, n)
    """

    gain: Floats
    inside: NDArray[np.bool_]


def split(scores: Floats) -> Split:
    """Each line of scores (w, n) cut in two where two normal distributions fit it best."""
    cells, count = scores.shape
    order = -np.sort(-scores.astype(np.float64), axis=1)
    first, second = np.cumsum(order, axis=1), np.cumsum(order * order, axis=1)
    above = np.arange(1, count)
    below = count - above
    noise = NOISE**2
    total = np.maximum(second[:, -1:] / count - (first[:, -1:] / count) ** 2, 0) + noise
    upper = np.maximum(second[:, :-1] / above - (first[:, :-1] / above) ** 2, 0) + noise
    rest = (second[:, -1:] - second[:, :-1]) / below - ((first[:, -1:] - first[:, :-1]) / below) ** 2
    lower = np.maximum(rest, 0) + noise
    share = above / count
    gain = 0.5 * (
        count * np.log(total) - below * np.log(lower) - above * np.log(np.maximum(upper, lower / 4))
    )
    gain += above * np.log(share) + below * np.log(1 - share)
    gain[:, : FEWEST - 1] = -np.inf
    gain[:, max(int(MOST * count), FEWEST) :] = -np.inf
    best = gain.argmax(axis=1)
    line = np.arange(cells)
    return Split(gain[line, best].astype(np.float32), scores >= order[line, best][:, None].astype(np.float32))


def cliques(alike: Floats, apart: Floats) -> Split:
    """The most distinct group in each of w matrices of similarity.

    alike  (w, n, n) similarities, 0 where rows are not to be compared
    apart  (w, n, n) or (1, n, n), 1 where they are: neither a row with itself nor near copies, whose likeness
           in one thing follows from their likeness in all
    """
    cells, count, _ = alike.shape
    line = np.arange(cells)
    best: Split | None = None
    for nearest in NEAREST:
        if nearest > count // 2:
            break
        last = np.partition(alike, count - nearest, axis=2)[:, :, count - nearest]
        seed = last.argmax(axis=1)
        inside = alike[line, seed] >= last[line, seed][:, None]
        inside[line, seed] = True
        for _ in range(ROUNDS):
            cut = split(likeness(alike, apart, inside))
            inside = cut.inside
        best = cut if best is None else _better(best, cut)
    if best is None:
        return Split(np.zeros(cells, np.float32), np.zeros((cells, count), np.bool_))
    return best


def likeness(alike: Floats, apart: Floats, inside: NDArray[np.bool_]) -> Floats:
    """(w, n): the mean similarity of each row to the rows inside that it may be compared with."""
    chosen = inside.astype(np.float32)[:, :, None]
    total = (alike @ chosen)[:, :, 0]
    many = (apart @ chosen)[:, :, 0]
    return np.asarray(total / np.maximum(many, 1))


def _better(one: Split, other: Split) -> Split:
    wins = other.gain > one.gain
    return Split(np.where(wins, other.gain, one.gain), np.where(wins[:, None], other.inside, one.inside))


def blocks(labels: Integers, *, most: int, rng: np.random.Generator) -> list[Integers]:
    """Places of rows of one class each, at most ``most`` together; none of classes of fewer than 8 rows."""
    found: list[Integers] = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if len(own) >= 8:  # fewer are no class of which a part could differ
            found += [np.sort(part) for part in np.array_split(rng.permutation(own), -(-len(own) // most))]
    return found
