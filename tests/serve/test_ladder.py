"""Evidence adds up and decays as its formula says; who is under suspicion gets answers that look as ever."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.serve.caller import Caller
from ancile.serve.config import ServeConfig
from ancile.serve.guards.degrade import BAND, SHARE_STEP, degraded
from ancile.serve.ladder import COUNTED, Evidence, Ladder, evidence
from ancile.serve.learned import Learned
from ancile.serve.ranks import ranks_of
from ancile.serve.scores import Layout, is_distribution
from ancile.serve.seen import SLOTS, Seen
from tests.serve.judged import World, answered, asked

LADDER = Ladder()
ORDER = ("allow", "degrade", "review", "throttle")
LAYOUT = Layout("scores", "label", 3)


@given(counts=st.lists(st.integers(1, 500), min_size=1, max_size=len(COUNTED)))
def test_evidence_of_g_guards_stays_below_g(counts: list[int]) -> None:
    found = Evidence()
    for guard, count in zip(sorted(COUNTED), counts, strict=False):
        for _ in range(count):
            found.add(guard, 0.0, LADDER)
    expected = sum(1 - math.exp(-count / LADDER.many) for count in counts)
    assert found.level(0.0, LADDER) == pytest.approx(expected)
    assert found.level(0.0, LADDER) <= len(counts)


def test_no_guard_alone_takes_an_identity_up_the_ladder_and_two_that_agree_do() -> None:
    found = Evidence()
    for _ in range(10_000):
        found.add("sequence", 0.0, LADDER)
    assert evidence(found, 0.0, LADDER).reaction == "allow"
    for _ in range(100):
        found.add("confidence", 0.0, LADDER)
    assert evidence(found, 0.0, LADDER).reaction == "degrade"


def test_evidence_halves_in_its_half_life_and_a_clock_set_back_brings_none_again() -> None:
    found = Evidence()
    found.add("outlier", 0.0, LADDER)
    assert found.level(LADDER.half_seconds, LADDER) == pytest.approx(-math.expm1(-0.5 / LADDER.many))
    assert found.level(0.0, LADDER) == pytest.approx(-math.expm1(-0.5 / LADDER.many))
    assert found.level(50 * LADDER.half_seconds, LADDER) == 0.0
    assert found.sums == {}


def test_more_evidence_never_lowers_the_reaction() -> None:
    found, steps = Evidence(), []
    for guard in sorted(COUNTED):
        for _ in range(20):
            found.add(guard, 0.0, LADDER)
            steps.append(ORDER.index(evidence(found, 0.0, LADDER).reaction))
    assert all(one <= other for one, other in pairwise(steps))
    assert set(steps) == {0, 1, 2, 3}


def test_what_is_mostly_a_mistake_is_no_evidence() -> None:
    found = Evidence()
    for guard in ("rate", "quota", "schema", "evidence"):
        found.add(guard, 0.0, LADDER)
    assert found.level(0.0, LADDER) == 0.0


@pytest.mark.parametrize(
    "levels",
    [{"degrade": 0.0}, {"degrade": 3.0}, {"half_seconds": 0.0}, {"many": 0.0}, {"throttle": math.inf}],
)
def test_a_ladder_that_does_not_rise_is_refused(levels: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        Ladder(**levels)


@given(
    inputs=st.lists(
        st.tuples(st.integers(1, 2**62 - 1), st.integers(0, SLOTS - 1)),
        max_size=2 * SLOTS,
        unique_by=lambda one: one[0],
    )
)
def test_the_newest_inputs_are_known_again_and_others_are_not(inputs: list[tuple[int, int]]) -> None:
    numbers = [tag << 8 | slot for tag, slot in inputs]
    last: dict[int, int] = {}
    seen = Seen()
    for number in numbers:
        assert seen.before(number) is None
        seen.add(number, number % 3)
        last[number % SLOTS] = number
    for number in last.values():
        assert seen.before(number) == number % 3


def suspect(world: World) -> Caller:
    """A caller whom two guards agree on."""
    caller = world.caller()
    for guard in ("sequence", "confidence"):
        for _ in range(100):
            caller.evidence.add(guard, world.now, LADDER)
    return caller


def test_a_suspect_is_degraded_silently_and_the_same_input_gets_the_same_answer() -> None:
    world = World()
    caller = suspect(world)
    verdict, label, scores = world.answer(caller, asked((1.0, 2.0)), [[0.71, 0.09, 0.2]])
    assert (verdict.reaction, verdict.guard) == ("degrade", "evidence")
    assert label.tolist() == [0]
    assert scores.dtype == np.float32
    assert scores.shape == (1, 3)
    assert scores.sum() == pytest.approx(1.0, abs=0.002)
    assert scores.argmax() == 0
    assert abs(scores - [[0.71, 0.09, 0.2]]).max() > 0.002
    again = world.answer(caller, asked((1.0, 2.0)), [[0.71, 0.09, 0.2]])[2]
    assert np.array_equal(scores, again)


def test_an_answer_that_was_exact_stays_exact_when_it_is_asked_again_under_suspicion() -> None:
    world = World()
    caller = world.caller()
    exact = world.answer(caller, asked((1.0, 2.0)), [[0.71, 0.09, 0.2]])[2]
    for guard in ("sequence", "confidence"):
        for _ in range(100):
            caller.evidence.add(guard, world.now, LADDER)
    assert np.array_equal(world.answer(caller, asked((1.0, 2.0)), [[0.71, 0.09, 0.2]])[2], exact)
    assert not np.array_equal(world.answer(caller, asked((1.0, 2.1)), [[0.71, 0.09, 0.2]])[2], exact)
    world.now += 20 * LADDER.half_seconds
    fresh = world.answer(caller, asked((1.0, 2.2)), [[0.71, 0.09, 0.2]])
    assert fresh[0].reaction == "allow"
    assert np.array_equal(fresh[2], exact)


def test_what_was_held_back_is_not_told_exactly_later() -> None:
    world = World(profile="full")
    caller = suspect(world)
    for _ in range(100):
        caller.evidence.add("timing", world.now, LADDER)
        caller.evidence.add("outlier", world.now, LADDER)
    assert world.before(caller, asked((1.0, 2.0))).verdict.reaction == "throttle"
    world.now += 5 * LADDER.half_seconds
    verdict, _, scores = world.answer(caller, asked((1.0, 2.0)), [[0.71, 0.09, 0.2]])
    assert verdict.reaction == "degrade"
    assert not np.allclose(scores, [[0.71, 0.09, 0.2]], atol=0.002)


def test_a_guard_after_the_model_degrades_the_answer_that_it_speaks_of() -> None:
    learned = Learned(margins=ranks_of((-np.linspace(0, 1, 1001)).tolist()))
    for most, seen in (("degrade", "degrade"), ("flag", "flag")):
        world = World(learned=learned, reactions={"confidence": most, "evidence": "allow"})
        caller = world.caller()
        told = [world.answer(caller, asked((k, 0.0)), [[0.5, 0.49, 0.01]]) for k in range(9)]
        assert told[-1][0].reaction == seen
        assert np.allclose(told[-1][2], [[0.5, 0.49, 0.01]], atol=1e-3) == (most == "flag")
        again = world.answer(caller, asked((8, 0.0)), [[0.5, 0.49, 0.01]])
        assert np.array_equal(again[2], told[-1][2]) or most == "flag"


@pytest.mark.parametrize(
    ("profile", "reaction"), [("watch", "flag"), ("standard", "degrade"), ("full", "degrade")]
)
def test_each_profile_goes_as_far_as_it_says(profile: str, reaction: str) -> None:
    world = World(profile=profile)
    caller = suspect(world)
    verdict, _, scores = world.answer(caller, asked((1.0, 2.0)), [[0.71, 0.09, 0.2]])
    assert verdict.reaction == reaction
    assert np.allclose(scores, [[0.71, 0.09, 0.2]], atol=1e-3) == (profile == "watch")


def test_a_guard_that_may_only_allow_is_not_run() -> None:
    world = World(reactions={"evidence": "allow", "schema": "allow"})
    assert world.answer(suspect(world), asked((1.0, math.nan)), [[1, 0, 0]])[0].reaction == "allow"


def test_answers_of_one_cell_of_the_grid_are_one_answer() -> None:
    rows = asked(*[(1.0 + k * 1e-3, 2.0) for k in range(100)])
    told = [
        degraded(answered([scores] * 100), rows, LAYOUT, key=b"k")[1].array
        for scores in ([0.62, 0.28, 0.1], [0.75, 0.21, 0.04], [0.55, 0.28, 0.17])
    ]
    assert np.array_equal(told[0], told[1])
    assert not np.array_equal(told[0], told[2])
    assert int(0.62 / SHARE_STEP) == int(0.75 / SHARE_STEP) != int(0.55 / SHARE_STEP)


def test_the_boundary_is_blurred_within_its_band_and_nowhere_else() -> None:
    rows = asked(*[(float(k), 0.0) for k in range(4000)])
    for margin in (0.0, 0.05, 0.2):
        outputs = answered([[0.5 + margin / 2, 0.5 - margin / 2, 0.0]] * 4000)
        label, scores = degraded(outputs, rows, LAYOUT, key=b"k")
        assert np.array_equal(label.array, scores.array.argmax(axis=1))
        assert label.array.mean() == pytest.approx(max(0.0, 0.5 * (1 - margin / BAND)), abs=0.04)


def test_a_row_is_answered_alike_alone_and_among_others_and_minus_nought_is_nought() -> None:
    one = degraded(answered([[0.7, 0.2, 0.1]]), asked((0.0, 2.0)), LAYOUT, key=b"k")
    two = degraded(
        answered([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1]]), asked((3.0, 2.0), (-0.0, 2.0)), LAYOUT, key=b"k"
    )
    assert np.array_equal(one[1].array[0], two[1].array[1])
    other = degraded(answered([[0.7, 0.2, 0.1]]), asked((0.0, 2.0)), LAYOUT, key=b"another")
    assert not np.array_equal(one[1].array, other[1].array)


@given(
    scores=st.lists(st.lists(st.floats(-20, 20, width=32), min_size=3, max_size=3), min_size=1, max_size=5)
)
def test_logits_stay_logits_and_outside_the_band_the_class_stands(scores: list[list[float]]) -> None:
    rows = asked(*[(float(k), 1.0) for k in range(len(scores))])
    label, shown = degraded(answered(scores), rows, LAYOUT, key=b"k")
    assert np.array_equal(label.array, shown.array.argmax(axis=1))
    best = np.sort(np.array(scores, "f4"), axis=1)
    clear = best[:, -1] - best[:, -2] > 0.5
    if not is_distribution(np.array(scores, "f4")):
        assert np.array_equal(label.array[clear], np.array(scores, "f4").argmax(axis=1)[clear])


def test_the_table_of_the_ladder_is_read_from_the_configuration() -> None:
    assert ServeConfig(ladder=Ladder(degrade=0.5)).ladder.degrade == 0.5
