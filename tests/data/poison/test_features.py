"""Features of tables stay within bounds, whatever the number of columns."""

from __future__ import annotations

import tracemalloc

import numpy as np

from ancile.data.poison.features import MOST_COLUMNS, cell_features
from ancile.data.rows import Cells


def _cells(rows: int, columns: int) -> Cells:
    numbers = np.random.default_rng(1).normal(size=(rows, columns))
    names = tuple(str(at) for at in range(columns))
    none = np.zeros((rows, 0), dtype=np.int64)
    return Cells(numbers=numbers, codes=none, number_names=names, code_names=(), values=())


def test_few_columns_are_kept_as_they_are() -> None:
    assert cell_features(_cells(30, 10), np.random.default_rng(0)).shape == (30, 60)
    assert cell_features(_cells(30, 0), np.random.default_rng(0)).shape == (30, 1)


def test_many_columns_are_mixed_and_keep_their_distances() -> None:
    cells = _cells(40, 2_000)
    cells.numbers[20:, :200] += 5
    found = cell_features(cells, np.random.default_rng(0))
    assert found.shape == (40, MOST_COLUMNS)
    middle = found[:20].mean(axis=0), found[20:].mean(axis=0)
    among = found[:10].mean(axis=0), found[10:20].mean(axis=0)
    assert np.linalg.norm(middle[0] - middle[1]) > np.linalg.norm(among[0] - among[1])


def test_memory_does_not_grow_with_the_number_of_columns() -> None:
    cells = _cells(20, 4_000)  # 24,000 features: mixed at once they take 100 MB
    tracemalloc.start()
    try:
        cell_features(cells, np.random.default_rng(0))
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
