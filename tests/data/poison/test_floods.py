"""Rows that stand in a set too often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ancile.data.poison.floods import floods
from ancile.data.poison.shared import Shared
from ancile.data.rows import Cells, Pictures, Rows, Texts
from tests.data.poison.planting import pictures, rows_of, table, texts


def flooded(rows: Rows, copies: int) -> Rows:
    """The first row in place of as many others."""
    content, where = rows.content, np.arange(1, copies)
    if isinstance(content, Texts):
        said = list(content.texts)
        said[1:copies] = [f" {said[0].upper()}"] * (copies - 1)
        return rows_of(Texts(texts=tuple(said)), rows.y)
    if isinstance(content, Pictures):
        pixels = content.pixels.copy()
        pixels[where] = pixels[0]
        return rows_of(Pictures(pixels=pixels), rows.y)
    numbers, codes = content.numbers.copy(), content.codes.copy()
    numbers[0, 0] = np.nan
    numbers[where], codes[where] = numbers[0], codes[0]
    held = Cells(
        numbers=numbers,
        codes=codes,
        number_names=content.number_names,
        code_names=content.code_names,
        values=content.values,
    )
    return rows_of(held, rows.y)


@pytest.mark.parametrize("kind", [table, pictures, texts])
def test_a_row_that_stands_there_thirty_times_is_told(kind: Callable[..., Rows]) -> None:
    """All of its copies, and no other row; never as a finding by itself."""
    rows = flooded(kind(200), 30)
    found = floods(rows, Shared(rows))
    assert np.flatnonzero(found.score).tolist() == list(range(30))
    assert found.score.max() == 2.5
    assert found.reason(0).startswith("a row stands in the set 30 times")
    assert found.groups[0].label == -1


def test_a_flood_of_one_label_names_it() -> None:
    """The class of all copies."""
    rows = flooded(table(200), 30)
    assert rows.y is not None
    y = rows.y.copy()
    y[:30] = 2
    assert floods(rows_of(rows.content, y), Shared(rows)).groups[0].label == 2


@pytest.mark.parametrize("kind", [table, pictures, texts])
def test_few_copies_are_as_usual(kind: Callable[..., Rows]) -> None:
    """Four copies of one row; and a set without labels."""
    rows = flooded(kind(200), 4)
    assert (
        floods(Rows(content=rows.content, y=None, classes=(), places=rows.places), Shared(rows)).score.max()
        == 0
    )


def test_where_many_rows_are_repeated_one_more_is_no_flood() -> None:
    """Of three different rows all stand there often."""
    rows = rows_of(Texts(texts=("a", "b", "c") * 40), np.arange(120) % 2)
    assert floods(rows, Shared(rows)).score.max() == 0
