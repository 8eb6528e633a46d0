from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ancile.attacks.apgd import apgd
from ancile.attacks.apgd_points import checkpoints
from ancile.attacks.ball import Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.fgsm import fgsm
from ancile.attacks.pgd import pgd
from ancile.core.errors import AncileError
from ancile.models.torch_module import torch_model
from tests.attacks.worlds import FAR, blocks, digits_world, least_margin, linear, robust, world

NORMS: list[Norm] = ["linf", "l2", "l1"]
LADDER = {"linf": (0.02, 0.2, 0.4), "l2": (0.04, 0.4, 0.8), "l1": (0.2, 1.0, 2.4)}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("classes", [2, 3, pytest.param(10, marks=pytest.mark.slow)])
def test_targets_in_turn_are_exact_on_any_linear_model(norm: Norm, classes: int) -> None:
    here = linear(np.random.default_rng(classes).normal(size=(classes, 9)), np.zeros(classes), n=100)
    for eps in LADDER[norm]:
        c = Constraint(norm, eps, -FAR, FAR)
        found = apgd(here.model, here.x, here.y, c, here.rng, loss="targets", steps=40)
        assert np.array_equal(robust(here, found), least_margin(here, eps, norm) > 0)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("loss", ["ce", "dlr", "margin"])
def test_with_two_classes_every_loss_is_exact_on_a_linear_model(norm: Norm, loss: str) -> None:
    """DLR is not defined there: the margin takes its place."""
    here = linear(np.random.default_rng(1).normal(size=(1, 9)), np.zeros(1), n=100)
    for eps in LADDER[norm]:
        c = Constraint(norm, eps, -FAR, FAR)
        found = apgd(here.model, here.x, here.y, c, here.rng, loss=loss, steps=40)
        assert np.array_equal(robust(here, found), least_margin(here, eps, norm) > 0)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("steps", [1, 2, 5, 30])
def test_a_sample_costs_steps_and_one_forwards_a_restart(norm: Norm, steps: int) -> None:
    here = linear(blocks(4, 3), np.zeros(4), n=20)
    model = torch_model(here.net, probe=here.x.numpy())
    c = Constraint(norm, 1e-6, -FAR, FAR)
    assert robust(here, apgd(model, here.x, here.y, c, here.rng, steps=steps)).all()
    assert (model.usage.forwards, model.usage.backwards) == (20 * (steps + 1), 20 * steps)
    apgd(model, here.x, here.y, c, here.rng, steps=steps, loss="targets", restarts=2)
    assert model.usage.forwards == 20 * (steps + 1) + 20 * (2 * (steps + 1) + 1)


def test_a_broken_sample_leaves_the_batch_at_once_and_no_restart_is_begun_once_all_are_broken() -> None:
    here = linear(blocks(3, 3), np.zeros(3), n=12)
    model = torch_model(here.net, probe=here.x.numpy())
    found = apgd(model, here.x, here.y, Constraint("linf", 50.0, -FAR, FAR), here.rng, steps=20, restarts=5)
    assert not robust(here, found).any()
    assert model.usage.forwards <= 3 * 12


def test_it_looks_at_progress_where_the_paper_says() -> None:
    """p_1 = 0.22, p_2 = 0.22 + 0.19, …: section 3.1; of 100 steps 22, 41, 57, 70, 80, 87, 93, 99."""
    assert sorted(checkpoints(100, "linf")) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert sorted(checkpoints(10, "l2")) == [3, 5, 6, 7, 8, 9, 10]
    assert sorted(checkpoints(100, "l1")) == list(range(4, 100, 4))


def test_the_step_halves_until_the_bottom_of_a_valley_is_met() -> None:
    """Steps of 2 eps jump from end to end; halved ones come within a hundredth of the lowest point."""

    class Valley(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0.01 + (x - 0.37).abs().sum(dim=1)

    here = world(Valley(), torch.full((1, 1), 0.6))
    c = Constraint("linf", 0.5)
    found = apgd(here.model, here.x, here.y, c, here.rng, start="sample", steps=60)
    assert float(found) == pytest.approx(0.37, abs=0.01)
    fixed = pgd(here.model, here.x, here.y, c, here.rng, random_start=False, steps=60, step_size=1.0)
    assert abs(float(fixed) - 0.37) > 0.1


def test_every_adversarial_iterate_counts_not_only_the_last() -> None:
    """A pit of adversarials that the climb's first point crosses: the rest of the way is right again."""

    class Pit(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inside = ((x > 0.49) & (x < 0.51)).float()
            return (1.0 + 0.1 * x - 20.0 * inside).sum(dim=1)

    here = world(Pit(), torch.full((1, 1), 0.5), y=torch.ones(1, dtype=torch.int64))
    found = apgd(here.model, here.x, here.y, Constraint("linf", 0.4), here.rng, start="sample")
    assert torch.equal(found, here.x)
    assert not robust(here, found).any()


@pytest.mark.parametrize("norm", NORMS)
def test_it_is_at_least_as_strong_as_one_step_on_a_real_network(norm: Norm) -> None:
    here = digits_world(40)
    c = Constraint(norm, {"linf": 0.1, "l2": 0.6, "l1": 2.0}[norm])
    once = robust(here, fgsm(here.model, here.x, here.y, c, here.rng)).mean()
    assert robust(here, apgd(here.model, here.x, here.y, c, here.rng, steps=40)).mean() <= once


def test_a_run_stopped_between_steps_returns_the_best_so_far() -> None:
    here, asked = digits_world(20), 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 4

    c = Constraint("linf", 0.06)
    found = apgd(here.model, here.x, here.y, c, here.rng, steps=50, restarts=4, on_step=stop)
    assert asked == 5
    assert c.holds(found, here.x).all()
    assert (found != here.x).any()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"steps": 0}, "no steps"),
        ({"restarts": 0}, "no steps"),
        ({"loss": "hinge"}, "no such loss"),
        ({"start": "edge"}, "no such start"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], what: str) -> None:
    here = linear(np.eye(2), np.zeros(2), n=2)
    with pytest.raises(AncileError, match=what):
        apgd(here.model, here.x, here.y, Constraint("linf", 0.1, -FAR, FAR), here.rng, **settings)


def test_l0_is_refused() -> None:
    here = linear(np.eye(2), np.zeros(2), n=2)
    with pytest.raises(AncileError, match="not defined in l0"):
        apgd(here.model, here.x, here.y, Constraint("l0", 1), here.rng)
