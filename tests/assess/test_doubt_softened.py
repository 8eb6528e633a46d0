"""Gradients that are averaged, estimated, or the mean of passes, on linear models: their direction is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from ancile.assess.doubt import doubted
from ancile.assess.doubts import Doubt
from ancile.assess.run import UNBROKEN, State
from ancile.assess.softened import Averaged, Softened, drift, softly
from ancile.attacks.constraint import Constraint
from ancile.attacks.losses import margin
from ancile.attacks.streams import Streams
from tests.assess.doubted import Masked, job_of
from tests.assess.small import problem

EPS = 0.05
LATE = 400  # questions whether to stop, of which the last look asks more


def slope(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The gradient of the margin by hand."""
    leaf = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(margin(model(leaf), y).sum(), leaf)
    return found


@pytest.mark.parametrize("estimated", [False, True])
def test_softened_gradients_of_a_linear_model_point_along_its_slope(estimated: bool) -> None:
    model, samples = problem(1, features=8, classes=2)
    job = job_of(model, samples, EPS)
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    soft = Softened(job.model, reach=1e-3, draws=200, estimated=estimated, seed=1)
    found = soft.gradient(x, lambda logits: margin(logits, y).sum())
    towards = torch.nn.functional.cosine_similarity(found.gradient, slope(model, x, y))
    assert float(towards.min()) > 0.9
    torch.testing.assert_close(found.logits, model(x))


def test_the_rest_of_a_softened_model_is_as_it_was() -> None:
    model, samples = problem(1)
    job = job_of(model, samples, EPS)
    for soft in (
        Softened(job.model, reach=0.1, draws=1, estimated=True, seed=0),
        Averaged(job.model, passes=2),
    ):
        assert soft.traits == job.model.traits
        assert soft.usage is job.model.usage
        assert (soft.device, soft.dtype) == (job.model.device, job.model.dtype)
        np.testing.assert_allclose(soft.scores(samples.x), job.model.scores(samples.x))
        x = torch.from_numpy(samples.x)
        torch.testing.assert_close(soft.logits(x), job.model.logits(x))


def test_every_pass_of_a_mean_is_counted() -> None:
    model, samples = problem(1)
    averaged = Averaged(job_of(model, samples, EPS).model, passes=5)
    averaged.logits(torch.from_numpy(samples.x))
    assert averaged.usage.forwards == 5 * len(samples.x)


def test_a_pass_that_is_very_sure_does_not_outweigh_the_others() -> None:
    """Three passes in four are right by a little, one is wrong by far."""
    answers = itertools.cycle([[0.0, 1.0], [0.0, 1.0], [100.0, 0.0], [0.0, 1.0]])
    model, samples = problem(1, features=8, classes=2)
    lots = Masked(model, after=lambda z: 0 * z + torch.tensor(next(answers)))
    averaged = Averaged(job_of(lots, samples, EPS).model, passes=4)
    x = torch.from_numpy(samples.x)
    assert bool((averaged.logits(x).argmax(dim=1) == 1).all())
    assert bool((averaged.scores(samples.x).argmax(axis=1) == 1).all())


def test_probabilities_are_averaged_as_they_are() -> None:
    answers = itertools.cycle([[0.2, 0.8], [0.6, 0.4]])
    model, samples = problem(1, features=8, classes=2)
    lots = Masked(model, after=lambda z: 0 * z + torch.tensor(next(answers)))
    averaged = Averaged(job_of(lots, samples, EPS).model, passes=2)
    assert averaged.traits.output == "probabilities"
    np.testing.assert_allclose(averaged.scores(samples.x[:3]), [[0.4, 0.6]] * 3, rtol=1e-6)


def test_the_mean_of_passes_is_steadier_than_one_and_climbs_along_the_slope() -> None:
    torch.manual_seed(0)
    model, samples = problem(1, features=8, classes=2)
    noisy = Masked(model, after=lambda z: z + torch.randn_like(z))
    inner = job_of(noisy, samples, EPS).model
    averaged = Averaged(inner, passes=64)
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    truth = torch.stack([noisy(x) for _ in range(4000)]).softmax(dim=2).mean(dim=0)
    far, near = (one.logits(x).softmax(dim=1) - truth for one in (inner, averaged))
    assert near.square().mean() < far.square().mean() / 20
    found = averaged.gradient(x, lambda logits: margin(logits, y).sum())
    torch.testing.assert_close(found.gradient, slope(model, x, y))


