"""Inputs in their own units, and the bounds inside which they may move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from ancile.core.errors import AncileError
from ancile.inputs.values import EXACT, Bounds, bounds_of, values

FINITE = st.floats(-1e6, 1e6, width=32)
ROWS = arrays.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=FINITE)


@given(x=arrays.arrays(np.uint8, (3, 4, 4)))
def test_8_bit_pictures_become_exact_255ths(x: NDArray[np.uint8]) -> None:
    found = values(x)
    np.testing.assert_array_equal(found.x, (x / 255.0).astype(np.float32))
    assert (found.low, found.high, found.kind, found.scale) == (0, 1, "images", None)
    assert "divided by 255" in found.notes[0]
    assert not found.doubts


def test_8_bit_pictures_stay_in_8_bit_units_where_the_bounds_say_so() -> None:
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    found = values(x, bounds=Bounds(0, 255))
    np.testing.assert_array_equal(found.x, x)
    assert (found.low, found.high, found.kind, found.notes) == (0, 255, "images", ())
    assert (found.units, values(x).units) == ("8-bit", "data")


def test_8_bit_pictures_within_bounds_of_minus_1_to_1_are_divided() -> None:
    found = values(np.full((1, 2, 2), 255, dtype=np.uint8), bounds=Bounds(-1, 1))
    assert (float(found.x.max()), found.low, found.high) == (1, -1, 1)


def test_floats_of_pictures_keep_their_values() -> None:
    x = np.linspace(0, 1, 48, dtype=np.float64).reshape(1, 4, 4, 3)
    found = values(x)
    np.testing.assert_array_equal(found.x, x.astype(np.float32))
    assert (found.low, found.high, found.kind, found.doubts) == (0, 1, "images", ())


@pytest.mark.parametrize("edge", [-3e-08, 1 + 1.2e-07])
def test_rounding_outside_the_bounds_is_clipped_and_told(edge: float) -> None:
    x = np.full((1, 2, 2), edge, dtype=np.float32)
    for found in (values(x), values(x, bounds=Bounds(0, 1))):
        assert 0 <= found.x.min() <= found.x.max() <= 1
        assert found.notes == ("4 values lay outside the bounds by rounding and were clipped",)


def test_values_beyond_given_bounds_are_a_fault() -> None:
    found = values(np.array([[0.0, 1.5], [-2.0, 0.0]]), bounds=Bounds(0, 1))
    assert found.faults == ("2 values lie outside the bounds 0..1: -2 to 1.5",)


@given(x=ROWS)
def test_rows_get_the_bounds_of_each_feature_from_the_data(x: NDArray[np.float32]) -> None:
    found = values(x)
    np.testing.assert_array_equal(found.low, x.min(axis=0))
    np.testing.assert_array_equal(found.high, x.max(axis=0))
    assert found.scale is not None
    assert (found.scale >= 0).all()
    assert found.kind == "rows"
    constant = int((found.scale == 0).sum())
    assert "taken from the data" in found.doubts[0]
    assert (f"{constant} features never change" in found.doubts[0]) == (constant > 0)


@given(x=ROWS, margin=st.floats(0, 10))
def test_given_bounds_win(x: NDArray[np.float32], margin: float) -> None:
    low, high = float(x.min()) - margin - 1, float(x.max()) + margin + 1
    found = values(x, bounds=Bounds(low, high))
    assert (found.low, found.high, found.scale, found.doubts) == (
        float(np.float32(low)),
        float(np.float32(high)),
        None,
        (),
    )
    np.testing.assert_array_equal(found.x, x)


def test_normalised_pictures_share_one_pair_of_bounds() -> None:
    x = np.linspace(-2.1, 2.6, 48).reshape(1, 3, 4, 4)
    found = values(x)
    assert (found.low, found.high, found.kind) == (float(np.float32(-2.1)), float(np.float32(2.6)), "rows")
    assert "-2.1 to 2.6" in found.doubts[0]


def test_series_within_0_and_1_are_rows_in_these_bounds() -> None:
    found = values(np.zeros((1, 2, 2, 2, 2)))
    assert (found.low, found.high, found.kind, found.doubts) == (0, 1, "rows", ())


def test_booleans_lie_in_0_and_1() -> None:
    found = values(np.array([[True, False]]))
    assert (found.x.tolist(), found.low, found.high, found.doubts) == ([[1, 0]], 0, 1, ())


def test_8_bit_numbers_in_rows_keep_their_units() -> None:
    found = values(np.array([[0, 255], [7, 3]], dtype=np.uint8))
    assert found.x.tolist() == [[0, 255], [7, 3]]


def test_integers_beyond_float32_are_rounded_and_told() -> None:
    assert values(np.array([[EXACT]])).notes == ()
    assert "rounded to float32" in values(np.array([[EXACT + 1]])).notes[0]
    assert "rounded to float32" in values(np.array([[-(2**63)]])).notes[0]


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 1e300])
def test_a_value_that_is_no_float32_is_a_fault_with_its_sample(broken: float) -> None:
    x = np.zeros((5, 2, 2))
    x[3, 0, 1] = x[3, 1, 1] = x[4, 0, 0] = broken
    assert values(x).faults == ("x has NaN or infinite values in 2 samples, the first is sample 3",)


def test_a_range_beyond_float32_is_a_fault() -> None:
    assert values(np.array([[-3e38], [3e38]])).faults == ("the range of a feature is beyond float32",)


@pytest.mark.parametrize("x", [np.zeros(3), np.array([["a"]]), np.array([[1j]]), np.array(1.0)])
def test_what_is_not_numbers_by_sample_and_feature_is_a_fault(x: NDArray[np.generic]) -> None:
    assert "not numbers by sample and feature" in values(x).faults[0]


def test_bounds_are_read_as_low_and_high() -> None:
    assert bounds_of("0,1") == (0, 1)
    assert bounds_of(" -1.5 , 2e3") == (-1.5, 2000)


@pytest.mark.parametrize("text", ["", "1", "1,0", "0,0", "a,b", "0,1,2", "nan,1", "0,inf", "0;1", "\x1b,1"])
def test_bounds_that_are_none_are_refused_with_their_text(text: str) -> None:
    with pytest.raises(AncileError) as told:
        bounds_of(text)
    assert told.value.value == text.replace("\x1b", "\\x1b")
    assert "0,1" in told.value.remedy
