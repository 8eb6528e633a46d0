"""Our side of the search for poison: rows of the generator as ancile takes them, ranked by its one search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ancile.data.rows import Cells, Pictures, Rows, Texts
from poison_sets import Content, Labels, Table


def as_rows(content: Content, labels: Labels) -> Rows:
    """As ``ancile data check`` would read them from files, without sources."""
    classes, y = np.unique(labels, return_inverse=True)
    return Rows(
        content=_content(content),
        y=y.astype(np.int64),
        classes=tuple(str(one) for one in classes),
        places=np.arange(len(labels)),
    )


def _content(content: Content) -> Pictures | Cells | Texts:
    if isinstance(content, np.ndarray):
        return Pictures(pixels=content)
    return _cells(content) if isinstance(content, dict) else Texts(texts=tuple(content))


def _cells(table: Table) -> Cells:
    reals = {name: column for name, column in table.items() if column.dtype.kind != "O"}
    words = {
        name: np.unique(column, return_inverse=True) for name, column in table.items() if name not in reals
    }
    many = len(next(iter(table.values())))
    return Cells(
        numbers=np.stack([column.astype(float) for column in reals.values()], axis=1),
        codes=np.stack([places for _, places in words.values()], axis=1)
        if words
        else np.zeros((many, 0), int),
        number_names=tuple(reals),
        code_names=tuple(words),
        values=tuple(tuple(str(one) for one in different) for different, _ in words.values()),
    )


def ranked(content: Content, labels: Labels, seed: int) -> NDArray[np.int64]:
    """Rows, worst first."""
    from ancile.data.poison.search import search

    return search(as_rows(content, labels), seed=seed).order