@pytest.mark.parametrize("estimated", [False, True])
def test_a_soft_climb_reaches_the_corner_that_is_best_on_a_linear_model(estimated: bool) -> None:
    model, samples = problem(3, n=8, features=8, classes=2)
    job = job_of(model, samples, EPS)
    found = softly(job, job.model, estimated=estimated)(samples.x, samples.y, Streams(0, samples.ids))
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    best = margin(model(x + EPS * slope(model, x, y).sign()), y)
    got = margin(model(torch.from_numpy(found)), y)
    assert bool(job.constraint.holds(found, samples.x).all())
    gain = (best - margin(model(x), y)).mean()
    assert float((best - got).max().detach()) < 0.1 * float(gain.detach())


def test_a_climb_that_may_not_begin_gives_the_samples_back() -> None:
    model, samples = problem(3, n=8)
    job = job_of(model, samples, EPS)
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    ball = Constraint(norm="linf", eps=EPS).ball(x)
    found = drift(job.model, x, y, ball, steps=5, stop=lambda: True)
    assert bool((found == x).all())


def look(net: torch.nn.Module, seed: int, *, stop_after: int | None = None) -> tuple[Doubt, State, int]:
    """The second look at a net over a random linear problem, with a claim that does not hold to begin with."""
    _, samples = problem(seed, n=40, features=10)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return stop_after is not None and asked > stop_after

    job = job_of(net, samples, EPS, stop=stop)
    correct = np.asarray(job.model.scores(samples.x).argmax(axis=1) == samples.y)
    state = State.fresh(samples.x, 3)
    first = int(np.flatnonzero(correct)[0])
    state.broken_by[first] = 0
    return doubted(job, state, correct, "quick"), state, first


@pytest.mark.slow
def test_a_lucky_claim_on_a_model_that_draws_lots_is_taken_back() -> None:
    """A sample that is claimed to be broken as it is, though nearly every pass gets it right."""
    torch.manual_seed(0)
    model, samples = problem(21, n=40, features=10)
    noisy = Masked(model, after=lambda z: z + 0.01 * torch.randn_like(z))
    found, state, first = look(noisy, 21)
    assert found.unsteady
    assert found.again
    assert found.recanted >= 1
    if state.broken_by[first] == UNBROKEN:
        assert bool((state.x_adv[first] == samples.x[first]).all())


@pytest.mark.slow
def test_a_network_that_cannot_be_straightened_is_searched_in_other_ways() -> None:
    """What insists on having no graph is searched by its scores."""
    model, _ = problem(22, n=40, features=10)
    masked = Masked(model, before=lambda x: x.detach().requires_grad_(False))
    found, state, _ = look(masked, 22)
    names = [effect.name for effect in state.log]
    assert any("not to be had" in name for name in names), names
    assert found.again
    assert any("estimated gradients" in name for name in names), names


@pytest.mark.slow
@pytest.mark.parametrize("calls", [40, 120, 200, 260, 400])
def test_a_look_that_is_cut_short_anywhere_says_so_or_is_whole(calls: int) -> None:
    model, samples = problem(23, n=40, features=10)
    _, state, _ = look(Masked(model, before=torch.Tensor.detach), 23, stop_after=calls)
    held = Constraint(norm="linf", eps=EPS).holds(state.x_adv, samples.x)
    assert bool(held.all())


@pytest.mark.slow
def test_time_that_is_spent_within_the_last_look_is_told() -> None:
    model, _ = problem(23, n=40, features=10)
    cut = Masked(model, before=torch.Tensor.detach)
    found, state, _ = look(cut, 23, stop_after=LATE)
    assert found.again
    assert not found.complete
    assert any(effect.name.startswith("doubt") for effect in state.log)
    whole, _, _ = look(cut, 23)
    assert whole.complete
