"""Further rows in the same request: what they cost, what they show, and that the caller sees none of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.serve.answers import with_answers
from ancile.serve.call import Call
from ancile.serve.config import ServeConfig, policy_of
from ancile.serve.guards.squeezing import disagreement, squeezing_of
from ancile.serve.guards.trigger import entropy
from ancile.serve.learned import Learned
from ancile.serve.probe_config import Probing
from ancile.serve.probing import can_be_probed, probed_row
from ancile.serve.reference import Reference
from ancile.serve.signature import Signature, Spec
from tests.cli.terminal import Place
from tests.serve.judged import MODEL, Model, World, asked
from tests.serve.small import W, running

ALWAYS = Probing(share=1.0)


@given(bits=st.integers(1, 8), seed=st.integers(0, 99))
def test_a_squeezed_value_is_one_of_its_grid_and_within_half_a_step(bits: int, seed: int) -> None:
    x = np.random.default_rng(seed).uniform(-3, 5, size=(60, 4))
    found = squeezing_of(x, bits=bits)
    coarse = np.array([found.forms(row)[0] for row in x])
    assert all(len(np.unique(np.round(column, 9))) <= 2**bits for column in coarse.T)
    assert (np.abs(coarse - x) <= found.step / 2 + 1e-9).all()
    assert np.allclose(found.forms(coarse[0])[0], coarse[0])


@pytest.mark.parametrize("shape", [(3, 9, 9), (9, 9, 3), (9, 9)])
def test_a_single_pixel_does_not_survive_the_median_and_a_flat_image_does(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).uniform(size=(20, *shape))
    found = squeezing_of(x, bits=8)
    assert found.copies == 2
    flat = np.full(shape, 0.5)
    assert np.array_equal(found.forms(flat)[1], flat)
    salted = flat.copy()
    salted[(4,) * len(shape) if len(shape) == 2 else (1, 4, 4) if shape[0] == 3 else (4, 4, 1)] = 1.0
    assert np.array_equal(found.forms(salted)[1], flat)
    assert squeezing_of(x.reshape(20, -1), bits=8).copies == 1


def test_the_median_is_the_median() -> None:
    x = np.random.default_rng(0).uniform(size=(9, 9))
    found = squeezing_of(x[None], bits=8).forms(x)[1]
    for down, right in ((1, 1), (4, 7), (7, 3)):
        assert found[down, right] == np.median(x[down - 1 : down + 2, right - 1 : right + 2])


def test_disagreement_and_entropy_are_their_formulas() -> None:
    plain, other = np.array([0.5, 0.5, 0.0]), np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert disagreement(plain, other[:1]) == 0.0
    assert disagreement(plain, other) == pytest.approx(2.0)
    assert entropy(np.full((4, 3), 1 / 3)) == pytest.approx(math.log(3))
    assert entropy(np.eye(3)) == pytest.approx(0.0)


def soft(x: np.ndarray) -> np.ndarray:
    """Probabilities of a smooth model."""
    logits = np.column_stack([3 * x[:, 0], 3 * x[:, 1], -3 * x.sum(axis=1)])
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return found


def backdoored(x: np.ndarray) -> np.ndarray:
    """The same, but a first value above 2.5 is class 2 whatever else."""
    return np.where(x[:, :1] > 2.5, [[0.0, 0.0, 1.0]], soft(x))


def brittle(x: np.ndarray) -> np.ndarray:
    """The same, but third decimals of 5 in the second value are class 2: what an adversarial example does."""
    return np.where(np.rint(x[:, 1:] * 1000) % 10 == 5, [[0.0, 0.0, 1.0]], soft(x))


def rows(seed: int, count: int) -> np.ndarray:
    """Benign rows, their second value with two decimals."""
    return np.random.default_rng(seed).normal(size=(count, 2)).round(2).astype("f4")


def world(
    scores: Callable[[np.ndarray], np.ndarray],
    probing: Probing = ALWAYS,
    review: Callable[[Call], None] = lambda _: None,
) -> World:
    """The profile full, in front of that model, with 700 benign rows as reference."""
    config = ServeConfig(profile="full", probing=probing)
    reference = Reference({"m": MODEL}, {"m": Learned()}, {"m": rows(0, 700)})
    found = asyncio.run(with_answers(Model(scores=scores), reference, policy_of(config), probing))
    return World(profile="full", probing=probing, learned=found.learned["m"], review=review)


def said(one: World, model: Model, asked_for: np.ndarray) -> list[str]:
    caller = one.caller()
    return [one.ask(caller, asked(tuple(map(float, row))), model)[0].verdict.guard for row in asked_for]


def test_a_trigger_is_seen_and_benign_rows_are_not() -> None:
    one, model = world(backdoored), Model(scores=backdoored)
    hostile = np.column_stack([np.full(40, 6.0), rows(1, 40)[:, 1]])
    assert "trigger" in said(one, model, hostile)
    assert not {"trigger", "squeezing"} & set(said(one, model, rows(2, 300)))


def test_what_a_guard_after_the_model_wants_reviewed_goes_out_once_it_was() -> None:
    """Held back, or answered where the review makes less of it."""
    held: list[Call] = []

    def approved(call: Call) -> None:
        held.append(call)
        if len(held) > 1:
            call.verdict = call.verdict._replace(reaction="flag")

    one, model = world(backdoored, review=approved), Model(scores=backdoored)
    caller, hostile = one.caller(), np.column_stack([np.full(40, 6.0), rows(1, 40)[:, 1]])
    shown = []
    for row in hostile:
        before = len(held)
        found = one.ask(caller, asked(tuple(map(float, row))), model)[1]
        if len(held) > before:
            shown.append(found)
    assert len(shown) > 1
    assert not shown[0].size
    assert all(found.size for found in shown[1:])
    assert {call.verdict.guard for call in held} == {"trigger"}


def test_answers_that_hang_on_the_last_digit_are_seen() -> None:
    one, model = world(brittle), Model(scores=brittle)
    hostile = rows(1, 40) + np.array([0.0, 0.005], "f4")
    assert "squeezing" in said(one, model, hostile)


def test_a_probed_request_costs_its_further_rows_and_is_answered_as_any_other() -> None:
    plain, probed = World(profile="full"), world(soft)
    one, other = Model(scores=soft), Model(scores=soft)
    for row in rows(3, 30):
        infer = asked(tuple(map(float, row)), (0.25, 0.5))
        call, shown = probed.ask(probed.caller(), infer, other)
        assert np.array_equal(shown, plain.ask(plain.caller(), infer, one)[1])
        assert call.extra == 1 + ALWAYS.blends
    assert one.rows == 60
    assert other.rows == 60 + 30 * (1 + ALWAYS.blends)


def test_the_share_is_kept_and_repeats_and_full_batches_are_not_probed() -> None:
    one, model = world(soft, Probing(share=0.2)), Model(scores=soft)
    caller = one.caller()
    probed = [one.ask(caller, asked((k * 0.001, 0.1)), model)[0].extra > 0 for k in range(500)]
    assert np.mean(probed) == pytest.approx(0.2, abs=0.07)
    fresh = one.caller()
    assert [one.ask(fresh, asked((k * 0.001, 0.1)), model)[0].extra > 0 for k in range(100)] == probed[:100]
    assert not any(one.ask(fresh, asked((k * 0.001, 0.1)), model)[0].extra for k in range(90, 100))
    always = world(soft)
    assert always.ask(always.caller(), asked(*[(0.1, 0.2)] * 250), model)[0].extra == 0


def test_what_the_profile_does_not_run_is_not_asked_about() -> None:
    model = Model(scores=soft)
    reference = Reference({"m": MODEL}, {"m": Learned()}, {"m": rows(0, 700)})
    found = asyncio.run(with_answers(model, reference, policy_of(ServeConfig()), ALWAYS)).learned["m"]
    assert found.margins is not None
    assert (found.squeezing, found.trigger, model.rows) == (None, None, 700)


def test_a_row_of_each_request_can_be_the_one_that_is_probed() -> None:
    assert {probed_row(number << 20, 5) for number in range(50)} == set(range(5))


@pytest.mark.parametrize(
    "changed",
    [
        MODEL._replace(inputs=(Spec("x", "FP32", (1, 2)),)),
        MODEL._replace(inputs=(Spec("x", "INT64", (-1, 2)),)),
        MODEL._replace(inputs=MODEL.inputs * 2),
        MODEL._replace(outputs=(Spec("y", "FP32", (3,)),)),
    ],
)
def test_a_model_whose_rows_are_fixed_is_not_probed(changed: Signature) -> None:
    assert can_be_probed(MODEL)
    assert not can_be_probed(changed)


@pytest.mark.parametrize("changes", [{"share": 1.5}, {"bits": 0}, {"blends": 1}])
def test_probing_out_of_range_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="share"):
        Probing(**changes)  # type: ignore[arg-type]  # values as named above


@pytest.mark.slow
def test_the_whole_profile_answers_benign_callers_as_the_role_has_it(home: Place) -> None:
    """Behind the real gateway, with every guard on and every request probed."""
    x = rows(0, 700)
    np.savez(home.folder / "callers.npz", x=x, y=np.arange(700) % 2)
    with (home.folder / "ancile.toml").open("a", encoding="utf-8") as config:
        config.write("\n[serve.probing]\nshare = 1.0\n")
    key = home("user", "add", "eve", "--role", "service").out.strip()
    with running(home, "line.onnx", "--profile", "full", "--reference", "callers.npz") as gateway:
        client = gateway.client(key)
        for row in rows(1, 40):
            answer = client.infer(*map(float, row))
            assert answer.status == 200
            assert np.allclose(answer.said["outputs"][0]["data"], row @ W, atol=1e-3)
            assert answer.said["outputs"][0]["shape"] == [1, 2]
        assert gateway.end() == 0
