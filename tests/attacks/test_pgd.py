from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.attacks.ball import NORMS, Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.pgd import pgd
from ancile.core.errors import AncileError
from ancile.models.model import Gradient, Loss
from ancile.models.torch_module import TorchModule
from tests.attacks.worlds import FAR, blocks, digits_world, least_margin, linear, robust, world

TEN = np.linspace(0.02, 0.6, 10)  # from almost all to almost none still right
BOUND = 2.0  # in L0, where a feature goes all the way to it
LADDER = {"linf": TEN, "l2": 2.0 * TEN, "l1": 6.0 * TEN, "l0": np.arange(10.0)}


class Counting:
    """Which of the first model's samples each pass saw, told apart by a feature that cannot move."""

    def __init__(self, model: TorchModule) -> None:
        self.model, self.forwards, self.backwards = model, [], []  # type: ignore[var-annotated]  # lists of arrays
        self.traits, self.usage, self.device, self.dtype = (
            model.traits,
            model.usage,
            model.device,
            model.dtype,
        )
        self.scores = model.scores

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        self.forwards.append(x[:, 0].numpy().copy())
        return self.model.logits(x)

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        self.forwards.append(x[:, 0].detach().numpy().copy())
        self.backwards.append(x[:, 0].detach().numpy().copy())
        return self.model.gradient(x, loss)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("loss", ["ce", "margin", "dlr"])
@pytest.mark.parametrize(
    "kind", [pytest.param("single logit", marks=pytest.mark.slow), "two classes", "five classes"]
)
def test_on_linear_models_robust_accuracy_is_the_closed_form(norm: Norm, loss: str, kind: str) -> None:
    """Hoelder: a sample stands while every margin exceeds eps times the dual norm of the weights' difference.

    From the sample itself the margin's steepest way leads to the very point; among more than two classes the L2
    direction of the other losses leans to all of them, and may leave some standing.
    """
    exact = norm == "linf" or kind != "five classes" or (norm == "l2" and loss == "margin")
    weights = {
        "single logit": np.random.default_rng(1).normal(size=(1, 9)),
        "two classes": np.random.default_rng(2).normal(size=(2, 9)),
        "five classes": blocks(5, 3),
    }[kind]
    here = linear(weights, np.zeros(len(weights)), n=150)
    bound = BOUND if norm == "l0" else FAR
    np.clip(here.x.numpy(), -bound, bound, out=here.x.numpy())
    for eps in LADDER[norm]:
        c = Constraint(norm, eps, -bound, bound)
        found = pgd(here.model, here.x, here.y, c, here.rng, loss=loss, random_start=False)
        standing, should = robust(here, found), least_margin(here, eps, norm, bound=bound) > 0
        assert (standing >= should).all()
        assert not exact or np.array_equal(standing, should)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("classes", [2, 3, pytest.param(10, marks=pytest.mark.slow)])
def test_targets_in_turn_are_exact_on_any_linear_model(norm: Norm, classes: int) -> None:
    """The margin's own climb may stay with a class that is near but hard to reach; here each has its turn."""
    here = linear(np.random.default_rng(classes).normal(size=(classes, 9)), np.zeros(classes), n=150)
    bound = BOUND if norm == "l0" else FAR
    np.clip(here.x.numpy(), -bound, bound, out=here.x.numpy())
    for eps in LADDER[norm][::3]:
        c = Constraint(norm, eps, -bound, bound)
        found = pgd(here.model, here.x, here.y, c, here.rng, loss="targets", random_start=False)
        assert np.array_equal(robust(here, found), least_margin(here, eps, norm, bound=bound) > 0)


def test_targets_cost_one_forward_more_and_a_restart_for_each_wrong_class() -> None:
    here = linear(blocks(4, 3), np.zeros(4), n=30)
    model = Counting(here.model)
    found = pgd(model, here.x, here.y, Constraint("linf", 1e-6, -FAR, FAR), here.rng, steps=3, loss="targets")
    assert robust(here, found).all()
    assert len(model.forwards) == 1 + 3 * (3 + 1)
    assert len(model.backwards) == 3 * 3


@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize("restarts", [1, 3])
def test_a_sample_costs_at_most_steps_and_one_forwards_a_restart(steps: int, restarts: int) -> None:
    weights = blocks(4, 3)
    weights[:, 0] = 0.0  # the sample's own number stands in this feature
    here = linear(weights, np.zeros(4), n=40)
    here.x[:, 0] = torch.arange(40)
    movable = np.arange(12) > 0
    model = Counting(here.model)
    constraint = Constraint("linf", 0.25, -FAR, FAR, movable=movable)
    found = pgd(model, here.x, here.y, constraint, here.rng, steps=steps, restarts=restarts)
    forwards = np.bincount(np.concatenate(model.forwards).astype(int), minlength=40)
    backwards = np.bincount(np.concatenate(model.backwards).astype(int), minlength=40)
    standing = robust(here, found)
    assert (forwards[standing] == restarts * (steps + 1)).all()
    assert (backwards[standing] == restarts * steps).all()
    assert (forwards <= restarts * (steps + 1)).all()
    assert 0 < standing.sum() < 40


def test_a_broken_sample_leaves_the_batch_at_once() -> None:
    weights = blocks(4, 3)
    here = linear(weights, np.zeros(4), n=50)
    model = Counting(here.model)
    pgd(model, here.x, here.y, Constraint("linf", 0.2, -FAR, FAR), here.rng, steps=10)
    sizes = [len(part) for part in model.forwards]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]


