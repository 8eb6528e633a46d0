"""Rows of one set that are nearly rows of another: pictures and rows of cells by the distance to the nearest.

A copy that was stored again, brightened, moved or rounded is many times nearer to its original than to
anything else; the next of its kind is about as near as the one after it (the ratio of Lowe, IJCV 60, 2004,
section 7.1). How often that ratio is small by chance is seen on rows of the training set among themselves: in
a table of few columns it often is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ancile.core.extras import needs
from ancile.data.rows import Integers, Pictures, Reals
from ancile.numeric import NDArray, np

Floats = NDArray[np.float32]

# Of 6,000 rows of MNIST and GTSRB none is nearer to another set than 0.5 of its next
RATIO = 0.4
# In a table that of them counts which is exceeded the most, and only where chance does not explain it
RATIOS = (0.4, 0.2, 0.1, 0.05, 0.02, 0.005, 0.001)
SURE = 1e-3  # chance of an excess that is called one
ALIKE = 0.998  # correlation of pictures that are the same to the eye; of natural ones 0.993 at most, as above
LEAST_ALIKE = 0.8  # below it a picture is another one, however far the next is
SIDE, COARSE, WAVES = 32, 12, 6  # pixels of a picture that are compared; of its search; waves a side
SHIFTS = 2  # pixels by which a copy may be moved
NEIGHBOURS = 3  # looked at closely
BLOCK_CELLS = 1 << 24  # of a product of two sets, 64 MiB


class Nearest(NamedTuple):
    """For each row the nearest of the other set, its distance, and that divided by the next one's."""

    which: Integers
    distance: Reals
    ratio: Reals


class Near(NamedTuple):
    """Pairs (row, row of the training set), and the share of training rows that count by the same rule."""

    pairs: list[tuple[int, int]]
    self_share: float


def near_pictures(train: Pictures, test: Pictures, sample: Integers) -> Near:
    """Pictures of ``test`` that are nearly in ``train``: stored again, brightened, mirrored, moved a little.

    sample  rows of ``train`` by which chance is told
    """
    first = train.pixels.shape[1:3]
    if test.pixels.shape[1:3] != first:
        return Near([], 0.0)  # of another size; told by who opened them
    base, side = _grey(train.pixels, SIDE), _Search(train.pixels)

    def look(pixels: NDArray[np.uint8], skip: Integers | None) -> Nearest:
        return _closely(_grey(pixels, SIDE), base, side.candidates(pixels, skip=skip))

    found, own = look(test.pixels, None), look(train.pixels[sample], sample)
    close = _is_close(own)
    return Near(_pairs(found, _is_close(found)), float(close.mean()) if close.size else 0.0)


def near_cells(train: Reals, test: Reals, sample: Integers) -> Near:
    """Rows (n, d) of ``test`` that are nearly rows of ``train``, in units in which columns weigh alike.

    None, unless they are more than rows of ``train`` are nearly each other.
    """

    def look(rows: Reals, skip: Integers | None) -> Nearest:
        which = nearest(rows.astype(np.float32), train.astype(np.float32), NEIGHBOURS, skip=skip)
        far = np.sqrt(((rows[:, None, :] - train[which]) ** 2).sum(axis=2))
        return _ranked(which, far)

    found, own = look(test, None), look(train[sample], sample)
    best = 1.0, 0.0, 0.0
    for bound in RATIOS:
        ours, theirs = (int(_below(side, bound).sum()) for side in (found, own))
        chance = excess(ours, len(test), theirs, len(sample))
        best = min(best, (chance, bound, theirs / max(1, len(sample))))
    chance, bound, share = best
    if chance >= SURE / len(RATIOS):
        return Near([], share)
    return Near(_pairs(found, _below(found, bound)), share)


def _below(found: Nearest, bound: float) -> NDArray[np.bool_]:
    small: NDArray[np.bool_] = (found.ratio <= bound) & (found.distance > 0)
    return small


def excess(count: int, total: int, again: int, of: int) -> float:
    """The chance that so many rows or more have an equal, if that were as frequent as ``again`` of ``of``.

    Fisher's exact test, one-sided: the tail of the hypergeometric distribution.
    """
    gammaln = needs("scipy.special", "arrays").gammaln
    if not (count and of):
        return 1.0
    hits, size = count + again, total + of

    def log_choose(n: int, k: Integers | int) -> Reals:
        found: Reals = gammaln(n + 1) - gammaln(np.asarray(k) + 1) - gammaln(n - np.asarray(k) + 1)
        return found

    tail = np.arange(count, min(hits, total) + 1)
    terms = log_choose(hits, tail) + log_choose(size - hits, total - tail) - log_choose(size, total)
    return float(min(1.0, np.exp(terms).sum()))


