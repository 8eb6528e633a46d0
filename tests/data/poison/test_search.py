"""One search over all kinds of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.data.poison.search import search
from ancile.data.rows import Cells, Pictures, Rows, Texts
from tests.data.poison.planting import pictures, relabelled, rows_of, table, texts

KINDS = (pictures, table, texts)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_labels_come_first(kind: Callable[..., Rows]) -> None:
    """Where classes can be told apart, nearly all rows with a wrong label are among the first."""
    rows = kind(600)
    assert rows.y is not None
    wrong = np.random.default_rng(1).choice(600, 12, replace=False)
    found = search(relabelled(rows, wrong, (rows.y[wrong] + 1) % 3), seed=0)
    assert np.isin(wrong, found.order[:24]).mean() >= 0.9
    assert "speak for" in found.reasons(int(found.order[0]))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_set_has_no_finding(kind: Callable[..., Rows]) -> None:
    """Where nothing was planted no row and no group is beyond the scale's finding."""
    found = search(kind(600), seed=0)
    assert found.score.max() < 3
    assert all(group.evidence < 3 for group in found.groups)


def test_the_same_seed_gives_the_same_answer() -> None:
    """Scores are equal bit for bit."""
    first, second = (search(pictures(200), seed=7) for _ in range(2))
    assert np.array_equal(first.score, second.score)
    assert np.array_equal(first.order, second.order)


def test_rows_without_labels_are_searched_without_them() -> None:
    """What needs labels is skipped with its reason; the order is still one of all rows."""
    rows = table(60)
    found = search(Rows(content=rows.content, y=None, classes=(), places=rows.places), seed=0)
    assert ("unexpected labels", "rows have no labels: 60 rows") in [tuple(one) for one in found.skipped]
    assert sorted(found.order) == list(range(60))


def test_few_rows_say_nothing() -> None:
    """Of three rows nobody can say which is wrong."""
    found = search(table(3), seed=0)
    assert found.skipped[0].why == "3 rows are too few: at least 20 are needed"
    assert found.score.tolist() == [0, 0, 0]


def test_cells_that_say_nothing_are_borne() -> None:
    """Columns that are empty, constant or beyond all measure stop nothing."""
    y = np.arange(60) % 2
    numbers = np.stack([np.full(60, np.nan), np.full(60, 1.0), np.where(y, np.inf, -1e300)], axis=1)
    cells = Cells(
        numbers=numbers,
        codes=np.full((60, 1), -1),
        number_names=tuple("abc"),
        code_names=("d",),
        values=((),),
    )
    assert np.isfinite(search(rows_of(cells, y), seed=0).score).all()


def test_empty_texts_are_borne() -> None:
    """Texts without a word, and with half of a surrogate pair."""
    found = search(rows_of(Texts(texts=("", "\ud800") * 30), np.arange(60) % 2), seed=0)
    assert np.isfinite(found.score).all()


def test_a_reference_of_another_kind_is_refused() -> None:
    """Texts cannot be what pictures are compared with."""
    with pytest.raises(AncileError, match="another kind"):
        search(pictures(60), seed=0, reference=texts(60))


def test_large_pictures_are_looked_at_smaller() -> None:
    """A hundred pixels a side are averaged down: what lies still differs from what stands."""
    rows = pictures(90)
    assert isinstance(rows.content, Pictures)
    large = rows.content.pixels.repeat(7, axis=1).repeat(7, axis=2)
    found = search(rows_of(Pictures(pixels=large), rows.y), seed=0)
    assert np.isfinite(found.score).all()
    assert found.score.max() < 3


def test_a_table_of_many_columns_is_mixed_into_fewer() -> None:
    """Of 300 columns of numbers the one that tells the classes apart is still heard."""
    rows = table(300)
    assert isinstance(rows.content, Cells)
    noise = np.random.default_rng(3).normal(0, 1, (300, 292))
    numbers = np.hstack([rows.content.numbers, noise])
    wide = replace(rows.content, numbers=numbers, number_names=tuple(f"n{one}" for one in range(300)))
    assert np.isfinite(search(rows_of(wide, rows.y), seed=0).score).all()
