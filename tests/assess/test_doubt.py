"""What the second look measures, held against closed forms: linear models, and the same behind a mask."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ancile.assess.altered import active_test
from ancile.assess.behaviour import crossing, steadiness
from ancile.assess.doubt import doubted
from ancile.assess.doubts import Doubt
from ancile.assess.run import UNBROKEN, Job, Samples, State
from ancile.assess.slopes import slopes
from ancile.assess.strike import farthest
from ancile.attacks.ball import Norm
from ancile.attacks.constraint import Constraint
from ancile.models.in_process import model_here
from tests.assess.doubted import Masked, job_of
from tests.assess.small import assessed, linear, problem

ALL = np.arange(24, dtype=np.intp)


def halves(features: int = 12) -> tuple[torch.nn.Module, Samples]:
    """Two classes on either side of a plane, every sample well off it: the margin is linear."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(2, features)).astype(np.float32)
    x = rng.uniform(0.3, 0.7, size=(48, features)).astype(np.float32)
    side = x @ (weight[1] - weight[0])
    bias = np.array([np.median(side), 0], dtype=np.float32)
    y = (side > bias[0]).astype(np.int64)
    return linear(weight, bias), Samples(np.arange(48, dtype=np.int64), x, y)


def test_on_a_linear_margin_every_step_pays_what_it_promised() -> None:
    model, samples = halves()
    found = slopes(job_of(model, samples, 0.05), ALL, seed=1)
    assert (found.points, found.zero, found.not_finite, found.helpful) == (48, 0, 0, 48)
    assert found.kept == pytest.approx(1.0, abs=1e-3)
    assert (found.untrue, found.saturated) == (0, 0)


def test_slopes_that_are_not_those_of_the_scores_are_untrue_though_their_steps_help() -> None:
    model, samples = halves()

    def steeper(scores: torch.Tensor) -> torch.Tensor:
        return scores.detach() + 3 * (scores - scores.detach())

    found = slopes(job_of(Masked(model, after=steeper), samples, 0.05), ALL, seed=1)
    assert (found.helpful, found.untrue) == (48, 48)
    assert found.kept == pytest.approx(1 / 3, abs=1e-3)
    assert Doubt(slopes=found).lost


def test_without_a_gradient_no_point_is_helpful_and_nothing_is_kept() -> None:
    model, samples = halves()
    found = slopes(job_of(Masked(model, before=torch.Tensor.detach), samples, 0.05), ALL, seed=1)
    assert (found.zero, found.helpful, found.kept) == (48, 0, 0.0)


def test_a_gradient_that_is_not_finite_is_counted() -> None:
    model, samples = halves()
    masked = Masked(model, before=lambda x: x + 0 * torch.sqrt(x - x))
    found = slopes(job_of(masked, samples, 0.05), ALL, seed=1)
    assert (found.not_finite, found.zero) == (48, 0)


def test_large_logits_saturate_and_still_have_slopes() -> None:
    model, samples = halves()
    found = slopes(job_of(Masked(model, after=lambda z: 1e6 * z), samples, 0.05), ALL, seed=1)
    assert found.saturated > 0.9
    assert found.helpful == 48
    assert found.kept == pytest.approx(1.0, abs=1e-2)


def test_provable_examples_are_found_on_a_linear_model_and_none_behind_a_cut() -> None:
    model, samples = problem(1, features=20, n=30)
    rows = ALL[:4]
    found = active_test(job_of(model, samples, 0.1), rows, seed=1)
    assert found.tried == found.found > 0
    cut = active_test(job_of(Masked(model, before=torch.Tensor.detach), samples, 0.1), rows, seed=1)
    assert cut.tried > 0
    assert cut.found == 0


def test_a_model_without_finite_answers_is_not_altered() -> None:
    model, samples = problem(1, n=20)
    job = job_of(model, samples, 0.1)
    broken = Masked(model, after=lambda z: z * torch.nan)
    job = job._replace(model=job_of(broken, samples, 0.1, probe=False).model)
    assert active_test(job, ALL[:2], seed=1).tried == 0


def test_answers_of_a_linear_model_are_its_own() -> None:
    model, samples = problem(2)
    found = steadiness(model_here(model, samples.x).model, samples.x)
    assert (found.flips, found.passes) == (0, 0)
    assert found.company < 1e-5


def test_noise_differs_between_passes_and_batch_statistics_between_batches() -> None:
    model, samples = problem(2)
    noisy = Masked(model, after=lambda z: z + torch.randn_like(z))
    crowd = Masked(model, before=lambda x: x - x.mean(dim=0))
    assert steadiness(model_here(noisy, samples.x).model, samples.x).passes > 0.1
    found = steadiness(model_here(crowd, samples.x).model, samples.x)
    assert found.passes == 0
    assert found.company > 0.1


def test_scores_jump_at_a_boundary_where_an_answer_is_in_steps_and_nowhere_on_a_linear_model() -> None:
    model, samples = halves()
    first, second = (samples.x[samples.y == k][:8] for k in (0, 1))
    y = np.zeros(8, dtype=np.int64)
    hot = Masked(model, after=lambda z: torch.eye(2)[z.argmax(1)] + 0.1 * z.sigmoid())
    for net, jumps in ((model, 0), (hot, 8)):
        met = crossing(job_of(net, samples, 0.1).model, first, second, y)
        assert (met.ways, met.jumps) == (8, jumps)


