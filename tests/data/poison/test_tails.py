"""Improbable counts."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binom

from ancile.data.poison.tails import excess


@pytest.mark.parametrize(("count", "out_of", "rate"), [(3, 10, 0.1), (40, 4000, 0.002), (10, 10, 0.5)])
def test_the_tail_is_that_of_the_binomial(count: int, out_of: int, rate: float) -> None:
    """As scipy has it."""
    assert excess(count, out_of, rate) == pytest.approx(-binom.logsf(count - 1, out_of, rate) / math.log(10))


def test_nothing_is_as_expected_and_the_impossible_is_beyond_measure() -> None:
    """No hit says nothing; nor does one that is sure; a hit without any chance says all."""
    assert excess(0, 10, 0.1) == 0
    assert excess(5, 10, 1.0) == 0
    assert excess(1, 10, 0.0) == math.inf
