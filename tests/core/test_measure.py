"""Numbers that may be relied on."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.measure import Bound, Count, Estimate
from tests.core.nouns import rate

UNIT = st.floats(0, 1)


@given(values=st.lists(UNIT, min_size=3, max_size=3).map(sorted))
def test_a_rate_lies_in_its_interval(values: list[float]) -> None:
    low, value, high = values
    assert rate(value=value, low=low, high=high).value == value
    if low < value:
        with pytest.raises(ValueError, match="is outside"):
            rate(value=low, low=value, high=high)
    if value < high:
        with pytest.raises(ValueError, match="is outside"):
            rate(value=high, low=low, high=value)


@given(value=UNIT)
def test_an_interval_may_be_a_point(value: float) -> None:
    assert rate(value=value, low=value, high=value).low == value


@pytest.mark.parametrize("field", ["value", "low", "high"])
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(field: str, broken: float) -> None:
    with pytest.raises(ValueError, match="clean_accuracy is not finite"):
        rate("clean_accuracy", **{field: broken})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"low": None}, "interval in part"),
        ({"high": None}, "interval in part"),
        ({"confidence": None}, "interval in part"),
        ({"low": None, "high": None}, "interval in part"),
        ({"low": None, "high": None, "confidence": None}, "a rate without n or interval"),
        ({"n": None}, "a rate without n or interval"),
        ({"n": 0}, "a rate without n or interval"),
        ({"n": -1}, "n is negative"),
        ({"value": 1.5, "high": 2}, r"a rate lies in \[0, 1\]"),
        ({"value": -0.5, "low": -1}, r"a rate lies in \[0, 1\]"),
        ({"name": ""}, "a name, a unit and a method"),
        ({"unit": ""}, "a name, a unit and a method"),
        ({"method": ""}, "a name, a unit and a method"),
    ],
)
def test_a_rate_without_what_makes_it_one_is_refused(changes: dict[str, Any], words: str) -> None:
    sound: dict[str, Any] = {"name": "robust_accuracy", "value": 0.5, "unit": "rate", "n": 10, "low": 0.2, "high": 0.8,
             "confidence": 0.95, "method": "Clopper-Pearson"}  # fmt: skip
    with pytest.raises(ValueError, match=words):
        Estimate(**sound | changes)
    with pytest.raises(ValueError, match=words):
        Bound(side="at_most", **sound | changes)


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_another_unit_needs_no_interval(value: float) -> None:
    assert Estimate(name="distance", value=value, unit="l2", n=3, method="median").value == value


@pytest.mark.parametrize("side", ["at_most", "at_least"])
def test_a_bound_says_on_which_side_it_holds(side: str) -> None:
    assert Bound(name="epsilon", value=1.0, unit="nats", method="audit", side=side).side == side


@pytest.mark.parametrize("side", ["", "both", "AT_MOST"])
def test_a_bound_without_a_side_is_refused(side: str) -> None:
    with pytest.raises(ValueError, match="side is at_most or at_least"):
        Bound(name="epsilon", value=1.0, unit="nats", method="audit", side=side)


def test_a_count_has_no_interval_and_is_no_rate() -> None:
    assert Count(name="queries", value=3, unit="queries", method="counted").value == 3
    with pytest.raises(ValueError, match="has an interval or is a rate"):
        Count(name="queries", value=3, unit="queries", low=1, high=4, confidence=0.9, method="counted")
    with pytest.raises(ValueError, match="has an interval or is a rate"):
        Count(name="a", value=1, unit="rate", n=3, low=0, high=1, confidence=0.9, method="counted")


def test_a_measure_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        rate().value = 1.0  # type: ignore[misc]  # what must not be possible
