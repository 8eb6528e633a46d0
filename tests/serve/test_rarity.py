"""Rare inputs, unsure answers and slow ones add up to what their formulas say, and benign callers stay below."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.serve.answers import scores_of
from ancile.serve.calibration import calibrate, with_sureness
from ancile.serve.guards.confidence import confidence
from ancile.serve.guards.outlier import Usual, outlier, usual
from ancile.serve.guards.timing import LEAST, Times
from ancile.serve.inference import Wanted
from ancile.serve.learned import Learned
from ancile.serve.ranks import DRIFT, added, exponent, limit_of, ranks_of, rarity
from ancile.serve.scores import is_distribution, probabilities, unsureness
from ancile.serve.verdict import ALLOW
from tests.serve.judged import MODEL, Model, World, asked


@given(drift=st.floats(1.05, 20))
def test_the_exponent_solves_lundbergs_equation(drift: float) -> None:
    t = exponent(drift)
    assert 0 < t < 1
    assert math.exp(-t * drift) == pytest.approx(1 - t, rel=1e-6, abs=1e-8)


def test_the_limit_holds_for_independent_benign_queries() -> None:
    """Of 4000 callers with exponential steps, 600 each, no more than the share asked for come above it."""
    rng = np.random.default_rng(0)
    limit, total, over = limit_of(600, 0.02), np.zeros(4000), np.zeros(4000, bool)
    for _ in range(600):
        total = np.maximum(0, total + rng.exponential(size=4000) - DRIFT)
        over |= total > limit
    assert 0.004 <= over.mean() <= 0.02  # a union bound over 600 starts: a third of it is had


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), one=st.floats(-1e6, 1e6))
def test_a_higher_value_is_never_less_rare_and_the_highest_is_bounded(
    values: list[float], one: float
) -> None:
    ranks = ranks_of(values)
    assert rarity(one, ranks.table) <= rarity(one + 1.0, ranks.table)
    assert 0.0 <= rarity(one, ranks.table) <= max(0.0, math.log((len(values) + 1) / 3)) + 1e-12


def test_common_values_take_the_sum_down_to_nought_and_no_further() -> None:
    ranks = ranks_of(range(1000))
    assert added(5.0, [0.0], ranks) == pytest.approx(5.0 - DRIFT)
    assert added(5.0, [0.0] * 9, ranks) == 0.0
    assert added(0.0, [1e9], ranks) == pytest.approx(math.log(1001 / 3) - DRIFT)


def test_a_distance_is_mahalanobis_distance() -> None:
    """Of a Gaussian cloud the distances of new rows are chi-square: their mean is the number of values."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    x = (rng.normal(size=(8000, 6)) @ mixing + 100).astype("f4")
    found = usual(x[:4000])
    assert found.distances(x[4000:]).mean() == pytest.approx(6.0, rel=0.1)
    assert found.distances(found.centre[None])[0] == pytest.approx(0.0, abs=1e-6)
    step = (mixing[0] * 5).astype("f4")
    assert found.distances((found.centre + step)[None])[0] == pytest.approx(25.0, rel=0.15)


def test_what_is_outside_the_components_counts() -> None:
    """Images on a line of their space: a sample off the line by as much as they vary is far."""
    rng = np.random.default_rng(0)
    line = rng.normal(size=(10, 200))
    x = (rng.normal(size=(1000, 10)) @ line).astype("f4")
    found = usual(x)
    off = x[:50] + rng.normal(size=(50, 200)).astype("f4") * x.std()
    assert np.median(found.distances(off)) > 10 * np.median(found.distances(x[500:]))


def run(rows: np.ndarray, found: Usual) -> int:
    """After how many queries a caller is flagged, 0 for never."""
    total = 0.0
    for count, row in enumerate(rows, 1):
        said, total = outlier(row[None], total, found)
        if said is not ALLOW:
            return count
    return 0


@pytest.mark.parametrize("width", [12, 200])
def test_random_queries_are_seen_soon_and_benign_callers_are_not(width: int) -> None:
    rng = np.random.default_rng(1)
    x = np.abs(rng.normal(size=(2000, width)) @ rng.normal(size=(width, width)) / width**0.5).astype("f4")
    found = usual(x[:1000])
    held = x[1000:]
    flagged = sum(run(held[rng.integers(1000, size=600)], found) > 0 for _ in range(60))
    assert flagged <= 2  # of 60; P(more than 2 | one in a hundred) is about 0.02
    synthetic = rng.uniform(x.min(axis=0), x.max(axis=0), size=(50, width)).astype("f4")
    assert 0 < run(synthetic, found) <= 30


def test_a_constant_reference_is_no_fault_and_another_value_is_far() -> None:
    found = usual(np.ones((600, 3), "f4"))
    assert 0 < run(np.full((50, 3), 3.0, "f4"), found) <= 30


def test_unsure_answers_add_up_and_sure_ones_do_not() -> None:
    ranks = ranks_of((-np.linspace(0, 1, 1001)).tolist())
    unsure, sure = np.array([[0.5, 0.5, 0.0]], "f4"), np.array([[0.97, 0.02, 0.01]], "f4")
    total, count = 0.0, 0
    while (step := confidence(unsure, total, ranks))[0] is ALLOW:
        count, total = count + 1, step[1]
    rate = math.log(1002 / (2 + 2 * 2**0.5)) - DRIFT  # two of 1001 benign margins are nought or next to it
    assert count == math.floor(ranks.limit / rate)
    assert confidence(sure, 1.0, ranks) == (ALLOW, 0.0)


