"""What callers see: the precision of their role, noise with the law that it claims, budgets that end, a mark."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.serve.budgets import Counts, Unavailable
from ancile.serve.calibration import calibrate
from ancile.serve.config import Role
from ancile.serve.guards.allowance import Allowance, allowed, bits_of, novelty
from ancile.serve.guards.noise import Stream, laplace, noisy, scale_of
from ancile.serve.guards.precision import BELOW, topped_off
from ancile.serve.guards.quota import DAY_SECONDS
from ancile.serve.guards.sequence import FIRST, REPEATED, Near
from ancile.serve.guards.watermark import marked
from ancile.serve.learned import Learned
from ancile.serve.refusal import Refused
from tests.serve.judged import MODEL, World, asked

SCORES = [[0.61234, 0.3, 0.08766]]


def told(world: World | None = None, scores: object = SCORES, **role: Any) -> tuple[np.ndarray, np.ndarray]:
    """Label and scores for a caller of that role."""
    world = world or World()
    return world.answer(world.caller(**role), asked((1.0, 2.0)), scores)[1:]


def test_top_k_shows_the_best_and_nothing_of_the_others() -> None:
    assert np.allclose(told(top=1)[1], [[0.612, 0, 0]])
    assert np.allclose(told(top=2)[1], [[0.612, 0.3, 0]])
    assert np.allclose(told(top=3)[1], told()[1])
    logits = told(scores=[[3.0, -5.0, 1.0]], top=2)[1]
    assert np.allclose(logits, [[3.0, 1.0 - BELOW, 1.0]])


@given(
    scores=st.lists(st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0]), min_size=4, max_size=4), min_size=1),
    top=st.integers(1, 4),
)
def test_of_ties_no_more_than_k_are_shown_and_the_best_stays(scores: list[list[float]], top: int) -> None:
    array = np.array(scores)
    found = topped_off(array, top)
    assert ((found == array).sum(axis=1) >= top).all()
    assert (found.argmax(axis=1) == array.argmax(axis=1)).all()
    least = np.sort(array, axis=1)[:, -top]
    assert ((found >= least[:, None]).sum(axis=1) <= top).all()


def test_labels_alone_are_the_same_for_a_sure_and_an_unsure_answer() -> None:
    sure, unsure = told(labels_only=True)[1], told(scores=[[0.4, 0.35, 0.25]], labels_only=True)[1]
    assert np.array_equal(sure, unsure)
    assert np.array_equal(sure, [[1, 0, 0]])
    assert told(labels_only=True)[0].tolist() == [0]


def test_below_its_confidence_a_role_hears_nothing_of_that_row() -> None:
    world = World()
    rows = asked((1.0, 2.0), (3.0, 4.0))
    _, label, scores = world.answer(world.caller(abstain=0.5), rows, [[0.4, 0.35, 0.25], [0.1, 0.2, 0.7]])
    assert label.tolist() == [-1, 2]
    assert np.allclose(scores, [[0.333] * 3, [0.1, 0.2, 0.7]])
    logits = told(scores=[[0.1, 0.0, -0.1]], abstain=0.5)
    assert np.allclose(logits[1], 0.0)
    assert np.ptp(told(scores=[[0.4, 0.35, 0.25]], abstain=0.5, top=1)[1]) == 0


def test_a_uniform_draw_is_uniform_and_a_coin_has_its_probability() -> None:
    stream = Stream(b"seed")
    counts = Counter(stream.below(5) for _ in range(20_000))
    assert all(abs(count - 4000) < 250 for count in counts.values())
    for over in (0, 3, 10):
        share = sum(stream.happens(over, 10) for _ in range(10_000)) / 10_000
        assert share == pytest.approx(math.exp(-over / 10), abs=0.02)


@pytest.mark.parametrize("scale", [1, 7])
def test_the_noise_is_discrete_laplace(scale: int) -> None:
    """P(z) = (1-a)/(1+a) a^|z| with a = exp(-1/scale), by a chi-square test over its body."""
    stream, n = Stream(b"noise"), 20_000
    found = Counter(laplace(scale, stream) for _ in range(n))
    a = math.exp(-1 / scale)
    body = range(-2 * scale, 2 * scale + 1)
    wanted = {z: n * (1 - a) / (1 + a) * a ** abs(z) for z in body}
    statistic = sum((found[z] - expected) ** 2 / expected for z, expected in wanted.items())
    freedom = len(wanted)
    assert statistic < freedom + 5 * math.sqrt(2 * freedom)


def test_the_same_row_has_the_same_noise_and_another_has_other() -> None:
    shares = np.array([[0.6, 0.3, 0.1]] * 2)
    one = noisy(shares, asked((1.0, 2.0), (1.0, 2.5)), epsilon=5.0, digits=3, key=b"k")
    two = noisy(shares[:1], asked((1.0, 2.0)), epsilon=5.0, digits=3, key=b"k")
    assert np.array_equal(one[0], two[0])
    assert not np.array_equal(one[0], one[1])
    assert one.min() >= 0 <= one.max() <= 1


@given(epsilon=st.floats(0.01, 100), digits=st.integers(0, 6), classes=st.integers(2, 50))
def test_the_loss_of_any_two_answers_is_at_most_epsilon(epsilon: float, digits: int, classes: int) -> None:
    """Two rounded probability vectors differ by at most 2 x 10^digits + classes units in all."""
    assert (2 * 10**digits + classes) / scale_of(epsilon, classes=classes, digits=digits) <= epsilon


def test_a_role_with_noise_gets_it_and_its_day_ends() -> None:
    world = World()
    caller = world.caller(epsilon=1.0, epsilon_daily=3.0)
    shown = [world.answer(caller, asked((float(k), 0.0)), SCORES) for k in range(3)]
    assert all(verdict.reaction == "allow" for verdict, _, _ in shown)
    assert all(label == scores.argmax(axis=1) for _, label, scores in shown)
    assert not np.array_equal(shown[0][2], shown[1][2])
    again = world.answer(caller, asked((0.0, 0.0)), SCORES)
    assert again[0].reaction == "allow"
    assert np.array_equal(again[2], shown[0][2])
    refused = world.before(caller, asked((9.0, 0.0))).verdict
    assert (refused.reaction, refused.guard) == ("throttle", "noise")
    world.unix += DAY_SECONDS
    assert world.before(caller, asked((9.0, 0.0))).verdict.reaction == "allow"


def test_a_role_with_noise_gets_nothing_from_a_model_without_scores() -> None:
    world = World(signature=MODEL._replace(outputs=MODEL.outputs[:1]))
    with pytest.raises(Refused, match="noise"):
        world.answer(world.caller(epsilon=1.0, epsilon_daily=3.0), asked((1.0, 2.0)), SCORES)


@pytest.mark.parametrize(
    ("role", "bits"),
    [
        (Role(labels_only=True), math.log2(3)),
        (Role(digits=3), 3 * math.log2(10) * 2),
        (Role(digits=2, top=1), 2 * math.log2(10) + math.log2(3)),
        (Role(digits=0), 0.0),
    ],
)
def test_an_answer_tells_so_many_bits(role: Role, bits: float) -> None:
    assert bits_of(role, classes=3) == pytest.approx(bits)


@given(counts=st.lists(st.integers(0, 300), max_size=40), limit=st.integers(1, 2000))
def test_no_more_than_the_limit_is_spent_in_a_day_and_a_refusal_spends_nothing(
    counts: list[int], limit: int
) -> None:
    allowance, budgets, spent = Allowance("bits", "m", "eve"), Counts(), 0
    for count in counts:
        granted = allowance.spend(count, limit=limit, day=7, budgets=budgets)
        assert granted == (spent + count <= limit)
        spent += count * granted


def test_a_repeat_costs_nothing_and_a_near_query_a_quarter_at_least() -> None:
    assert novelty([REPEATED]) == 0.0
    assert novelty([FIRST, Near(0.8, moved=True), Near(0.3, moved=True)]) == pytest.approx(2.6)
    assert novelty([Near(1e-9, moved=False)]) == 0.25


@pytest.mark.slow
def test_with_a_reference_what_is_near_costs_less() -> None:
    x = np.random.default_rng(0).normal(size=(600, 2)).astype("f4")
    world = World(learned=Learned(sequence=calibrate(x)))
    counts: list[int] = []
    for rows in (x[:60], x[0] + np.linspace(0, 0.5, 60, dtype="f4")[:, None]):
        caller = world.caller(str(len(counts)), labels_only=True, bits_daily=40)
        said = [world.before(caller, asked(tuple(map(float, row)))).verdict.guard for row in rows]
        assert said[0] != "information"
        counts.append(said.index("information"))
    assert counts[1] > 1.25 * counts[0]


def test_bits_of_a_model_are_spent_by_new_inputs_alone_and_for_each_model_apart() -> None:
    world = World()
    caller = world.caller(labels_only=True, bits_daily=10)
    for _ in range(20):
        assert world.before(caller, asked((1.0, 2.0))).verdict.reaction == "allow"
    said = [world.before(caller, asked((float(k), 0.0))).verdict for k in range(8)]
    assert [one.reaction for one in said] == ["allow"] * 4 + ["throttle"] * 4
    assert said[-1].guard == "information"
    assert 0 < said[-1].retry_after <= DAY_SECONDS


@pytest.mark.parametrize(
    "role", [{"labels_only": True, "bits_daily": 10}, {"epsilon": 1.0, "epsilon_daily": 5.0}]
)
def test_what_a_budget_refused_is_refused_again_when_it_is_asked_again(role: dict[str, Any]) -> None:
    world = World()
    caller = world.caller(**role)
    asks = [asked((float(k), 0.0)) for k in range(12)]
    first = [world.before(caller, one).verdict.reaction for one in asks]
    assert first.index("throttle") in (5, 6)
    assert [world.before(caller, one).verdict.reaction for one in asks] == first


@pytest.mark.slow
def test_a_row_that_a_budget_refused_is_not_free_in_another_request() -> None:
    x = np.random.default_rng(0).normal(size=(600, 2)).astype("f4")
    world = World(learned=Learned(sequence=calibrate(x)))
    caller = world.caller(labels_only=True, bits_daily=1)
    rows = [tuple(map(float, row)) for row in x[:3]]
    assert world.before(caller, asked(*rows)).verdict.guard == "information"
    assert world.before(caller, asked(rows[2], rows[0])).verdict.guard == "information"


def test_identities_of_a_tenant_share_its_bits() -> None:
    world = World()
    role = {"labels_only": True, "tenant": "acme", "tenant_bits_daily": 10}
    said = [
        world.before(world.caller(f"user {k}", **role), asked((float(k), 0.0))).verdict.reaction
        for k in range(8)
    ]
    assert said == ["allow"] * 5 + ["throttle"] * 3
    other = world.caller("user 0", labels_only=True, tenant="other", tenant_bits_daily=10)
    assert world.before(other, asked((9.0, 0.0))).verdict.reaction == "allow"


def test_a_budget_that_cannot_be_read_refuses() -> None:
    class Down(Counts):
        def take(self, who: str, day: int, *, limit: int) -> int:
            raise Unavailable(who + str(day + limit))

    said = allowed("information", Allowance("bits", "m", "e"), 1, limit=9, time=0.0, budgets=Down())
    assert (said.reaction, said.retry_after) == ("throttle", 5.0)


def test_the_mark_is_on_its_share_of_the_rows_and_always_on_the_same() -> None:
    rows = asked(*[(float(k), 0.0) for k in range(5000)])
    found = marked(rows, share=0.02, key=b"k")
    assert found.mean() == pytest.approx(0.02, abs=0.006)
    assert np.array_equal(found, marked(rows, share=0.02, key=b"k"))
    assert (found & marked(rows, share=0.02, key=b"another")).sum() < found.sum() / 2


def test_a_marked_row_has_its_best_two_classes_exchanged_and_the_record_says_so() -> None:
    world = World()
    caller = world.caller(watermark=0.05)
    changed = 0
    for k in range(400):
        call = world.before(caller, asked((float(k), 0.0)))
        label, scores = world.shown(call, SCORES)
        assert label[0] == scores.argmax()
        if call.changed:
            changed += 1
            assert call.changed == ("watermark",)
            assert np.allclose(scores, [[0.3, 0.612, 0.088]])
        else:
            assert np.allclose(scores, [[0.612, 0.3, 0.088]])
    assert 5 <= changed <= 40


@pytest.mark.parametrize(
    "changes",
    [
        {"top": -1},
        {"abstain": 1.1},
        {"bits_daily": -1},
        {"tenant_bits_daily": 5},
        {"tenant": "a" * 101},
        {"tenant": "a", "tenant_bits_daily": -1},
        {"epsilon": 2.0, "epsilon_daily": 1.0},
        {"epsilon": 1e-320, "epsilon_daily": 1.0},
        {"rate": 1e-320},
        {"watermark": 0.5},
    ],
)
def test_a_role_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        Role(**changes)
