"""Each kind of mask is told by name, and what goes around it counts."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch

from ancile.assess.doubt_checks import DOUBT_CHECKS
from ancile.assess.result import Result
from ancile.core.report import Report
from tests.assess.doubted import Function, Masked
from tests.assess.small import assessed, problem

EPS = 0.05


class Mask(NamedTuple):
    """What lies before and after a linear model, and the check that is to tell it."""

    before: Function
    after: Function
    told: str


class NoGradient(torch.autograd.Function):
    """Nothing forth and zeros back."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        """As it is."""
        return x.clone()

    @staticmethod
    def backward(_: Any, *found: Any) -> Any:
        """Zeros."""
        return torch.zeros_like(found[0])


def same(x: torch.Tensor) -> torch.Tensor:
    """As it is."""
    return x


MASKS: dict[str, Mask] = {
    "step": Mask(lambda x: torch.round(x * 50) / 50, same, "evasion-lost-gradient"),
    "softmax": Mask(same, lambda z: torch.softmax(1e5 * z, 1), "evasion-saturated-scores"),
    "noise": Mask(same, lambda z: z + 0.2 * torch.randn_like(z), "evasion-unsteady-model"),
    "dropout": Mask(
        lambda x: torch.nn.functional.dropout(x, 0.2, training=True), same, "evasion-unsteady-model"
    ),
    "batch statistics": Mask(lambda x: x - x.mean(dim=0) + 0.5, same, "evasion-company"),
    "NaN gradient": Mask(lambda x: x + 0 * torch.sqrt(x - x), same, "evasion-lost-gradient"),
    "detached": Mask(torch.Tensor.detach, same, "evasion-masked-gradient"),
    "zero backward": Mask(NoGradient.apply, same, "evasion-weak-attack"),
    "waves": Mask(lambda x: x + 0.01 * torch.sin(3000 * x), same, "evasion-lost-gradient"),
    "thermometer": Mask(
        lambda x: (x.unsqueeze(-1) > torch.linspace(0, 1, 64)).float().mean(-1), same, "evasion-lost-gradient"
    ),
}
ACCUSATIONS = {check.id for check in DOUBT_CHECKS}


def told(report: Report) -> dict[str, str]:
    """What checks said that is neither good nor skipped."""
    return {one.check: one.status for one in report.findings if one.status in ("WARN", "ERROR", "FAIL")}


@pytest.mark.slow
@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_told_by_name_and_its_figure_is_near_that_without_it(name: str) -> None:
    torch.manual_seed(0)
    model, samples = problem(11, n=60, features=20)
    mask = MASKS[name]
    made = assessed(Masked(model, before=mask.before, after=mask.after), samples, EPS)
    assert told(made.report).get(mask.told) in ("WARN", "ERROR"), told(made.report)
    assert made.report.outcome != "pass"
    bare = assessed(model, samples, EPS).result
    assert made.result.robust.mean() <= bare.robust.mean() + 0.1


@pytest.mark.slow
def test_answers_that_are_not_finite_at_the_boundary_are_found() -> None:
    model, samples = problem(11, n=60, features=20)

    def unsure(z: torch.Tensor) -> torch.Tensor:
        top = z.topk(2, dim=1).values
        return torch.where((top[:, :1] - top[:, 1:]) < 1e-3, torch.nan, z)

    made = assessed(Masked(model, after=unsure), samples, 4 * EPS)
    assert made.result.broken_count
    assert "evasion-scores-not-finite" in told(made.report)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_an_honest_linear_model_is_not_accused(scale: float) -> None:
    model, samples = problem(12, n=60, features=20)
    made = assessed(Masked(model, after=lambda z: scale * z), samples, EPS)
    assert not told(made.report).keys() & ACCUSATIONS


def test_checks_of_what_was_not_looked_at_are_skipped() -> None:
    model, samples = problem(13, n=20)
    made = assessed(model, samples, 0.0)
    skipped = {one.check for one in made.report.findings if one.status == "SKIP"}
    assert skipped >= ACCUSATIONS - {"evasion-unsteady-model"}


@cache
def honest_result() -> Result:
    """Of a linear model."""
    model, samples = problem(14, n=20)
    return assessed(model, samples, 0.01).result


def judged(**changed: Any) -> dict[str, str]:
    """What the checks say of an honest result with these facts in place of its own."""
    result = honest_result()
    given = replace(result, doubt=replace(result.doubt, **changed))
    remarks = {check.id: list(check.run(given)) for check in DOUBT_CHECKS}
    return {name: found[0].status for name, found in remarks.items()}


@pytest.mark.parametrize(
    ("facts", "check", "status"),
    [
        ({"single": 1}, "evasion-single-step", "WARN"),
        ({"stood_in": 1}, "evasion-masked-gradient", "WARN"),
        ({"stood_in": 2}, "evasion-masked-gradient", "ERROR"),
        ({"unbounded": 9, "unbounded_tried": 24}, "evasion-unbounded-failure", "ERROR"),
    ],
)
def test_a_fact_beyond_its_threshold_is_told(facts: dict[str, int], check: str, status: str) -> None:
    assert judged()[check] == "PASS"
    assert judged(**facts)[check] == status


@pytest.mark.slow
def test_unsteady_without_a_changed_label_is_told() -> None:
    model, samples = problem(15, n=20)
    made = assessed(Masked(model, after=lambda z: z + 0.01 * torch.randn_like(z)), samples, 0.001)
    assert told(made.report)["evasion-unsteady-model"] == "ERROR"
