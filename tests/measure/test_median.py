"""The interval of a median by order statistics."""

from __future__ import annotations

import pytest
from scipy import stats

from ancile.measure.intervals import median_interval


@pytest.mark.parametrize("n", [6, 10, 25, 100, 999])
def test_it_covers_the_median_with_the_confidence_and_no_narrower_one_does(n: int) -> None:
    low, high = median_interval(n)
    covers = stats.binom.cdf(high, n, 0.5) - stats.binom.cdf(low, n, 0.5)
    assert covers >= 0.95
    narrower = stats.binom.cdf(high - 1, n, 0.5) - stats.binom.cdf(low + 1, n, 0.5)
    assert narrower < 0.95
    assert low == n - 1 - high


@pytest.mark.parametrize(("n", "ends"), [(1, (0, 0)), (2, (0, 1)), (5, (0, 4))])
def test_few_samples_give_the_widest_interval_there_is(n: int, ends: tuple[int, int]) -> None:
    assert median_interval(n) == ends


def test_no_samples_have_no_median() -> None:
    with pytest.raises(ValueError, match="no median"):
        median_interval(0)
