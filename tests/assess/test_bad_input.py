"""Whatever a model does half way, and whatever its labels are: a finding, or one error; the rest stands."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ancile.assess.evasion import Assessment, Settings
from ancile.assess.run import Samples
from ancile.attacks.constraint import Constraint
from ancile.core.errors import AncileError
from ancile.core.exhibit import Table
from ancile.models.form import Form
from ancile.render.verdict import headline, verdict
from tests.assess.small import assessed, linear, problem

FORM = Settings(effort="quick", curve=False, form=Form(precision="float32"))
CURVE = Settings(effort="quick")
CALLS = 730  # of the function in one assessment, its curve included


def told(done: Assessment, status: str) -> set[str]:
    return {f.check for f in done.report.findings if f.status == status}


class Function:
    """Scores of a linear model until some call; from then on, or once, another answer."""

    def __init__(self, at: int, kind: str, *, once: bool = False) -> None:
        self.at, self.kind, self.once, self.calls = at, kind, once, 0
        net, self.samples = problem(1, n=30)
        self.weight, self.bias = (p.detach().numpy() for p in net.parameters())

    def __call__(self, x: NDArray[Any]) -> object:
        self.calls += 1
        scores = np.asarray(x, dtype=np.float32) @ self.weight.T + self.bias
        if self.calls < self.at or (self.once and self.calls > self.at):
            return scores
        if self.kind == "raises":
            raise OSError("the cable fell out")
        odd = {"nan": scores * np.nan, "columns": scores[:, :2], "rows": scores[:-1], "nothing": None}
        return odd[self.kind]


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("at", [3, pytest.param(40, marks=pytest.mark.slow), 600, CALLS])
@pytest.mark.parametrize("kind", ["raises", "nan", "columns", "rows", "nothing"])
def test_a_function_that_fails_half_way_costs_the_conclusion_and_nothing_else(
    kind: str, at: int, once: bool
) -> None:
    """In the attacks, in the second look, in the curve, at the end: clean accuracy is always told."""
    model = Function(at, kind, once=once)
    done = assessed(model, model.samples, 0.05, settings=CURVE)
    check = "evasion-scores-not-finite" if kind == "nan" else "evasion-model-raised"
    assert check in told(done, "ERROR")
    assert done.report.outcome == "no_conclusion"
    assert done.report.measure("clean_accuracy") is not None


@pytest.mark.parametrize("kind", ["raises", "nothing", "rows"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_function_that_fails_from_the_first_on_is_one_error(kind: str, at: int) -> None:
    model = Function(at, kind)
    with pytest.raises(AncileError):
        assessed(model, model.samples, 0.05)


@pytest.mark.parametrize("kind", ["raises", "columns", "nothing"])
def test_a_model_that_fails_before_it_was_attacked_has_no_figure_of_robustness(kind: str) -> None:
    """Its clean accuracy would pass for one."""
    model = Function(3, kind)
    done = assessed(model, model.samples, 0.05, settings=CURVE)
    assert not done.result.evaluated
    named = {measure.name for measure in done.report.measures}
    assert "clean_accuracy" in named
    assert not named & {"robust_accuracy", "attack_success_rate"}
    assert headline(done.report) == "clean 90.0 %, robustness not evaluated"
    assert "has to be mended first" in verdict(done.report).caution
    assert "goes on" not in verdict(done.report).caution
    (unfinished,) = [f for f in done.report.findings if f.check == "evasion-unfinished"]
    assert unfinished.detail == "no attack came to its end, so robustness was not evaluated"
    assert "evasion-adversarial-example" in told(done, "SKIP")
    attacks = next(e for e in done.report.exhibits if e.title == "What each attack added")
    assert isinstance(attacks, Table)
    assert {row[attacks.columns.index("robust accuracy after")] for row in attacks.rows} == {None}


def test_a_model_that_fails_after_an_attack_keeps_the_figure_of_that_attack() -> None:
    model = Function(600, "raises")
    done = assessed(model, model.samples, 0.05, settings=CURVE)
    robust, clean = done.report.measure("robust_accuracy"), done.report.measure("clean_accuracy")
    assert robust is not None
    assert clean is not None
    assert robust.value < clean.value
    assert done.result.attacked_count == done.result.right_count


class Falls(torch.nn.Module):
    """A network that fails at one pass, or from there on; copies count together."""

    def __init__(self, net: torch.nn.Module, at: int, kind: str, *, once: bool) -> None:
        super().__init__()
        self.net, self.at, self.kind, self.once, self.passes = net, at, kind, once, [0]

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        new = type(self)(copy.deepcopy(self.net, memo), self.at, self.kind, once=self.once)
        new.passes = self.passes
        return new

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, or none."""
        self.passes[0] += 1
        logits: torch.Tensor = self.net(x)
        if self.passes[0] < self.at or (self.once and self.passes[0] > self.at):
            return logits
        if self.kind == "raises":
            raise OSError("the cable fell out")
        return logits * torch.nan if self.kind == "nan" else logits[:, :2]


