"""``ancile.assess`` in a notebook gives the report that the command gives, and signs nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import ancile.assess
from ancile.assess.call import assess
from ancile.attacks.ball import Norm
from ancile.core.errors import AncileError
from tests.assess.small import problem

Array = NDArray[Any]


def test_a_module_and_two_arrays_are_enough() -> None:
    net, samples = problem(21)
    report = assess(net, samples.x, samples.y, eps=0.02, effort="quick", bounds=(0.0, 1.0))
    robust, clean = report.measure("robust_accuracy"), report.measure("clean_accuracy")
    assert robust is not None
    assert clean is not None
    assert (
        robust.value
        <= clean.value
        == np.mean(net(torch.from_numpy(samples.x)).argmax(1).numpy() == samples.y)
    )
    assert report.parameters["input_high"] == 1.0


@pytest.mark.slow
def test_the_budget_and_the_number_of_samples_are_those_of_the_command() -> None:
    net, samples = problem(22)
    report = assess(net, samples.x, samples.y, eps=0.02, effort="quick", samples=10, seed=3, budget="10m")
    assert report.parameters["samples"] == 10
    assert report.parameters["budget_seconds"] == 600.0
    assert any(f.check == "evasion-assumed-input" for f in report.findings)


def test_wrong_arrays_are_told_as_the_command_tells_them() -> None:
    net, samples = problem(23)
    with pytest.raises(AncileError):
        assess(net, samples.x, samples.y[:5], eps=0.02)
    with pytest.raises(AncileError, match="eps"):
        assess(net, samples.x, samples.y, eps=9.0, bounds=(0.0, 1.0))


@pytest.mark.slow
def test_no_number_of_samples_and_none_mean_all_of_them_as_in_the_command() -> None:
    net, samples = problem(22, n=20)
    for wanted in (None, 0):
        report = assess(net, samples.x, samples.y, eps=0.02, effort="quick", samples=wanted, bounds=(0, 1))
        assert report.parameters["samples"] == 20


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"samples": -1}, "samples does not fit"),
        ({"samples": 1.5}, "samples does not fit"),
        ({"seed": -1}, "seed does not fit"),
        ({"eps": "0.1"}, "eps is not a number"),
        ({"eps": float("nan")}, "eps is not a distance"),
        ({"eps": 5.0}, "eps is beyond the data's range"),
        ({"bounds": (0.5, 0.5)}, "the bounds leave no room"),
        ({"bounds": (0.4, 0.6)}, "lie outside the bounds"),
        ({"bounds": (0, 1, 2)}, "the bounds are no pair"),
        ({"bounds": (np.zeros(5), np.ones(5))}, "the bounds are no pair"),
        ({"norm": "l7"}, "no such norm"),
        ({"norm": "l0", "eps": 0.5}, "an l0 eps counts features"),
        ({"effort": "heroic"}, "no such effort"),
        ({"budget": "soon"}, "not a duration"),
        ({"budget": 10}, "not a duration"),
        ({"x": np.zeros(5, np.float32), "y": 1}, "not numbers by sample and feature"),
        ({"x": np.full((60, 5), np.nan)}, "NaN or infinite"),
        ({"x": "data.npz"}, "it is empty"),
    ],
)
def test_wrong_arguments_are_told_in_the_words_of_the_call(change: dict[str, Any], what: str) -> None:
    """A flag of the command means nothing in a notebook, nor does a file."""
    net, samples = problem(23)
    given = {"x": samples.x, "y": samples.y, "eps": 0.02, "bounds": (0.0, 1.0), **change}
    with pytest.raises(AncileError, match=what) as caught:
        assess(net, given.pop("x"), given.pop("y"), **given)
    assert "--" not in caught.value.remedy
    assert "file" not in caught.value.remedy


def test_pictures_of_8_bits_and_eps_in_their_units_are_told_the_way_out() -> None:
    net, samples = problem(23)
    x = (samples.x * 255).astype(np.uint8).reshape(60, 5, 1)
    with pytest.raises(AncileError) as caught:
        assess(net, x, samples.y, eps=8)
    assert "unless bounds=(0, 255) says" in caught.value.remedy
    with pytest.raises(AncileError) as caught:
        assess(net, samples.x, samples.y, eps=8)
    assert "8-bit pictures are divided" not in caught.value.remedy


def test_tensors_of_a_graph_are_data_like_any_other() -> None:
    net, samples = problem(23, n=20)
    x = torch.from_numpy(samples.x).requires_grad_()
    report = assess(net, x, torch.from_numpy(samples.y), eps=0.02, effort="quick", bounds=(0, 1))
    assert report.parameters["samples"] == 20


def test_the_room_is_called_by_its_own_name() -> None:
    net, samples = problem(24)
    room: object = ancile.assess
    assert callable(room)
    report = room(net, samples.x, samples.y, eps=0.0, effort="quick")
    assert report.stage == "assess"


WEIGHTS = np.array([[1.0, -1.0], [-1.0, 1.0], [0.2, 0.1]])
WORDS = np.array(["cat", "dog", "eel"])


def numbers(x: Array) -> Array:
    return np.asarray((x @ WEIGHTS.T).argmax(axis=1))


def words(x: Array) -> Array:
    return WORDS[numbers(x)]


class Estimator:
    """With predict alone, as some estimators are."""

    def predict(self, x: Array) -> list[str]:
        """Words in a list."""
        return [str(word) for word in words(x)]


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "attack"), [("linf", "rays"), ("l2", "hopskipjump")])
def test_a_function_of_labels_alone_is_attacked_by_its_decisions(norm: Norm, attack: str) -> None:
    """Whole numbers, words and an estimator's words give the figure of the closed form, and the same one."""
    x = np.random.default_rng(0).uniform(size=(40, 2)).astype(np.float32)
    eps = 0.05
    report = assess(numbers, x, numbers(x), eps=eps, norm=norm, effort="quick", bounds=(0.0, 1.0))
    assert report.parameters["access"] == "labels"
    assert str(report.parameters["attacks"]).count(attack) >= 1
    for other in (words, Estimator()):
        same = assess(other, x, words(x), eps=eps, norm=norm, effort="quick", bounds=(0.0, 1.0))
        assert same.measure("robust_accuracy") == report.measure("robust_accuracy")
    scores = assess(
        lambda x: x @ WEIGHTS.T, x, numbers(x), eps=eps, norm=norm, effort="standard", bounds=(0.0, 1.0)
    )
    assert scores.parameters["access"] == "scores"
    by_label, by_score = (one.measure("robust_accuracy") for one in (report, scores))
    assert by_label is not None
    assert by_score is not None
    assert by_score.value <= by_label.value < 1


def test_words_that_the_data_does_not_have_are_one_clear_error() -> None:
    x = np.random.default_rng(0).uniform(size=(40, 2)).astype(np.float32)
    with pytest.raises(AncileError, match="words that are no classes of the data"):
        assess(words, x, numbers(x), eps=0.05)
    with pytest.raises(AncileError, match="emu"):
        assess(lambda x: np.full(len(x), "emu"), x, words(x), eps=0.05)
