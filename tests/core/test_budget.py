"""Limits of a run."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.budget import Budget, bytes_in_words, bytes_of, seconds_of
from ancile.core.errors import AncileError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("365d", 31_536_000),
        ("0.5s", 0.5),
        ("1.5h", 5400),
        (" 5m ", 300),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@given(
    days=st.integers(0, 99), hours=st.integers(0, 99), minutes=st.integers(0, 99), seconds=st.integers(1, 99)
)
def test_parts_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = 86_400 * days + 3_600 * hours + 60 * minutes + seconds
    assert math.isclose(seconds_of(f"{days}d{hours}h{minutes}m{seconds}s"), total)


@pytest.mark.parametrize(
    "text", ["", "10", "m", "10 m", "-5m", "1e3s", "5w", "10m!", ".5s", "5.s", "1h 30m", "∞s"]
)
def test_what_is_no_duration_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(AncileError, match="not a duration") as told:
        seconds_of(text)
    assert told.value.value == text
    assert "1h30m" in told.value.remedy


@pytest.mark.parametrize("text", ["0s", "0.0d", "0h0m"])
def test_a_duration_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(AncileError, match="a duration of nothing"):
        seconds_of(text)


@pytest.mark.parametrize("field", ["seconds", "queries", "memory_bytes"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_that_is_read_is_positive(field: str, value: int) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({field: value}, Budget)


def test_no_limit_is_none() -> None:
    assert msgspec.convert({}, Budget) == Budget(seconds=None, queries=None, memory_bytes=None)


@pytest.mark.parametrize(
    ("text", "size"),
    [("500MB", 5 * 10**8), ("1.5 GB", 15 * 10**8), ("2gb", 2 * 10**9), ("3kB", 3000), (" 1TB ", 10**12)],
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize(
    "text", ["", "2", "2G", "GB", "-1GB", "1e3MB", "1GiB", "1 000MB", "inf GB", "1GB2MB"]
)
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(AncileError, match="not a size of memory"):
        bytes_of(text)


def test_a_size_of_nothing_is_refused() -> None:
    with pytest.raises(AncileError, match="a size of nothing"):
        bytes_of("0GB")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (340_000, "340 kB"),
        (1_234_567, "1.2 MB"),
        (17 * 10**9, "17 GB"),
    ],
)
def test_a_size_is_told_in_two_digits(size: int, words: str) -> None:
    assert bytes_in_words(size) == words


@given(st.floats(1, 999), st.sampled_from(["kB", "MB", "GB"]))
def test_a_size_in_words_is_read_back_within_its_digits(number: float, unit: str) -> None:
    size = bytes_of(f"{number:.3f}{unit}")
    assert math.isclose(bytes_of(bytes_in_words(size)), size, rel_tol=0.06)
