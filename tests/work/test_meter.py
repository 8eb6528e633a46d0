"""Budgets are spent by a clock that the test owns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ancile.core.budget import Budget
from ancile.work.meter import Meter


class Hand:
    """A clock that goes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_meter_without_limits_is_never_spent() -> None:
    meter = Meter(Budget(), Hand())
    meter.count(10**9)
    assert meter.spent() == ""
    assert (meter.seconds_left(), meter.queries_left()) == (None, None)


@given(st.lists(st.integers(0, 50)), st.integers(1, 200))
def test_queries_are_spent_exactly_at_their_limit(steps: list[int], limit: int) -> None:
    meter = Meter(Budget(queries=limit), Hand())
    for step in steps:
        meter.count(step)
        assert bool(meter.spent()) == (meter.queries >= limit)
        assert meter.queries_left() == max(0, limit - meter.queries)


def test_time_is_spent_exactly_at_its_limit() -> None:
    clock = Hand()
    meter = Meter(Budget(seconds=2.5), clock)
    clock.now += 2.4
    assert meter.spent() == ""
    assert meter.seconds_left() is not None
    clock.now += 0.2
    assert meter.spent() == "the time of 2.5 s is spent"
    assert meter.seconds_left() == 0.0
