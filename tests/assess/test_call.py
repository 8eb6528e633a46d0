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
