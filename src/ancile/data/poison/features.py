"""The content of rows as numbers that generalise: patches of pictures, ranks of cells, pieces of words."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.data.poison.gradient_features import gradient_features
from ancile.data.poison.patch_features import patch_features, smaller
from ancile.data.poison.word_features import word_features
from ancile.data.rows import Cells, Content, Pictures
from ancile.numeric import NDArray, np

MOST_COLUMNS = 1024
RARE = 3  # rows: a text of a column that fewer have is one of "others"
BUMPS = 5  # for each column of numbers: places along its ranks, so that a linear model can bend


def features(content: Content, rng: np.random.Generator) -> NDArray[np.float32]:
    """(n, d), d at most about 1,200; columns have mean 0, and variance 1 or are 0 throughout.

    Principal directions of texts, and changes of light in pictures, keep their spread in proportion.
    """
    if isinstance(content, Pictures):
        small = smaller(content.pixels)
        return np.hstack([standard(patch_features(small, rng)), proportional(gradient_features(small))])
    if isinstance(content, Cells):
        return standard(cell_features(content, rng))
    return proportional(word_features(content.texts, rng))


def proportional(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each column with mean 0, all of them together with variance 1."""
    middle: NDArray[np.float32] = columns - columns.mean(axis=0, keepdims=True)
    scaled: NDArray[np.float32] = middle / np.float32(max(float(middle.std()), 1e-6))
    return scaled


def standard(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each column with mean 0 and variance 1; one that does not vary is 0."""
    middle = columns - columns.mean(axis=0, keepdims=True)
    spread = middle.std(axis=0, keepdims=True)
    scaled: NDArray[np.float32] = np.where(spread > 1e-6, middle / np.maximum(spread, 1e-6), 0)
    return scaled.astype(np.float32)


def cell_features(cells: Cells, rng: np.random.Generator) -> NDArray[np.float32]:
    """Ranks of numbers, soft places along them, empty cells, and a column for each frequent text."""
    n = len(cells.numbers)
    mixed, width = np.zeros((n, MOST_COLUMNS), np.float32), 0
    for block in _blocks(_parts(cells)):
        if not width and block.shape[1] <= MOST_COLUMNS:
            return block
        # A table may have more columns than there is memory for their features: they are mixed as they come
        mixing = rng.standard_normal((block.shape[1], MOST_COLUMNS), dtype=np.float32)
        mixed += standard(block) @ mixing
        width += block.shape[1]
    return mixed / np.float32(np.sqrt(width)) if width else np.zeros((n, 1), np.float32)


def _parts(cells: Cells) -> Iterator[NDArray[np.float32]]:
    """(n, a few) for each column of numbers, (n, 1) for each frequent text."""
    knots = np.linspace(0, 1, BUMPS, dtype=np.float32)
    for column in cells.numbers.T:
        empty = ~np.isfinite(column)
        rank = ranks(column, empty)[:, None]
        bumps = np.maximum(0, 1 - np.abs(rank - knots) * (BUMPS - 1))
        yield np.hstack([rank, bumps, *([empty[:, None].astype(np.float32)] if empty.any() else [])])
    for codes in cells.codes.T:
        kinds, count = np.unique(codes, return_counts=True)
        for kind in kinds[count >= RARE][:MOST_COLUMNS]:
            yield (codes == kind)[:, None].astype(np.float32)


def _blocks(parts: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Parts beside each other: all of them where they are few, else blocks of more than ``MOST_COLUMNS``."""
    held: list[NDArray[np.float32]] = []
    for part in parts:
        held.append(part)
        if sum(one.shape[1] for one in held) > MOST_COLUMNS:
            yield np.hstack(held)
            held = []
    if held:
        yield np.hstack(held)


def ranks(column: NDArray[np.float64], empty: NDArray[np.bool_]) -> NDArray[np.float32]:
    """0 to 1, equal values at the middle of their ranks; an empty cell in the middle of all."""
    found = np.full(len(column), 0.5, np.float32)
    full = column[~empty]
    if len(full) > 1:
        _, inverse, count = np.unique(full, return_inverse=True, return_counts=True)
        middle = np.cumsum(count) - (count + 1) / 2
        found[~empty] = (middle / (len(full) - 1))[inverse]
    return found
