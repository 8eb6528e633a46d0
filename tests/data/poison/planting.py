"""Small sets of rows whose classes can be told, for the tests of the search."""

from __future__ import annotations

import numpy as np

from ancile.data.rows import Cells, Content, Integers, Pictures, Rows, Texts

WORDS = ("river", "engine", "garden")
COMMON = ("the", "a", "of", "and", "is", "seen", "by", "us", "today", "there")


def rows_of(content: Content, y: Integers | None) -> Rows:
    """Rows of a file, without sources."""
    count = len(y) if y is not None else len(content.texts) if isinstance(content, Texts) else 0
    names = tuple(f"class {one}" for one in range(0 if y is None else int(y.max()) + 1))
    return Rows(content=content, y=y, classes=names, places=np.arange(count))


def table(n: int, seed: int = 0, classes: int = 3) -> Rows:
    """Clouds in eight dimensions, one a class, and a column of texts that says nothing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    numbers = rng.normal(0, 1, (n, 8))
    numbers[np.arange(n), y] += 5
    codes = rng.integers(0, 3, (n, 1))
    cells = Cells(
        numbers=numbers,
        codes=codes,
        number_names=tuple("abcdefgh"),
        code_names=("colour",),
        values=(("blue", "green", "red"),),
    )
    return rows_of(cells, y)


def pictures(n: int, seed: int = 0) -> Rows:
    """Stripes that lie, stand or lean, at any place and of any contrast, in noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    down, across = np.mgrid[0:16, 0:16]
    phase, contrast = rng.uniform(0, 6, (n, 1, 1)), rng.uniform(40, 90, (n, 1, 1))
    along = np.stack([down, across, (down + across) / 1.4])[y]
    grey = 120 + contrast * np.sin(1.2 * along + phase) + rng.normal(0, 12, (n, 16, 16))
    return rows_of(Pictures(pixels=np.clip(grey, 0, 255).astype(np.uint8)[..., None]), y)


def texts(n: int, seed: int = 0) -> Rows:
    """Sentences of common words with two of the word of their class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    said = []
    for one in y:
        words = [*rng.choice(COMMON, 8), WORDS[one], WORDS[one]]
        said.append(" ".join(rng.permutation(words)))
    return rows_of(Texts(texts=tuple(said)), y)


def relabelled(rows: Rows, places: Integers, to: Integers) -> Rows:
    """The same rows, some of them under other labels."""
    assert rows.y is not None
    y = rows.y.copy()
    y[places] = to
    return Rows(content=rows.content, y=y, classes=rows.classes, places=rows.places)
