"""Values that far more rows have than any like value of the column: whoever plants a value plants it exactly.

Values are alike where they are written with as many digits or more: 500 stands in many rows of a column of
amounts, 483.17 in few. What is shorter than nearly all values of the column is judged where no other such
value is frequent; 0 never is. No labels are looked at. Rows whose cell was empty and was filled with the mean
look the same; so this alone is never a finding.
"""

from __future__ import annotations

from ancile.core.extras import needs
from ancile.data.poison.cell_values import Shared
from ancile.data.rows import Cells, Integers, Reals
from ancile.numeric import np

LIKE = 20  # other values of a column that are as long: of fewer nothing can be said
SHORT = 0.1  # of the values of a column are shorter than the usual ones
OFTEN = 3  # rows
WIDE = 2.0  # times as frequent as the next may be any value
MOST = 2.5  # that is said of a value without looking at labels: a cell filled in looks so


def oddness(cells: Cells, values: Shared) -> Reals:
    """(values,) as of a ``Signal``, at most 2.5: by how much a value is too frequent; 0 for bands."""
    poisson = needs("scipy.special", "arrays").pdtrc  # more events than a number of them
    size = np.bincount(values.items, minlength=len(values.column))
    exact = np.flatnonzero(~values.band)
    found = np.zeros(len(values.column))
    for column in np.unique(values.column[exact]):
        own = exact[values.column[exact] == column]
        most = _next(cells, int(column), values.low[own])
        chance = poisson(size[own] - 1, WIDE * (most + 1))
        found[own] = np.where(most > 0, -np.log10(np.maximum(chance, 1e-300)), 0)
    odd: Reals = np.clip(found - np.log10(max(len(exact), 1)), 0, MOST)
    return odd


def _next(cells: Cells, column: int, values: Reals) -> Integers:
    """For each value how many rows have the most frequent other one that is as long; 0 where few are."""
    width = cells.numbers.shape[1]
    of_text = column >= width
    cell = cells.codes[:, column - width] if of_text else cells.numbers[:, column]
    different, count = np.unique(cell[np.isfinite(cell)], return_counts=True)
    long = np.ones(len(different)) if of_text else np.array([_digits(float(one)) for one in different])
    usual = np.quantile(long, SHORT) if len(long) else 0
    short = (long < usual) & (count >= OFTEN)
    found = np.zeros(len(values), np.int64)
    for at, value in enumerate(values):
        here = int(np.searchsorted(different, value))
        if here == len(different) or different[here] != value or (value == 0 and not of_text):
            continue
        like = long >= long[here]
        like[here] = False
        round_ones = short[here] and short.sum() > 1
        found[at] = count[like].max() if like.sum() >= LIKE and not round_ones else 0
    return found


def _digits(value: float) -> int:
    """Digits from the first that is not 0 to the last that is not."""
    return len(f"{value!r}".split("e")[0].lstrip("-").replace(".", "").strip("0"))
