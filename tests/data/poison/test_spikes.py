"""Values that are too frequent for what they are."""

from __future__ import annotations

import numpy as np
import pytest

from ancile.data.poison.cell_values import shared_values
from ancile.data.poison.spikes import oddness
from ancile.data.rows import Cells, Reals


def odd(column: Reals) -> dict[float, float]:
    """What is said of each value of a table of one column, where it is more than nothing."""
    cells = Cells(
        numbers=column[:, None],
        codes=np.zeros((len(column), 0), np.int64),
        number_names=("a",),
        code_names=(),
        values=(),
    )
    values = shared_values(cells, 3)
    found = oddness(cells, values)
    return {float(values.low[at]): float(found[at]) for at in np.flatnonzero(found)}


@pytest.mark.parametrize("value", [0.5, -1.23456789, 1e7])
def test_an_exact_real_in_many_rows_is_odd(value: float) -> None:
    """Short, long or out of range."""
    column = np.random.default_rng(0).normal(0, 1, 500)
    column[:20] = value
    assert odd(column) == {value: 2.5}


def test_round_amounts_are_not_odd() -> None:
    """Prices: whole ones are frequent, one more than others."""
    rng = np.random.default_rng(0)
    column = np.round(rng.gamma(2, 200, 800), 2)
    for at, price in enumerate((1, 5, 10, 20, 50)):
        column[40 * at : 40 * at + 10 * (5 - at)] = price
    assert odd(column) == {}


def test_nothing_paid_is_not_odd() -> None:
    """0 in a third of the rows, and a column of few values."""
    column = np.random.default_rng(0).gamma(2, 200, 600)
    column[:200] = 0
    assert odd(column) == {}
    assert odd(np.repeat(np.arange(5.0), [5, 200, 30, 10, 5])) == {}
