"""How rare a value is among benign ones, and when rare values of one caller add up to too many.

A value's rank among values that the fit did not see is a p-value (conformal: Vovk, Gammerman, Shafer 2005),
here its upper end, as a table of n values is known no better. Their logarithms add up: Page's CUSUM (1954).
Of independent p-values one excursion of the sum comes above h with probability (1 - t) exp(-t h), where
exp(-t d) = 1 - t for a drift d: Lundberg's exponent, exact as the steps up are exponential.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ancile.numeric import np

DRIFT = 2.0  # nats a query, of which a benign one brings 1 on average
QUERIES = 600  # of a benign caller
FLAGGED = 0.001  # of benign callers by one guard; there are several
MOST = 4000  # values of a table


class Ranks(NamedTuple):
    """Benign values, sorted, of which high ones are suspicious; and the limit of the sum."""

    table: Sequence[float]
    limit: float


def exponent(drift: float) -> float:
    """Lundberg's: the t above 0 with exp(-t drift) = 1 - t."""
    low, high = 1e-9, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.exp(-middle * drift) < 1 - middle else (low, middle)
    return low


def limit_of(queries: int, flagged: float) -> float:
    """Which sum at most ``flagged`` of the benign callers come above in so many queries."""
    t = exponent(DRIFT)
    return math.log(queries * (1 - t) / flagged) / t


def ranks_of(values: Iterable[float]) -> Ranks:
    """The table of benign values."""
    table = np.sort(np.fromiter(values, "f8"))
    if len(table) > MOST:
        table = np.quantile(table, np.linspace(0, 1, MOST))
    return Ranks(table.tolist(), limit_of(QUERIES, FLAGGED))


def rarity(value: float, table: Sequence[float]) -> float:
    """Minus the logarithm of how many benign values are as high, two standard deviations on the safe side."""
    over = len(table) - bisect_left(table, value) + 1
    return -math.log(min(1.0, (over + 2.0 * math.sqrt(over)) / (len(table) + 1)))


def added(total: float, values: Iterable[float], ranks: Ranks) -> float:
    """The sum after these values, ``total`` before them."""
    for value in values:
        total = max(0.0, total + rarity(value, ranks.table) - DRIFT)
    return total
