"""Numbers in words: nothing is rounded to where it flatters, a bound is never shown as an estimate."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.measure import Bound, Count, Estimate
from ancile.core.report import Cost
from ancile.render.phrases import (
    counted,
    duration,
    grouped,
    guarded,
    interval_text,
    label,
    measure_text,
    percent,
    scalar,
    setting,
    size,
    slice_text,
    value_text,
    work,
)
from tests.render.records import MEASURES, rate

SHARES = st.floats(0, 1)


def bound(value: float, side: str) -> Bound:
    return Bound(
        name="b", value=value, unit="rate", n=10, low=0.0, high=1.0, confidence=0.95, method="m", side=side
    )


def figure(text: str) -> float:
    found = re.search(r"[\d.]+", text)
    assert found
    return float(found[0]) / 100


def test_a_bound_reads_as_in_the_field() -> None:
    measure = Bound(
        name="robust_accuracy",
        value=0.832,
        unit="rate",
        n=1000,
        low=0.80721,
        high=0.8546,
        confidence=0.95,
        method="m",
        side="at_most",
    )
    assert measure_text(measure) == "at most 83.2 % (80.7 to 85.5 at 95 %, n = 1000)"


@given(SHARES)
def test_a_bound_is_rounded_to_the_side_on_which_it_stays_true(value: float) -> None:
    assert figure(value_text(bound(value, "at_most"))) >= value - 1e-12
    assert figure(value_text(bound(value, "at_least"))) <= value + 1e-12


@given(SHARES, SHARES, SHARES)
def test_an_interval_is_rounded_outwards(a: float, b: float, c: float) -> None:
    low, value, high = sorted((a, b, c))
    one = Estimate(name="e", value=value, unit="rate", n=10, low=low, high=high, confidence=0.9, method="m")
    shown = re.match(r"([\d.]+) to ([\d.]+) at 90 %, n = 10", interval_text(one))
    assert shown
    assert float(shown[1]) / 100 <= low + 1e-12
    assert float(shown[2]) / 100 >= high - 1e-12


@given(SHARES)
def test_all_and_none_are_said_only_where_they_are_so(value: float) -> None:
    shown = percent(value)
    if 1e-7 < value < 1 - 1e-7:
        assert float(shown) not in (0, 100)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0"), (1, "100.0"), (0.5, "50.0"), (0.9999, "99.99"), (0.0004, "0.04"), (1e-12, "0.000000")],
)
def test_percentages_take_the_decimals_that_they_need(share: float, text: str) -> None:
    assert percent(share) == text


def test_every_kind_of_measure_says_what_it_is() -> None:
    for measure in MEASURES:
        words = value_text(measure)
        assert words.startswith(("at most", "at least")) == isinstance(measure, Bound)
        assert ("n = " in interval_text(measure)) == (not isinstance(measure, Count))


def test_other_units_keep_their_names() -> None:
    assert value_text(Count(name="entries", value=12345, unit="rows", method="m")) == "12,345 rows"
    assert value_text(Count(name="rows", value=3, unit="rows", method="m")) == "3"
    assert value_text(Count(name="x", value=0.12345, unit="seconds", method="m")) == "0.1235 seconds"
    assert value_text(Count(name="x", value=1e300, unit="1", method="m")) == "1e+300"


def test_a_measure_without_interval_has_its_number_alone() -> None:
    assert measure_text(Estimate(name="x", value=2, unit="bits", method="m")) == "2 bits"


def test_slices_read_as_words() -> None:
    assert slice_text({"class": 3, "eps": 0.1}) == "class 3, eps 0.1"
    assert slice_text(rate(Estimate, "a", 1, 2).slice) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "yes"),
        (False, "no"),
        (-3, "-3"),
        (0.1 + 0.2, "0.3"),
        ("-0.5", "-0.5"),
        ("1,000", "1,000"),
        ("=1+1", "'=1+1"),
        (" @x", "' @x"),
        ("+1+1", "'+1+1"),
        ("--samples", "'--samples"),
        ("a\nb", "a\\nb"),
    ],
)
def test_a_cell_is_safe_to_paste(value: str | float | bool | None, text: str) -> None:
    assert scalar(value) == text


def test_an_integer_too_long_to_print_is_named_by_its_length() -> None:
    assert scalar(10**5000) == "an integer of 16610 bits"


@given(st.text(max_size=40))
def test_nothing_shown_begins_like_a_formula(text: str) -> None:
    shown = guarded(text, 200)
    assert not shown.startswith(("=", "@"))
    assert not re.match(r"[-+](?![\d.,]+(e[-+]?\d+)?$)", shown.strip())


def test_a_long_list_names_what_is_left_out() -> None:
    assert setting(list(range(20))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"
    assert setting("linf") == "linf"
    assert setting(["pgd, 20 steps", "square"]) == "pgd, 20 steps / square"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.42 s"), (12.34, "12.3 s"), (200, "3 min 20 s"), (7530, "2 h 5 min"), (90000, "25 h 0 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1_500_000, "1.4 MiB"),
        (2**80, "1073741824.0 PiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_numbers_of_things() -> None:
    assert [counted(n, "query", "queries") for n in (0, 1, 2)] == ["0 queries", "1 query", "2 queries"]
    assert grouped(9999) == "9999"
    assert grouped(-10_000) == "-10,000"


def test_work_names_only_what_was_done() -> None:
    assert work(Cost(queries=1)) == ("1 query", "CPU 0.00 s", "wall 0.00 s without start and loading")
    assert work(Cost()) == ()
    assert work(Cost(forwards=2, peak_memory_bytes=1024))[0::3] == ("2 forwards", "peak memory 1.0 KiB")


def test_an_empty_list_of_settings_is_none() -> None:
    assert setting([]) == "none"


def test_the_calibration_error_is_named_for_the_norm_it_is_of() -> None:
    assert label("calibration_error") == "L2 calibration error"
