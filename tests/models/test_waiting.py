"""An answer is waited for as long as its time and the run's allow, and an honest one a while longer."""

from __future__ import annotations

import pytest

from ancile.models.waiting import GRACE_SECONDS, SLOWER, Waiting


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.at


def allowed(waiting: Waiting, clock: Clock, *, took: float, more: float = 0.0) -> float:
    with waiting.answer(more) as seconds:
        clock.at += took
    return seconds


def test_without_a_budget_each_answer_has_its_own_time() -> None:
    clock = Clock()
    waiting = Waiting(600, budget=None, longest=0.0, now=clock)
    assert [allowed(waiting, clock, took=500.0) for _ in range(3)] == [600, 600, 600]
    assert allowed(waiting, clock, took=0.0, more=3.0) == 603


def test_a_budget_counts_from_the_first_answer_and_leaves_what_is_under_way_some_time() -> None:
    clock = Clock()
    waiting = Waiting(600, budget=30, longest=0.0, now=clock)
    clock.at += 1000.0
    assert allowed(waiting, clock, took=2.0) == 30 + GRACE_SECONDS
    assert allowed(waiting, clock, took=40.0) == 28 + GRACE_SECONDS + SLOWER * 2
    assert allowed(waiting, clock, took=0.0) == GRACE_SECONDS + SLOWER * 40
    assert allowed(waiting, clock, took=0.0, more=2.5) == GRACE_SECONDS + SLOWER * 40 + 3


def late(waiting: Waiting, clock: Clock) -> None:
    with waiting.answer():
        clock.at += 90.0
        raise OSError("late")


def test_an_answer_that_fails_tells_nothing_of_how_long_answers_take() -> None:
    clock = Clock()
    waiting = Waiting(600, budget=1, longest=1.0, now=clock)
    with pytest.raises(OSError, match="late"):
        late(waiting, clock)
    assert allowed(waiting, clock, took=0.0) == GRACE_SECONDS + SLOWER
