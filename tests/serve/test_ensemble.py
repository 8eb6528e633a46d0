"""Several models answer as one: the mean of what they say, and how many say something else."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.serve.answers import with_answers
from ancile.serve.backend import Outcome
from ancile.serve.config import ServeConfig, policy_of
from ancile.serve.ensemble import DISAGREEMENT, Ensemble, combined, without
from ancile.serve.learned import Learned
from ancile.serve.probe_config import Probing
from ancile.serve.reference import Reference
from ancile.serve.refusal import Refused
from ancile.serve.scores import Layout
from ancile.serve.signature import Spec
from tests.cli.terminal import Place
from tests.serve.judged import MODEL, Model, World, answered, asked, tensor
from tests.serve.small import running

LAYOUT = Layout("scores", "label", 3)
SURE, OTHER, UNSURE = [[0.9, 0.1, 0.0]], [[0.2, 0.8, 0.0]], [[0.4, 0.3, 0.3]]


def told(*scores: list[list[float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, scores and disagreement of members that say these."""
    found = combined([answered(one) for one in scores], LAYOUT, rows=len(scores[0]))
    return found[0].array, found[1].array, found[2].array


def test_the_answer_is_the_mean_and_the_label_follows_it() -> None:
    label, scores, differing = told(SURE, OTHER, UNSURE)
    assert np.allclose(scores, [[0.5, 0.4, 0.1]])
    assert label.tolist() == [0]
    assert differing == pytest.approx([1 / 3])
    assert told(SURE, SURE)[2].tolist() == [0.0]


@given(logits=st.lists(st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=3), min_size=2, max_size=4))
def test_equal_members_are_as_one_and_the_order_of_members_does_not_matter(logits: list[list[float]]) -> None:
    one = np.array(logits[:1], "f4")
    same = told(one.tolist(), one.tolist())[1]
    assert np.allclose(same - same.max(), one - one.max(), atol=1e-3) or abs(one.sum() - 1) < 1e-3
    members = [[row] for row in logits]
    assert np.allclose(told(*members)[2], told(*members[::-1])[2])


def test_names_of_classes_are_those_of_the_members_that_agree() -> None:
    """Labels 7, 8 and 9 for the columns: the answer is never the number of a column."""
    given_ = [
        (tensor("label", np.array([7 + np.argmax(one)])), answered(one)[1]) for one in (SURE, OTHER, SURE)
    ]
    assert combined(given_, LAYOUT, rows=1)[0].array.tolist() == [7]


def test_models_of_labels_alone_vote() -> None:
    layout = Layout("", "label", -1)
    given_ = [(tensor("label", np.array([one, 4])),) for one in (3, 5, 5)]
    label, differing = combined(given_, layout, rows=2)
    assert label.array.tolist() == [5, 4]
    assert np.allclose(differing.array, [1 / 3, 0])


def test_numbers_that_are_no_scores_are_means() -> None:
    given_ = [(tensor("price", np.array([[one]])),) for one in (1.0, 3.0)]
    assert combined(given_, Layout("", "", -1), rows=1)[0].array.tolist() == [[2.0]]


def test_the_caller_sees_none_of_the_bookkeeping() -> None:
    outputs = combined([answered(SURE), answered(OTHER)], LAYOUT, rows=1)
    assert outputs[-1].name == DISAGREEMENT
    own, differing = without(outputs)
    assert [one.name for one in own] == ["label", "scores"]
    assert differing is not None
    assert without(own) == (own, None)
    assert without(()) == ((), None)


def test_one_member_that_fails_fails_the_answer_and_shapes_must_agree() -> None:
    came: list[Outcome] = []
    ensemble = Ensemble([Model(), Model(fails=True)])
    ensemble.ask(asked((1.0, 2.0)), MODEL, came.append)
    assert isinstance(came[0], Refused)
    odd = Model(scores=lambda x: np.zeros((len(x) + 1, 3)))
    Ensemble([Model(), odd]).ask(asked((1.0, 2.0)), MODEL, came.append)
    assert isinstance(came[1], Refused)
    assert came[1].status == 502
    ensemble.tick(1.0)
    ensemble.close()
    other = MODEL._replace(inputs=(Spec("x", "FP32", (-1, 5)),))
    with pytest.raises(AncileError, match="other tensors"):
        Ensemble([Model(), Model(other)])


def test_inputs_that_divide_the_models_are_seen_and_benign_ones_are_not() -> None:
    """Two members that agree but where the second value is above 3."""
    plain = Model()
    fooled = Model(scores=lambda x: np.where(x[:, 1:] > 3, [[0.0, 0.0, 99.0]], plain.scores(x)))
    ensemble = Ensemble([plain, fooled])
    x = np.random.default_rng(0).normal(size=(600, 2)).astype("f4")
    config = ServeConfig(profile="full", reactions={"squeezing": "allow", "trigger": "allow"})
    reference = Reference({"m": MODEL}, {"m": Learned()}, {"m": x})
    learned = asyncio.run(with_answers(ensemble, reference, policy_of(config), Probing())).learned["m"]
    world = World(learned=learned, profile="full", reactions=config.reactions)
    for caller, rows, seen in (
        (world.caller("benign"), np.random.default_rng(1).normal(size=(300, 2)), False),
        (world.caller("hostile"), np.column_stack([np.linspace(1, 2, 40), np.full(40, 4.0)]), True),
    ):
        guards = []
        for row in rows:
            call = world.before(caller, asked(tuple(map(float, row))))
            came: list[Outcome] = []
            assert call.infer is not None
            ensemble.ask(world.judging.question(call, call.infer), MODEL, came.append)
            assert not isinstance(came[0], Refused)
            shown = world.judging.after(call, came[0])
            assert [one.name for one in shown] == ["label", "scores"]
            guards.append(call.verdict.guard)
        assert ("disagreement" in guards) == seen


@pytest.mark.slow
def test_two_equal_models_behind_the_gateway_answer_as_one(home: Place) -> None:
    """Logits of the mean probabilities: of x @ W for (1, 2), which is (2, -0.5), their logarithms."""
    (home.folder / "twin.onnx").write_bytes((home.folder / "line.onnx").read_bytes())
    key = home("user", "add", "eve", "--role", "analyst").out.strip()
    with running(home, "line.onnx", "--ensemble", "twin.onnx") as gateway:
        said = gateway.client(key).infer(1.0, 2.0).said
        assert [one["name"] for one in said["outputs"]] == ["scores"]
        shares = np.exp([2.0, -0.5]) / np.exp([2.0, -0.5]).sum()
        assert np.allclose(said["outputs"][0]["data"], np.log(shares), atol=1e-3)
        assert gateway.end() == 0
    refused = home("serve", "--upstream", "http://127.0.0.1:9", "--name", "m", "--ensemble", "twin.onnx")
    assert refused.code == 2
