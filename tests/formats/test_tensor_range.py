"""Values out of bounds: counted exactly as an array library counts them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.tensor_range import GAP, range_of
from tests.formats.embedding import KINDS, weights

FLOATS = ["f64", "f32", "f16"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", FLOATS)
@given(st.lists(st.floats(width=16), max_size=50))
def test_what_is_no_number_is_counted_as_numpy_does(kind: str, values: list[float]) -> None:
    held = np.array(values, KINDS[kind])
    found = range_of(held.tobytes(), kind)
    assert (found.items, found.nans, found.infinities) == (
        len(values),
        int(np.isnan(held).sum()),
        int(np.isinf(held).sum()),
    )


def bf16(*values: float) -> bytes:
    return (np.array(values, "<f4").view("<u4") >> 16).astype("<u2").tobytes()


def test_short_numbers_with_long_exponents_are_told_apart() -> None:
    found = range_of(bf16(1, float("nan"), float("inf"), 3e38), "bf16")
    assert (found.nans, found.infinities) == (1, 1)


@pytest.mark.parametrize("kind", FLOATS)
def test_a_mask_is_infinities_of_one_sign_among_zeros(kind: str) -> None:
    mask = np.triu(np.full((8, 8), -np.inf), 1).astype(KINDS[kind])
    assert range_of(mask.tobytes(), kind).is_mask
    mask[0, 0] = 1
    assert not range_of(mask.tobytes(), kind).is_mask
    mask[0, 0] = np.inf
    assert not range_of(mask.tobytes(), kind).is_mask


@pytest.mark.parametrize("kind", ["f64", "f32"])
def test_few_values_a_million_times_larger_are_told(kind: str) -> None:
    held = np.frombuffer(weights(kind, 4096), KINDS[kind]).copy()
    assert range_of(held.tobytes(), kind).beyond == 0
    held[7:9] = 1e25, -1e26
    found = range_of(held.tobytes(), kind)
    assert found.beyond == 2
    assert found.gap > GAP
    held[:100] = 1e25
    assert range_of(held.tobytes(), kind).beyond == 0  # too many to be outliers


def test_values_of_every_size_are_no_outliers() -> None:
    """As the second moments of an optimizer are: wide, without a gap."""
    held = np.exp(np.random.default_rng(1).uniform(-60, 0, 4096)).astype("<f4")
    assert range_of(held.tobytes(), "f32").beyond == 0


def test_zeros_are_not_the_ordinary_values_that_others_are_beyond() -> None:
    held = np.zeros(4096, "<f4")
    held[3] = 1
    assert range_of(held.tobytes(), "f32").beyond == 0


def test_whole_numbers_are_never_out_of_bounds() -> None:
    assert range_of(b"\x7f\x80\xff", "i8") == (3, 0, 0, False, 0, 0)


@given(st.binary(max_size=100), st.sampled_from(["f64", "f32", "f16", "bf16", "i8"]))
def test_any_bytes_are_counted_without_a_fault(held: bytes, kind: str) -> None:
    found = range_of(held, kind)
    assert found.nans + found.infinities <= found.items