@pytest.mark.parametrize("once", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "at", [12, pytest.param(40, marks=pytest.mark.slow), pytest.param(250, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", ["raises", "nan", "columns"])
def test_a_network_that_fails_half_way_costs_the_conclusion_and_nothing_else(
    kind: str, at: int, once: bool
) -> None:
    net, samples = problem(1, n=30)
    done = assessed(Falls(net, at, kind, once=once), samples, 0.05, settings=FORM)
    check = "evasion-scores-not-finite" if kind == "nan" else "evasion-model-raised"
    assert check in told(done, "ERROR")
    assert done.report.outcome == "no_conclusion"
    assert done.report.measure("clean_accuracy") is not None


class Alone(torch.nn.Module):
    """A network that takes few samples at once while it is copied and timed, and any number otherwise."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net, self.passes = net, [0]

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        raise MemoryError("no room for a copy")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return torch.as_tensor(self.net(x))


@pytest.mark.slow
def test_a_trial_of_search_forms_that_fails_costs_the_conclusion_and_nothing_else() -> None:
    net, samples = problem(1, n=30)
    done = assessed(Alone(net), samples, 0.05)
    assert told(done, "ERROR") == {"evasion-model-raised", "evasion-unfinished"}
    whole = assessed(net, samples, 0.05)
    np.testing.assert_array_equal(done.result.robust, whole.result.robust)


def test_labels_that_the_model_never_gives_are_told_with_their_share() -> None:
    net, samples = problem(1)
    most = int(np.bincount(samples.y).argmax())
    with torch.no_grad():
        net.bias[most] = -1e6  # type: ignore[operator]  # a linear layer
    wanted = int((samples.y == most).sum())
    done = assessed(net, samples, 0.01)
    (found,) = [f for f in done.report.findings if f.check == "evasion-class-never-given"]
    assert found.status == "WARN"
    assert found.detail == f"class {most}: {wanted} of 60 samples"


def test_samples_of_one_class_are_told_and_judged_as_that_class() -> None:
    """No figure is the model's: a gate that asks for one finds none, one that asks for the class does."""
    net, samples = problem(1)
    rows = np.flatnonzero(samples.y == samples.y[-1])
    done = assessed(net, Samples(samples.ids[rows], samples.x[rows], samples.y[rows]), 0.01)
    name = str(samples.y[-1])
    assert "evasion-one-class" in told(done, "WARN")
    assert "evasion-useless-model" in told(done, "SKIP")
    for measure in ("clean_accuracy", "robust_accuracy", "attack_success_rate"):
        assert done.report.measure(measure) is None
        assert done.report.measure(measure, **{"class": name}) is not None
    assert headline(done.report).startswith(f"class {name} alone: clean ")


@pytest.mark.slow
def test_a_model_of_a_single_class_is_refused_and_one_that_always_gives_one_class_is_doubted() -> None:
    _, samples = problem(1)
    weight = np.zeros((3, 5), dtype=np.float32)
    constant = linear(weight, np.array([1, 0, 0], dtype=np.float32))
    done = assessed(constant, Samples(samples.ids, samples.x, np.zeros(60, dtype=np.int64)), 0.01)
    assert done.report.outcome == "no_conclusion"


def test_a_single_logit_is_seen_as_two_classes() -> None:
    """x1 > 0.5 decides; within 0.05 of it a change of 0.05 decides otherwise."""
    net = linear(np.array([[10.0, 0.0]], dtype=np.float32), np.array([-5.0], dtype=np.float32))
    x = np.random.default_rng(0).uniform(0, 1, size=(60, 2)).astype(np.float32)
    done = assessed(net, Samples(np.arange(60), x, (x[:, 0] > 0.5).astype(np.int64)), 0.05)
    near = np.abs(x[:, 0].astype(np.float64) - 0.5) < 0.05 - 1e-6
    np.testing.assert_array_equal(done.result.broken, near)


@pytest.mark.slow
def test_bounds_that_leave_no_room_are_one_error_or_change_nothing() -> None:
    net, samples = problem(1)
    still = Samples(samples.ids, np.repeat(samples.x[-1:], 60, axis=0), np.repeat(samples.y[-1:], 60))
    with pytest.raises(AncileError, match="beyond the data's range"):
        Constraint("linf", 0.05, low=still.x[0], high=still.x[0])
    closed = Constraint("l2", 0.05, low=still.x[0], high=still.x[0])
    done = assessed(net, still, 0.05, constraint=closed)
    np.testing.assert_array_equal(done.result.x_adv, still.x)
    assert not done.result.broken.any()