def test_every_adversarial_iterate_counts_not_only_the_last() -> None:
    """A pit of adversarials that a climb crosses early: the last iterate is right again."""

    class Pit(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inside = ((x > 0.3) & (x < 0.4)).float()
            return (1.0 + 0.1 * x - 20.0 * inside).sum(dim=1)

    here = world(Pit(), torch.full((1, 1), 0.5))
    found = pgd(
        here.model, here.x, here.y, Constraint("linf", 0.4), here.rng,
        random_start=False, steps=8, step_size=0.05,
    )  # fmt: skip
    assert not robust(here, found).any()
    assert 0.3 < float(found) < 0.4


def test_what_is_never_broken_comes_back_at_its_worst_iterate() -> None:
    """Steps too large jump over the lowest point and back; the worst point met is returned, not the last."""

    class Valley(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0.1 + (x - 0.4).abs().sum(dim=1)

    here = world(Valley(), torch.full((1, 1), 0.7))
    found = pgd(
        here.model, here.x, here.y, Constraint("linf", 0.5), here.rng,
        random_start=False, steps=3, step_size=[0.3, 0.2, 0.2],
    )  # fmt: skip
    assert float(found) == pytest.approx(0.4)


def test_more_restarts_never_leave_more_standing() -> None:
    here = digits_world()
    constraint = Constraint("linf", 0.08)
    left = [
        robust(here, pgd(here.model, here.x, here.y, constraint, here.rng, steps=4, restarts=r))
        for r in (1, 2, 4)
    ]
    assert (left[0] >= left[1]).all()
    assert (left[1] >= left[2]).all()


def test_no_restart_is_begun_once_all_are_broken() -> None:
    here = linear(blocks(3, 3), np.zeros(3), n=12)
    model = Counting(here.model)
    c = Constraint("linf", 50.0, -FAR, FAR)
    found = pgd(model, here.x, here.y, c, here.rng, steps=3, restarts=5)
    assert not robust(here, found).any()
    assert len(model.forwards) <= 3 + 1


def test_pgd_is_at_least_as_strong_as_fgsm_on_a_real_network() -> None:
    from ancile.attacks.fgsm import fgsm

    here = digits_world()
    for eps in (0.05, 0.1, 0.15):
        c = Constraint("linf", eps)
        once = robust(here, fgsm(here.model, here.x, here.y, c, here.rng)).mean()
        assert robust(here, pgd(here.model, here.x, here.y, c, here.rng)).mean() <= once


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=20, deadline=None)
@given(share=st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_a_ball_that_shrinks_and_grows_stays_within_the_one_asked_for(norm: Norm, share: list[float]) -> None:
    here = digits_world(6)
    c = Constraint(norm, 0.2)
    found = pgd(here.model, here.x, here.y, c, here.rng, steps=5, eps_share=share)
    assert c.holds(found, here.x).all()


def test_schedules_are_numbers_sequences_or_functions_alike() -> None:
    here = linear(blocks(3, 3), np.zeros(3), n=20)
    c = Constraint("linf", 0.1, -FAR, FAR)
    runs = [
        pgd(here.model, here.x, here.y, c, here.rng, steps=4, step_size=size, random_start=False)
        for size in (0.02, [0.02] * 4, lambda step: 0.02 + 0 * step)
    ]
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0], runs[2])


def test_the_start_is_even_in_the_ball() -> None:
    """In a ball of d dimensions (r / eps)^d is uniform; in a box each coordinate is."""
    from scipy import stats

    net = torch.nn.Linear(3, 2, dtype=torch.float64)
    here = world(net, torch.zeros(2000, 3, dtype=torch.float64))
    still: dict[str, Any] = {"steps": 1, "step_size": 0.0}
    y = torch.zeros(2000, dtype=torch.int64)
    box = pgd(here.model, here.x, y, Constraint("linf", 0.5, -9, 9), here.rng, **still).numpy()
    assert stats.kstest(box.ravel() / 0.5, stats.uniform(-1, 2).cdf).pvalue > 0.01
    ball = pgd(
        here.model,
        here.x,
        y,
        Constraint("l2", 0.5, -9, 9, movable=np.array([1, 1, 0], bool)),
        here.rng,
        **still,
    )
    radius = ball.norm(dim=1).numpy()
    assert stats.kstest((radius / 0.5) ** 2, "uniform").pvalue > 0.01


def test_a_run_stopped_between_steps_returns_the_best_so_far() -> None:
    here = digits_world(20)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    c = Constraint("linf", 0.3)
    found = pgd(here.model, here.x, here.y, c, here.rng, steps=50, restarts=4, on_step=stop)
    assert asked == 4
    assert c.holds(found, here.x).all()
    assert (found != here.x).any()


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ({"steps": 0}, "no steps"),
        ({"restarts": 0}, "no steps"),
        ({"step_size": -1.0}, "step_size does not fit"),
        ({"step_size": float("nan")}, "step_size does not fit"),
        ({"step_size": [0.1]}, "step_size does not fit"),
        ({"eps_share": 1.5}, "eps_share does not fit"),
        ({"loss": "hinge"}, "no such loss"),
    ],
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, Any], what: str) -> None:
    here = linear(np.eye(2), np.zeros(2), n=2)
    with pytest.raises(AncileError, match=what):
        pgd(here.model, here.x, here.y, Constraint("linf", 0.1, -FAR, FAR), here.rng, **bad)