def test_a_sample_that_has_an_answer_in_company_alone_is_not_its_own() -> None:
    model, samples = problem(2)
    crowd = Masked(model, before=lambda x: x / (x.var(dim=0, correction=0) > 0))
    assert steadiness(model_here(crowd, samples.x).model, samples.x).company == 1.0


def test_answers_that_are_never_finite_have_no_spread() -> None:
    found = steadiness(model_here(lambda x: np.full((len(x), 3), np.nan), np.zeros((4, 2))).model, X4)
    assert (found.passes, found.company) == (0, 0)


X4 = np.zeros((4, 2), dtype=np.float32)


@pytest.mark.parametrize(("norm", "reach"), [("linf", 1.0), ("l2", 5**0.5), ("l1", 5.0), ("l0", 5.0)])
def test_the_farthest_eps_holds_the_whole_box(norm: Norm, reach: float) -> None:
    model, samples = problem(3)
    job = job_of(model, samples, 0.1)
    assert farthest(job._replace(constraint=Constraint(norm=norm, eps=1))) == pytest.approx(reach)


def looked(job: Job, right: np.ndarray | None = None) -> tuple[Doubt, State]:
    """A second look after attacks that found nothing."""
    state = State.fresh(job.samples.x, job.model.traits.classes)
    correct = np.asarray(job.model.scores(job.samples.x).argmax(axis=1) == job.samples.y)
    return doubted(job, state, correct if right is None else right, "quick"), state


def test_an_honest_model_gets_every_look_and_no_doubt() -> None:
    model, samples = problem(4, features=10)
    made = assessed(model, samples, 0.02)
    found = made.result.doubt
    assert found.slopes
    assert found.active
    assert found.complete
    assert (found.lost, found.doubtful, found.unsteady, found.again) == (False, False, False, False)
    assert (found.single, found.blind, found.unbounded, found.stood_in, found.recanted) == (0, 0, 0, 0, 0)


@pytest.mark.slow
def test_what_the_look_breaks_counts_and_is_confirmed() -> None:
    """Behind a cut graph the cascade finds nothing; the look does, as far as the closed form allows."""
    model, samples = halves()
    made = assessed(Masked(model, before=torch.Tensor.detach), samples, 0.05)
    result = made.result
    honest = assessed(model, samples, 0.05).result
    assert result.broken_count == pytest.approx(honest.broken_count, abs=1)
    names = {result.state.log[place].name for place in result.broken_by[result.broken]}
    assert any(name.startswith("doubt") for name in names)
    assert bool(result.constraint.holds(result.x_adv, samples.x).all())
    again = model_here(model, samples.x).model.scores(result.x_adv[result.broken])
    assert bool((again.argmax(axis=1) != samples.y[result.broken]).all())


@pytest.mark.slow
def test_on_an_honest_model_the_look_costs_no_more_than_the_cascade() -> None:
    model, samples = problem(5, n=400, features=30)
    parts = assessed(model, samples, 0.01).report.cost.parts
    cost = {name: part.forwards + part.backwards + part.queries for name, part in parts.items()}
    assert cost["doubt"] <= cost["cascade"], cost


def test_black_boxes_get_the_looks_that_need_no_gradients() -> None:
    model, samples = problem(6)
    scores = model_here(model, samples.x).model.scores
    made = assessed(lambda x: scores(x.astype(np.float32)), samples, 0.05)
    found = made.result.doubt
    assert found.steadiness
    assert found.unbounded_tried
    assert found.slopes is None
    assert found.active is None
    assert (found.again, found.blind_tried) == (False, 0)


@pytest.mark.parametrize("why", ["eps is 0", "nothing is right"])
def test_there_is_nothing_to_look_at(why: str) -> None:
    model, samples = problem(7)
    job = job_of(model, samples, 0.0 if why == "eps is 0" else 0.1)
    found, state = looked(job, None if why == "eps is 0" else np.zeros(len(samples.y), dtype=bool))
    assert found == Doubt()
    assert not state.log


def test_a_ball_that_holds_everything_is_not_made_larger() -> None:
    model, samples = problem(7, n=20)
    found, _ = looked(job_of(model, samples, 1.0))
    assert found.unbounded_tried == 0


def test_a_spent_budget_ends_the_look() -> None:
    model, samples = problem(8)
    found, state = looked(job_of(model, samples, 0.1, stop=lambda: True))
    assert not found.complete
    assert (state.broken_by == UNBROKEN).all()


def _interrupted(_: torch.Tensor) -> torch.Tensor:
    raise KeyboardInterrupt


def _failing(_: torch.Tensor) -> torch.Tensor:
    raise ValueError("no more")


@pytest.mark.parametrize(("last", "faults"), [(_interrupted, 0), (_failing, 1)])
def test_a_model_that_gives_up_ends_the_look(last: Callable[..., torch.Tensor], faults: int) -> None:
    model, samples = problem(9)
    masked = Masked(model, after=last)
    job, state = job_of(masked, samples, 0.1, probe=False), State.fresh(samples.x, 3)
    found = doubted(job, state, np.ones(len(samples.y), dtype=bool), "quick")
    assert not found.complete
    assert len(state.faults) == faults
