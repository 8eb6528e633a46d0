"""Models that draw lots: what misleads most of their passes, on models whose passes are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from ancile.assess.doubt import doubted
from ancile.assess.lots import PLANS, Course, Ground, Plan, misled
from ancile.assess.passes import PASSES, fooled, rights
from ancile.assess.run import UNBROKEN, Job, Samples, State
from tests.assess.doubted import Masked, job_of
from tests.assess.small import problem

EPS = 0.05


class OneOf(torch.nn.Module):
    """Linear networks, one of which answers each time."""

    def __init__(self, *slopes: list[float]) -> None:
        super().__init__()
        self.slopes = torch.tensor(slopes)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class 0 where the slope of the day is above 0."""
        drawn = int(torch.randint(len(self.slopes), (1,)))
        z = x @ self.slopes[drawn] + 0 * x[:, 0]
        return torch.stack([z, -z], dim=1)


def near_zero(*points: list[float]) -> Samples:
    x = np.array(points, dtype=np.float32)
    return Samples(np.arange(len(x)), x, np.zeros(len(x), dtype=np.int64))


def job_for(net: torch.nn.Module, samples: Samples) -> Job:
    job = job_of(net, Samples(*samples), EPS)
    return job._replace(constraint=job.constraint.__class__(norm="linf", eps=0.1, low=-1.0, high=1.0))


def after(net: torch.nn.Module, samples: Samples, *, lots: bool = True) -> tuple[Job, State]:
    """What one search on the network itself leaves behind."""
    job, state = job_for(net, samples), State.fresh(samples.x, 2)
    ground = Ground("here", job.model, lots)
    misled(job, state, np.arange(len(samples.y)), ground, effort="quick")
    return job, state


def test_a_climb_follows_the_mean_of_what_may_be_drawn() -> None:
    """The nets differ in two features and agree in one: to mislead both, that one has to move."""
    torch.manual_seed(0)
    samples = near_zero([0.0, 0.0, 0.05], [0.0, 0.0, 0.5])
    job, state = after(OneOf([0.1, -0.1, 1.0], [-0.1, 0.1, 1.0]), samples)
    assert state.x_adv[0, 2] == pytest.approx(-0.05, abs=1e-3)
    assert state.broken_by.tolist() == [0, UNBROKEN]
    assert not rights(job.model, state.x_adv[:1], samples.y[:1]).any()
    assert rights(job.model, state.x_adv[1:], samples.y[1:]).all()


def test_what_most_passes_get_right_by_little_does_not_stand() -> None:
    """One net in four is misled: three passes of four are right, and nobody would rely on them."""
    torch.manual_seed(0)
    samples = near_zero([0.05, 0.5])
    _, state = after(OneOf([1.0, 0.0], *([[0.0, 1.0]] * 3)), samples)
    assert state.broken_by.tolist() == [0]
    assert state.x_adv[0, 0] < 0


@pytest.mark.parametrize(("right", "stands"), [(10, True), (9, True), (8, False), (5, False), (0, False)])
def test_a_sample_stands_where_a_coin_would_hardly_be_right_as_often(right: int, stands: bool) -> None:
    seen = np.arange(PASSES)[:, None] < right
    assert fooled(seen).tolist() == [not stands]


def test_a_network_that_draws_nothing_is_asked_once_a_step() -> None:
    samples = near_zero([0.0, 0.5], [0.5, 0.0])
    job, state = after(OneOf([1.0, 1.0]), samples)
    steps, _, courses = PLANS["quick"]
    assert job.model.usage.backwards == len(samples.y) * steps * len(courses)
    assert (state.broken_by == UNBROKEN).all()


def test_where_company_counts_all_climb_together() -> None:
    """Also those that are misled already: without them the others would be others."""
    samples = near_zero([0.01, 0.0], [0.5, 0.5])
    job, state = after(OneOf([1.0, 1.0]), samples, lots=False)
    steps, _, courses = PLANS["quick"]
    assert job.model.usage.backwards == 2 * steps * len(courses)
    assert state.broken_by.tolist() == [0, UNBROKEN]


def test_every_effort_does_what_the_one_below_does_and_more() -> None:
    plans: list[Plan] = [PLANS["quick"], PLANS["standard"], PLANS["thorough"]]
    for less, more in itertools.pairwise(plans):
        assert less.steps < more.steps
        assert less.draws < more.draws
        assert more.courses[: len(less.courses)] == less.courses
    assert plans[0].courses[0] == Course("margin", "sample")


@pytest.mark.slow
def test_noise_does_not_hide_what_is_near() -> None:
    """Noise on the scores of a linear network: whatever falls without it falls with it."""
    torch.manual_seed(0)
    model, samples = problem(21, n=40, features=10)
    bare = job_of(model, samples, EPS)
    correct = np.asarray(bare.model.scores(samples.x).argmax(axis=1) == samples.y)
    falls = State.fresh(samples.x, 3)
    misled(bare, falls, np.flatnonzero(correct), Ground("bare", bare.model, lots=False), effort="quick")
    noisy = job_of(Masked(model, after=lambda z: z + 0.02 * torch.randn_like(z)), samples, EPS)
    state = State.fresh(samples.x, 3)
    found = doubted(noisy, state, correct, "quick")
    assert found.unsteady
    fell = falls.broken_by != UNBROKEN
    assert fell.any()
    assert (state.broken_by[fell] != UNBROKEN).all()