def test_slow_answers_are_seen_and_a_slow_hour_is_not() -> None:
    rng = np.random.default_rng(0)
    times, total = Times(), 0.0
    for seconds in rng.uniform(0.9, 1.1, size=300):
        said, total = times.judge(float(seconds), total)
        assert said is ALLOW
    verdicts = []
    for _ in range(20):
        said, total = times.judge(5.0, total)
        verdicts.append(said.reaction)
    assert "flag" in verdicts
    hour, total = Times(), 0.0
    for k in range(2000):
        said, total = hour.judge((1.0 + k // 500) * float(rng.uniform(0.9, 1.1)), total)
        assert said is ALLOW


def test_nothing_is_said_of_times_before_there_are_some() -> None:
    times = Times()
    assert all(times.judge(10.0**k, 0.0) == (ALLOW, 0.0) for k in range(LEAST % 100))


def learned() -> Learned:
    rng = np.random.default_rng(0)
    return Learned(
        outlier=usual(rng.normal(size=(1000, 2)).astype("f4")),
        margins=ranks_of((-rng.uniform(0, 1, size=1000)).tolist()),
    )


def test_an_exact_repeat_is_no_evidence_to_any_of_them() -> None:
    world = World(profile="full", learned=learned())
    caller = world.caller()
    for _ in range(200):
        verdict = world.answer(caller, asked((9.0, 9.0)), [[0.5, 0.5, 0.0]])[0]
        assert verdict.reaction == "allow"


@pytest.mark.parametrize(("profile", "reaction"), [("standard", "flag"), ("full", "degrade")])
def test_the_gateway_sees_outliers_and_unsure_answers(profile: str, reaction: str) -> None:
    world = World(profile=profile, learned=learned())
    stranger, searcher = world.caller("one"), world.caller("two")
    said = [world.answer(stranger, asked((9.0 + k, 9.0)), [[0.9, 0.1, 0.0]])[0] for k in range(20)]
    assert (said[-1].reaction, said[-1].guard) == (reaction, "outlier")
    said = [world.answer(searcher, asked((k * 0.01, 0.1)), [[0.5, 0.5, 0.0]])[0] for k in range(20)]
    assert (said[-1].reaction, said[-1].guard) == (reaction, "confidence")
    assert set(stranger.evidence.sums) == {"outlier"}


@pytest.mark.slow
def test_leaving_before_each_answer_and_asking_again_hides_nothing() -> None:
    """Whoever leaves is answered nothing, so that what he sends again is looked at as if it were new."""
    x = np.random.default_rng(0).normal(size=(1000, 2)).astype("f4")
    unsure = learned().margins
    benign = with_sureness(calibrate(x), x, np.random.default_rng(1).uniform(size=1000))
    world = World(profile="watch", learned=Learned(sequence=benign, margins=unsure))
    found = {}
    for guard, rows in (("search", [(0.01 * k, 0.5 - 0.01 * k) for k in range(60)]), ("confidence", x[:60])):
        caller = world.caller(guard)
        for row in rows:
            asks = asked((float(row[0]), float(row[1])))
            world.before(caller, asks)
            world.answer(caller, asks, [[0.5, 0.5, 0.0]])
        found[guard] = set(caller.evidence.sums)
    assert all(guard in sums for guard, sums in found.items()), found


def test_guards_see_scores_that_the_caller_did_not_name() -> None:
    world = World()
    infer = asked((1.0, 1.0))._replace(outputs=(Wanted("label", binary=True),))
    asked_for = world.judging.question(world.before(world.caller(), infer), infer)
    assert (asked_for.outputs, asked_for.binary) == ((), True)
    everything = asked((1.0, 1.0))
    assert world.judging.question(world.before(world.caller(), everything), everything) is everything


def test_the_model_is_asked_about_its_reference_in_batches_where_it_takes_them() -> None:
    x = np.random.default_rng(0).normal(size=(100, 2)).astype("f4")
    batched, single = Model(MODEL), Model(MODEL._replace(inputs=(MODEL.inputs[0]._replace(shape=(1, 2)),)))
    for model, count in ((batched, 4), (single, 100)):
        scores = asyncio.run(scores_of(model, model.signatures["m"], x))
        assert scores is not None
        assert np.allclose(scores[:, :2], x)
        assert model.asked == count
    nothing = MODEL._replace(outputs=MODEL.outputs[:1])
    assert asyncio.run(scores_of(Model(nothing), nothing, x)) is None
    with pytest.raises(AncileError, match="fails on the reference set"):
        asyncio.run(scores_of(Model(MODEL, fails=True), MODEL, x))


@given(rows=st.lists(st.lists(st.floats(-9, 9), min_size=4, max_size=4), min_size=2, max_size=4))
def test_one_row_is_judged_as_it_is_among_others(rows: list[list[float]]) -> None:
    """The shorter ways for a single row say what the arrays say, where none of the rows may be shares alone."""
    scores = np.array(rows)
    assume(not any(is_distribution(one[None]) for one in scores))
    for form in (scores, probabilities(scores)):
        assert np.allclose(unsureness(form), [unsureness(form[at : at + 1])[0] for at in range(len(rows))])


@pytest.mark.parametrize("width", [4, 100])
def test_one_sample_is_as_far_as_it_is_among_others(width: int) -> None:
    x = np.random.default_rng(0).normal(size=(600, width)).astype("f4")
    found = usual(x)
    assert np.allclose(found.distances(x[:5]), [found.distance(one) for one in x[:5]], rtol=1e-3)
