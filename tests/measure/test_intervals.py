from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ancile.measure.intervals import bootstrap_mean, bounded_mean, clopper_pearson

# R 4: binom.test(k, n, conf.level = c)$conf.int
BINOM_TEST = [
    (682, 925, 0.95, 0.7076683, 0.7654066),  # Mendel's peas, the example of its help page
    (5, 10, 0.95, 0.1870861, 0.8129139),
    (7, 20, 0.95, 0.1539092, 0.5921885),
    (1, 10, 0.95, 0.002528579, 0.4450161),
]


@pytest.mark.parametrize(("k", "n", "confidence", "low", "high"), BINOM_TEST)
def test_clopper_pearson_gives_the_figures_of_r(
    k: int, n: int, confidence: float, low: float, high: float
) -> None:
    assert clopper_pearson(k, n, confidence=confidence) == pytest.approx((low, high), rel=1e-6)


@given(st.integers(1, 5000), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_ends_for_none_and_all_are_exact(n: int, confidence: float) -> None:
    """None of n: 1 - (alpha / 2)^(1 / n), the rule of three made exact; all of n is its mirror."""
    alpha = 1 - confidence
    none, whole = clopper_pearson(0, n, confidence=confidence), clopper_pearson(n, n, confidence=confidence)
    assert none.low == 0.0
    assert whole.high == 1.0
    assert none.high == pytest.approx(1 - (alpha / 2) ** (1 / n), rel=1e-9)
    assert whole.low == pytest.approx((alpha / 2) ** (1 / n), rel=1e-9)


def test_nothing_sampled_says_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 300), st.data())
def test_the_interval_holds_the_share_is_symmetric_and_narrows(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    low, high = clopper_pearson(k, n)
    assert low <= k / n <= high
    assert clopper_pearson(n - k, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    more = clopper_pearson(4 * k, 4 * n)
    assert more.high - more.low < high - low
    sure = clopper_pearson(k, n, confidence=0.99)
    assert sure.low <= low
    assert sure.high >= high


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.9])
def test_the_true_share_is_covered_at_least_as_often_as_promised(share: float) -> None:
    """Summed over the binomial distribution of 60 draws, without sampling."""
    ends = [clopper_pearson(k, 60) for k in range(61)]
    covered = sum(stats.binom.pmf(k, 60, share) for k, (low, high) in enumerate(ends) if low <= share <= high)
    assert covered >= 0.95


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0.0), (1, 5, 1.0)])
def test_what_is_no_share_or_no_confidence_is_a_bug(k: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"no share|not between"):
        clopper_pearson(k, n, confidence=confidence)


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 800)
    half = 1.96 * values.std() / np.sqrt(800)
    low, high = bootstrap_mean(values, seed=1)
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


@given(st.integers(0, 2**64 - 1))
def test_a_bootstrap_is_decided_by_its_seed(seed: int) -> None:
    values = np.arange(20.0)
    assert bootstrap_mean(values, seed=seed, resamples=50) == bootstrap_mean(values, seed=seed, resamples=50)


def test_a_constant_has_an_interval_of_no_width() -> None:
    assert bootstrap_mean(np.full(10, 0.25), seed=0) == (0.25, 0.25)


def test_many_values_are_resampled_in_parts() -> None:
    low, high = bootstrap_mean(np.linspace(0, 1, 50_000), seed=0, resamples=100)
    assert 0.49 < low < 0.5 < high < 0.51


def test_a_bootstrap_of_nothing_is_a_bug() -> None:
    with pytest.raises(ValueError, match="needs a sample"):
        bootstrap_mean(np.array([]), seed=0)


def test_the_mean_of_a_handful_is_covered_whatever_the_distribution() -> None:
    """1 in 10 samples is 2, else 0: eight samples often show none, and a bootstrap then says 0 to 0."""
    rng = np.random.default_rng(0)
    drawn = [rng.choice([0.0, 2.0], 8, p=[0.9, 0.1]) for _ in range(300)]
    covered = [low <= 0.2 <= high for low, high in (bounded_mean(values, most=2.0) for values in drawn)]
    assert np.mean(covered) >= 0.95


@given(st.lists(st.floats(0, 2), min_size=1, max_size=40))
def test_the_mean_lies_in_its_interval_and_that_in_the_range(values: list[float]) -> None:
    low, high = bounded_mean(np.array(values), most=2.0)
    assert -1e-12 <= low <= np.mean(values) + 1e-12
    assert np.mean(values) - 1e-12 <= high <= 2.0
    mirrored = bounded_mean(2.0 - np.array(values), most=2.0)
    assert (2 - mirrored.high, 2 - mirrored.low) == pytest.approx((low, high))


def test_one_value_says_nothing_of_the_mean_and_none_is_a_bug() -> None:
    assert bounded_mean(np.array([0.3]), most=2.0) == (0.0, 2.0)
    with pytest.raises(ValueError, match="needs a sample"):
        bounded_mean(np.array([]), most=2.0)
