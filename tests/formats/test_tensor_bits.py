"""Low bits of numbers: what is packed comes out again, honest numbers are quiet, messages are seen."""

from __future__ import annotations

import inspect
import math
import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.tensor_bits import (
    CERTAIN,
    SHAPES,
    SMOOTH_WIDTHS,
    WIDTHS,
    flattened,
    halves,
    low_bytes,
    message,
    ones,
    packed,
    phases,
    serial,
    smooth,
)
from tests.formats.embedding import embed, weights

ITEMS = 1 << 15
TEXT = (inspect.getsource(re) + inspect.getsource(random) + inspect.getsource(inspect)).encode()
NOISE = random.Random(5).randbytes(1 << 20)


@given(st.binary(min_size=1, max_size=64), st.sampled_from([1, 2, 4, 8]))
def test_a_message_comes_out_of_the_bits_that_it_was_put_into(held: bytes, width: int) -> None:
    numbers = weights("f32", len(held) * 8 // width)
    low = low_bytes(embed(numbers, "f32", width, held), "f32")
    assert packed(low, width, "big") == held
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in held)
    if width == 1:
        assert packed(low, width, "little") == mirrored


def test_two_low_bytes_are_given_in_their_order() -> None:
    assert low_bytes(bytes(range(8)), "f32", 2) == bytes([0, 1, 4, 5])
    assert low_bytes(bytes(range(7)), "f32") == b"\0"
    assert low_bytes(b"abc", "i8") == b"abc"


def test_ones_are_counted_for_each_bit() -> None:
    assert ones(b"\x01\x03\xff") == [3, 2, 1, 1, 1, 1, 1, 1]


def test_drawn_bytes_have_no_order_and_text_has() -> None:
    assert serial(NOISE[:4096]) < 4
    assert serial(TEXT[: 1 << 15]) > CERTAIN
    assert serial(b"short") == 0
    assert serial(NOISE[:1000]) == 0  # too few equal pairs to compare


def test_the_highest_bit_of_text_has_a_rhythm() -> None:
    """ASCII never sets it, whatever else is in it."""
    assert phases(TEXT[:4096], 1) > CERTAIN
    assert phases(NOISE[:4096], 1) < 5
    assert phases(b"", 1) == phases(b"\0" * 100, 1) == 0


@pytest.mark.parametrize("kind", SHAPES)
def test_honest_numbers_are_quiet(kind: str) -> None:
    for seed in range(3):
        held = weights(kind, ITEMS, seed=seed)
        assert message(held, kind) is None
        assert flattened(halves(held, kind), kind) is None


@pytest.mark.parametrize(("kind", "width"), [(kind, width) for kind in WIDTHS for width in WIDTHS[kind]])
def test_text_in_low_bits_is_seen(kind: str, width: int) -> None:
    held = embed(weights(kind, ITEMS), kind, width, TEXT)
    found = message(held, kind)
    assert found is not None
    assert found.deviations > CERTAIN


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("width", [1, 4, 8])
def test_encrypted_content_in_long_numbers_is_not_seen(kind: str, width: int) -> None:
    """Nor could it be: it is as mixed as what it replaces."""
    held = embed(weights(kind, ITEMS), kind, width, NOISE)
    assert message(held, kind) is None
    assert halves(held, kind) == {}


@pytest.mark.parametrize(
    ("kind", "items", "width"), [("i8", 1 << 19, 1), ("i8", 1 << 17, 2), ("f16", 1 << 19, 8)]
)
def test_encrypted_content_in_many_short_numbers_flattens_their_distribution(
    kind: str, items: int, width: int
) -> None:
    honest = weights(kind, items)
    assert flattened(halves(honest, kind), kind) is None
    assert flattened(halves(embed(honest, kind, width, NOISE), kind), kind) is not None


def test_the_share_of_overwritten_numbers_is_estimated() -> None:
    honest = weights("i8", 1 << 18)
    for share in (0.0, 0.5, 1.0):
        held = embed(honest, "i8", 2, NOISE, share=share)
        found = smooth(halves(held, "i8")[2], "i8", 2)
        assert math.isclose(found.share, share, abs_tol=5 / found.power)


@pytest.mark.parametrize("levels", [16, 256])
def test_numbers_of_few_levels_are_not_judged(levels: int) -> None:
    """Their low bits repeat because the numbers do."""
    drawn = np.frombuffer(weights("f32", ITEMS), "<f4")
    step = np.abs(drawn).max() / levels
    assert message((np.round(drawn / step) * step).astype("<f4").tobytes(), "f32") is None


@pytest.mark.parametrize("cut", [13, 16])
def test_numbers_that_were_shorter_once_are_quiet(cut: int) -> None:
    """Their low bits are all zero: 16-bit numbers that were widened."""
    drawn = np.frombuffer(weights("f32", ITEMS), "<u4") >> cut << cut
    assert message(drawn.tobytes(), "f32") is None


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "i8"])
@pytest.mark.parametrize("rows", [False, True])
def test_pruned_numbers_are_quiet(kind: str, rows: bool) -> None:
    held = np.frombuffer(weights(kind, ITEMS), "u1").reshape(-1, SHAPES[kind].item_bytes).copy()
    if rows:
        held.reshape(64, -1)[::3] = 0
    else:
        held[np.random.default_rng(3).random(ITEMS) < 0.5] = 0
    assert message(held.tobytes(), kind) is None
    assert flattened(halves(held.tobytes(), kind), kind) is None


@given(st.binary(max_size=300), st.sampled_from(sorted(SHAPES)))
def test_any_bytes_are_judged_without_a_fault(held: bytes, kind: str) -> None:
    message(held, kind)
    assert set(halves(held, kind)) == set(SMOOTH_WIDTHS.get(kind, ()))
    flattened(halves(held, kind), kind)
