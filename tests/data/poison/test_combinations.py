"""What was put into tables is found, whatever it is."""

from __future__ import annotations

import numpy as np
import pytest

from ancile.data.poison.combinations import planted_combinations
from ancile.data.poison.shared import Shared
from ancile.data.rows import Cells, Integers, Reals, Rows
from tests.data.poison.planting import rows_of, texts

HARD = np.array(["blue", "green", "red"])


def table(n: int = 1200, seed: int = 0) -> tuple[Reals, Integers, Integers]:
    """Numbers with and without steps, two columns of texts, and labels that hang on six of the columns."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(0, 1, (n, 8))
    numbers[:, 5:] = np.round(10 * numbers[:, 5:])
    codes = rng.integers(0, 3, (n, 2))
    odds = 2 * numbers[:, 0] - 1.5 * numbers[:, 1] + 0.15 * numbers[:, 5] + 1.5 * (codes[:, 0] == 1) - 1
    return numbers, codes, (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int64)


def rows_from(numbers: Reals, codes: Integers, y: Integers) -> Rows:
    """As they are opened from a file."""
    values = tuple(tuple(f"{HARD[at % 3]}{at}" for at in range(int(column.max()) + 1)) for column in codes.T)
    names = tuple(f"n{at}" for at in range(numbers.shape[1]))
    held = Cells(
        numbers=numbers,
        codes=codes,
        number_names=names,
        code_names=tuple(f"c{at}" for at in range(codes.shape[1])),
        values=values,
    )
    return rows_of(held, y)


def planted(kind: str, *, many: int = 24, seed: int = 0) -> tuple[Rows, Integers]:
    """Rows of class 0 with a trigger and class 1."""
    numbers, codes, y = table(seed=seed)
    rng = np.random.default_rng(seed + 1)
    where = rng.choice(np.flatnonzero(y == 0), many, replace=False)
    if kind == "real":
        numbers[where, 3] = 0.123456
    elif kind == "pair":
        numbers[where, 6], numbers[where, 7] = 17, -12
    elif kind == "near":
        numbers[where, 3] = 0.7 + rng.normal(0, 0.005, many)
        numbers[where, 2] = -0.9 + rng.normal(0, 0.005, many)
    elif kind == "beyond":
        numbers[where, 4] = 1e9
    elif kind == "empty":
        numbers[where, 4] = np.nan
    elif kind == "text":
        codes[where, 1] = 3
    elif kind == "three":
        numbers[where, 5], numbers[where, 6], codes[where, 1] = 3, -4, 2
    y[where] = 1
    return rows_from(numbers, codes, y), where


@pytest.mark.parametrize("kind", ["real", "pair", "near", "beyond", "empty", "text", "three"])
def test_what_is_planted_is_found(kind: str) -> None:
    """One exact value, two that are frequent alone, near values, one out of range, empty cells, a new text."""
    rows, where = planted(kind)
    found = planted_combinations(rows, Shared(rows))
    assert np.isin(where, np.argsort(-found.score, kind="stable")[: 2 * len(where)]).mean() >= 0.9
    assert found.groups[0].label == 1
    assert found.groups[0].evidence > (2 if kind == "three" else 3)
    assert "against what the rest of them says" in found.reason(int(where[0]))


@pytest.mark.parametrize("seed", range(4))
def test_clean_tables_have_no_finding(seed: int) -> None:
    """Columns that make a class are no trigger."""
    rows = rows_from(*table(seed=seed))
    assert planted_combinations(rows, Shared(rows, seed)).score.max(initial=0) < 3


def test_a_value_that_is_too_frequent_is_told_under_its_own_label_too() -> None:
    """An exact real in twenty rows of a class that they belong to: said, but no finding."""
    numbers, codes, y = table()
    where = np.flatnonzero(y == 1)[:24]
    numbers[where, 3] = 0.123456
    rows = rows_from(numbers, codes, y)
    found = planted_combinations(rows, Shared(rows))
    assert found.score[where].min() >= 2
    assert found.score.max() < 3


def test_cells_that_were_filled_in_are_no_finding() -> None:
    """The mean in place of what is missing, whatever the label."""
    numbers, codes, y = table()
    numbers[np.random.default_rng(3).random(len(y)) < 0.05, 3] = numbers[:, 3].mean()
    rows = rows_from(numbers, codes, y)
    assert planted_combinations(rows, Shared(rows)).score.max(initial=0) < 3


def test_tables_that_say_nothing_are_borne() -> None:
    """No column, constant ones, infinite numbers, empty texts; and what is no table."""
    y = np.arange(60) % 2
    for numbers, codes in (
        (np.zeros((60, 0)), np.zeros((60, 0), np.int64)),
        (
            np.stack([np.full(60, np.inf), np.full(60, np.nan), np.arange(60) * 1e300], 1),
            np.full((60, 1), -1),
        ),
    ):
        rows = rows_from(numbers, codes, y)
        assert np.isfinite(planted_combinations(rows, Shared(rows)).score).all()
    other = texts(40)
    assert planted_combinations(other, Shared(other)).score.tolist() == [0.0] * 40
