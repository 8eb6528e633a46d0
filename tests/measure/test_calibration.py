from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ancile.measure.calibration import brier_score, calibration_error, equal_mass, probabilities

Scores = NDArray[np.floating[Any]]


def two(confidence: Scores) -> Scores:
    """Probabilities of two classes with class 1 as the top label."""
    return np.stack([1 - confidence, confidence], axis=1)


def drawn(n: int, shift: float, seed: int) -> tuple[Scores, NDArray[np.int64]]:
    """A model that is right ``shift`` less often than it says."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.75, 0.95, n)
    return two(confidence), (rng.random(n) < confidence - shift).astype(np.int64)


def test_one_bin_has_the_closed_form() -> None:
    """Confidence 0.8 always, 60 of 100 right: 0.2^2 less 0.6 * 0.4 / 99, and its root."""
    y = np.array([1] * 60 + [0] * 40)
    found = calibration_error(two(np.full(100, 0.8)), y, seed=0)
    assert found.value == pytest.approx(np.sqrt(0.04 - 0.24 / 99))
    assert (found.n, found.unit) == (100, "probability")


def test_two_bins_are_weighted_by_their_samples() -> None:
    """Sure 0.6 with 30 of 40 right, sure 0.9 with 12 of 20 right."""
    p = two(np.array([0.6] * 40 + [0.9] * 20))
    y = np.array([1] * 30 + [0] * 10 + [1] * 12 + [0] * 8)
    first, second = 0.15**2 - 0.75 * 0.25 / 39, 0.3**2 - 0.6 * 0.4 / 19
    assert calibration_error(p, y, seed=0).value == pytest.approx(np.sqrt((40 * first + 20 * second) / 60))


def test_a_calibrated_model_has_no_error_on_average_where_the_plain_figure_has() -> None:
    """Over 200 data sets of 300 samples the debiased square is 0 within its noise; the plain one is not."""
    from ancile.measure.calibration import _squared_error

    debiased, plain = [], []
    for seed in range(200):
        p, y = drawn(300, 0.0, seed)
        c, right = p[:, 1], (y == 1).astype(float)
        bins = equal_mass(c)
        debiased.append(_squared_error(c[None], right[None], bins[None])[0])
        parts = [bins == b for b in np.unique(bins)]
        plain.append(sum(part.mean() * (c[part].mean() - right[part].mean()) ** 2 for part in parts))
    noise = np.std(debiased) / np.sqrt(200)
    assert abs(np.mean(debiased)) < 3 * noise
    assert np.mean(plain) > 20 * noise


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.05, 0.15, 0.3])
def test_a_known_shift_is_found_and_lies_in_the_interval(shift: float) -> None:
    found = calibration_error(*drawn(4000, shift, 2), seed=0)
    assert found.value == pytest.approx(shift, abs=0.02)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= shift <= found.high


@pytest.mark.slow
def test_the_interval_covers_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(60):
        found = calibration_error(*drawn(400, 0.15, seed), seed=seed)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.15 <= found.high
    assert covered >= 51  # 57 expected of 60; 51 or more with probability 0.995


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 60), classes=st.integers(2, 5), seed=st.integers(0, 2**32), coarse=st.booleans())
@example(
    n=4, classes=3, seed=15739129, coarse=False
)  # four samples, nearly all sure and wrong: moved beyond 1
def test_any_model_gets_a_value_within_its_interval(n: int, classes: int, seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes) * 0.3, n)
    p = np.eye(classes)[p.argmax(axis=1)] if coarse else p
    y = rng.integers(0, classes, n)
    for found, most in ((calibration_error(p, y, seed=seed), 1.0), (brier_score(p, y, seed=seed), 2.0)):
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low <= found.value <= found.high <= most
        assert found.n == n


@pytest.mark.parametrize("n", [1, 5, 29])
def test_a_handful_of_samples_has_no_narrow_interval(n: int) -> None:
    """A model that was sure and right on five samples may still be wrong on one of two."""
    p, y = two(np.full(n, 1 - 1e-6)), np.ones(n, dtype=np.int64)
    brier, error = brier_score(p, y, seed=0), calibration_error(p, y, seed=0)
    assert (error.low, error.high) == (0.0, 1.0)
    assert "no interval" in error.method
    assert brier.low == pytest.approx(0, abs=1e-9)
    assert brier.high == pytest.approx(min(2.0, 2 * np.sqrt(np.log(40) / (2 * n))), rel=1e-6)


def test_the_order_of_samples_does_not_matter() -> None:
    p, y = drawn(200, 0.1, 3)
    p[:, 1] = np.round(p[:, 1], 1)
    p[:, 0] = 1 - p[:, 1]
    turned = np.random.default_rng(0).permutation(200)
    assert calibration_error(p[turned], y[turned], seed=0).value == pytest.approx(
        calibration_error(p, y, seed=0).value, abs=1e-12
    )


def test_bins_hold_about_the_same_number_and_ties_stay_together() -> None:
    sizes = np.bincount(equal_mass(np.random.default_rng(0).random(300)))
    assert len(sizes) == 15
    assert sizes.min() >= 19
    assert sizes.max() <= 21
    tied = equal_mass(np.repeat([0.5, 0.7, 1.0], [50, 200, 50]))
    assert len(np.unique(tied[50:250])) == 1


def test_brier_has_its_closed_form() -> None:
    """Right at p = 0.7 of three: 0.3^2 + 0.2^2 + 0.1^2; a sure mistake costs 2, ignorance of k classes 1 - 1/k."""
    one = np.array([[0.7, 0.2, 0.1]])
    assert brier_score(one, np.array([0]), seed=0).value == pytest.approx(0.14)
    assert brier_score(np.eye(3), np.array([1, 2, 0]), seed=0).value == 2.0
    assert brier_score(np.eye(3), np.arange(3), seed=0).value == 0.0
    assert brier_score(np.full((5, 4), 0.25), np.arange(5) % 4, seed=0).value == pytest.approx(0.75)


def test_the_seed_decides_the_interval_and_the_slice_is_told() -> None:
    p, y = drawn(100, 0.1, 0)
    first, again, other = (brier_score(p, y, seed=s, slice_={"inputs": "clean"}) for s in (1, 1, 2))
    assert first == again
    assert first.low != other.low
    assert first.slice == {"inputs": "clean"}
    assert calibration_error(p, y, seed=1, slice_={"inputs": "clean"}).slice == {"inputs": "clean"}


@given(st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=5))
def test_probabilities_of_logits_sum_to_1_whatever_their_size(logits: list[float]) -> None:
    p = probabilities(np.array([logits]), "logits")
    assert p.sum() == pytest.approx(1.0)
    assert (p >= 0).all()
    assert p[0, np.argmax(logits)] == p.max()


def test_probabilities_and_labels_stay_as_they_are_up_to_rounding() -> None:
    p = np.array([[0.25, 0.75], [0.5000001, 0.5]])
    assert probabilities(p, "probabilities") == pytest.approx(p, abs=1e-6)
    assert np.array_equal(probabilities(np.eye(3), "labels"), np.eye(3))
    assert np.array_equal(probabilities(np.zeros((1, 2)), "probabilities"), np.zeros((1, 2)))
