"""``ancile.assess`` in a notebook gives the report that the command gives, and signs nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ancile.assess
from ancile.assess.call import assess
from ancile.core.errors import AncileError
from tests.assess.small import problem


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