def nearest(rows: Floats, base: Floats, count: int, *, skip: Integers | None = None) -> Integers:
    """(n, count) places of the nearest rows of ``base``, in no order; ``skip`` is each row's own place."""
    count = min(count, len(base) - (skip is not None))
    found = np.zeros((len(rows), max(count, 0)), dtype=np.int64)
    half = (base * base).sum(axis=1) / 2
    step = max(1, BLOCK_CELLS // max(1, len(base)))
    for start in range(0, len(rows) if count > 0 else 0, step):
        score = rows[start : start + step] @ base.T - half
        if skip is not None:
            score[np.arange(len(score)), skip[start : start + step]] = -np.inf
        found[start : start + step] = np.argpartition(-score, count - 1, axis=1)[:, :count]
    return found


def _ranked(which: Integers, far: Reals) -> Nearest:
    if not which.shape[1]:
        none = np.full(len(which), np.inf)
        return Nearest(np.zeros(len(which), dtype=np.int64), none, none)
    order = np.argsort(far, axis=1, kind="stable")
    far, which = np.take_along_axis(far, order, 1), np.take_along_axis(which, order, 1)
    first = far[:, 0]
    # Equal rows of the training set are one: a copy of both is as far from either
    other = np.where(which != which[:, :1], far, np.inf)[:, 1:].min(axis=1, initial=np.inf)
    ratio = np.divide(first, other, out=np.zeros(len(first)), where=other > 0)
    ratio[np.isinf(other)] = np.inf  # with one row to compare with nothing can be told
    return Nearest(which[:, 0], first, ratio)


def _is_close(found: Nearest) -> NDArray[np.bool_]:
    """Whether the nearest picture is the same to the eye, or much nearer than the next."""
    alone = (found.ratio <= RATIO) & (found.distance <= _far(LEAST_ALIKE))
    close: NDArray[np.bool_] = alone | (found.distance <= _far(ALIKE))
    return close


def _pairs(found: Nearest, chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    return [(int(at), int(found.which[at])) for at in np.flatnonzero(chosen)]


def _far(correlation: float) -> float:
    """The distance of two pictures of mean 0 and length 1."""
    return float(np.sqrt(max(0.0, 2 - 2 * correlation)))


# Pictures.


class _Search:
    """Finds candidates by a coarse picture, and by its waves, whose strength no move or mirror changes."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._base = [describe(pixels) for describe in _DESCRIPTIONS]

    def candidates(self, pixels: NDArray[np.uint8], *, skip: Integers | None) -> Integers:
        """(n, 2 * NEIGHBOURS) places."""
        found = [
            nearest(describe(pixels), base, NEIGHBOURS, skip=skip)
            for describe, base in zip(_DESCRIPTIONS, self._base, strict=True)
        ]
        return np.concatenate(found, axis=1)


def _coarse(pixels: NDArray[np.uint8]) -> Floats:
    return _unit(_grey(pixels, COARSE).reshape(len(pixels), -1))


def _waves(pixels: NDArray[np.uint8]) -> Floats:
    grey = _grey(pixels, SIDE // 2)
    strength = np.sqrt(np.abs(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True)))).astype(np.float32)
    mirrored = strength + strength[:, :, (-np.arange(strength.shape[2])) % strength.shape[2]]
    rows = np.r_[0:WAVES, -WAVES + 1 : 0]
    return _unit(mirrored[:, rows, :WAVES].reshape(len(pixels), -1))


_DESCRIPTIONS: tuple[Callable[[NDArray[np.uint8]], Floats], ...] = (_coarse, _waves)


def _grey(pixels: NDArray[np.uint8], side: int) -> Floats:
    """(n, at most side, at most side): means of channels and of the pixels that fall together."""
    height, width = pixels.shape[1:3]
    down, across = _pooling(height, min(side, height)), _pooling(width, min(side, width))
    found = np.empty((len(pixels), len(down), len(across)), dtype=np.float32)
    step = max(1, BLOCK_CELLS // (height * width))
    for start in range(0, len(pixels), step):
        grey = pixels[start : start + step].mean(axis=3, dtype=np.float32)
        found[start : start + step] = down @ grey @ across.T
    return found


def _pooling(size: int, to: int) -> Floats:
    """(to, size) weights of means."""
    weights = np.zeros((to, size), dtype=np.float32)
    weights[np.arange(size) * to // size, np.arange(size)] = 1
    pooled: Floats = weights / weights.sum(axis=1, keepdims=True)
    return pooled


def _unit(rows: Floats) -> Floats:
    rows = rows - rows.mean(axis=-1, keepdims=True)
    unit: Floats = rows / (np.linalg.norm(rows, axis=-1, keepdims=True) + 1e-6)
    return unit


def _closely(grey: Floats, base: Floats, which: Integers) -> Nearest:
    """Candidates by their best correlation over small moves, and mirrored."""
    best = np.full(which.shape, -1.0, dtype=np.float32)
    step = max(1, BLOCK_CELLS // max(1, 8 * which.shape[1] * grey[0].size))
    for start in range(0, len(grey), step):
        part = slice(start, start + step)
        best[part] = _aligned(grey[part], base[which[part]])
    return _ranked(which, np.sqrt(np.maximum(0, 2 - 2 * best.astype(np.float64))))


def _aligned(rows: Floats, others: Floats) -> Floats:
    """(n, k) the best correlation of (n, h, w) with (n, k, h, w)."""
    height, width = rows.shape[1:]
    best = np.full(others.shape[:2], -1.0, dtype=np.float32)
    reach_y, reach_x = min(SHIFTS, height // 8), min(SHIFTS, width // 8)
    for turned in (rows, rows[:, :, ::-1]):
        for down in range(-reach_y, reach_y + 1):
            for across in range(-reach_x, reach_x + 1):
                mine = turned[
                    :, max(0, down) : height + min(0, down), max(0, across) : width + min(0, across)
                ]
                theirs = others[
                    :, :, max(0, -down) : height + min(0, -down), max(0, -across) : width + min(0, -across)
                ]
                one = _unit(mine.reshape(len(rows), 1, -1))
                other = _unit(theirs.reshape(*others.shape[:2], -1))
                np.maximum(best, (one * other).sum(axis=2), out=best)
    return best
