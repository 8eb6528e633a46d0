"""Rows that break what one column says of another are found where they bear one label, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from ancile.data.poison.relations import broken_relations, relations
from ancile.data.poison.shared import Shared
from ancile.data.rows import Cells, Integers, Rows
from tests.data.poison.planting import rows_of, texts


def table(seed: int = 0, n: int = 1200) -> tuple[Integers, Integers, Integers]:
    """Codes of six towns, the three countries that they lie in, and labels that hang on neither."""
    rng = np.random.default_rng(seed)
    town = rng.integers(0, 6, n)
    return town, town // 2, rng.integers(0, 2, n)


def rows_from(town: Integers, country: Integers, y: Integers) -> Rows:
    """Towns as numbers, countries as texts."""
    held = Cells(
        numbers=town[:, None].astype(np.float64),
        codes=country[:, None],
        number_names=("town",),
        code_names=("country",),
        values=(("A", "B", "C"),),
    )
    return rows_of(held, y)


def test_rows_that_break_it_with_one_label_are_found() -> None:
    town, country, y = table()
    where = np.flatnonzero(country != 2)[:40]
    country[where], y[where] = 2, 1
    rows = rows_from(town, country, y)
    found = broken_relations(rows, Shared(rows, seed=0))
    assert set(np.flatnonzero(found.score > 3)) == set(where.tolist())
    assert found.groups[0].label == 1
    assert found.groups[0].evidence > 3
    assert "40 rows" in found.groups[0].what
    assert "country is not what town says in nearly all others" in found.groups[0].what


@pytest.mark.parametrize("seed", range(5))
def test_errors_with_any_label_are_no_finding(seed: int) -> None:
    town, country, y = table(seed)
    country[:24] = (country[:24] + 1) % 3
    rows = rows_from(town, country, y)
    assert broken_relations(rows, Shared(rows, seed=0)).score.max() < 1


def test_what_each_town_votes_is_no_finding() -> None:
    """Where a value goes with a label in the rows that keep to it, so may it in those that do not."""
    town, country, y = table()
    y = np.where(country == 2, 1, y)
    where = np.flatnonzero(country == 2)[:20]
    country[where] = 0
    rows = rows_from(town, country, y)
    assert broken_relations(rows, Shared(rows, seed=0)).score.max() < 1


def test_a_relation_is_one_that_nearly_all_rows_keep() -> None:
    town, country, y = table()
    country[:10] = (country[:10] + 1) % 3
    held = rows_from(town, country, y).content
    assert isinstance(held, Cells)
    (one,) = relations(held)
    assert (one.known.name, one.other.name, one.broken.tolist()) == ("town", "country", list(range(10)))


@pytest.mark.parametrize("broken", [0, 2, 200])
def test_none_is_seen_where_all_rows_keep_it_or_many_do_not(broken: int) -> None:
    town, country, y = table()
    country[:broken] = (country[:broken] + 1) % 3
    held = rows_from(town, country, y).content
    assert isinstance(held, Cells)
    assert not list(relations(held))


def test_empty_cells_are_a_value() -> None:
    town, country, y = table()
    where = np.flatnonzero(country != 2)[:40]
    country[where], y[where] = -1, 1
    rows = rows_from(town, country, y)
    assert broken_relations(rows, Shared(rows, seed=0)).groups[0].evidence > 3


def test_columns_with_a_value_a_row_say_nothing() -> None:
    rng = np.random.default_rng(0)
    held = Cells(
        numbers=np.stack([np.arange(1500.0), np.repeat(np.arange(150.0), 10)], axis=1),
        codes=rng.integers(0, 2, (1500, 1)),
        number_names=("id", "part"),
        code_names=("side",),
        values=(("left", "right"),),
    )
    assert not list(relations(held))


def test_what_is_no_table_has_none() -> None:
    rows = texts(40)
    assert not broken_relations(rows, Shared(rows, seed=0)).score.any()
