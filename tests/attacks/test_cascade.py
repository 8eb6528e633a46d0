from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch

from ancile.attacks.arms import OPENING, aimed, portfolio
from ancile.attacks.cascade import Cascade, Means, advance, begin, cascade, restored
from ancile.attacks.climb import climb, climb_precisely
from ancile.attacks.constraint import Constraint
from ancile.attacks.phases import Effort, plan
from ancile.attacks.standing import FEW, STANDS, Field, Standing
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from tests.attacks.worlds import FAR, World, blocks, digits_world, least_margin, linear, robust, world

Norm = Literal["linf", "l2"]
NORMS: list[Norm] = ["linf", "l2"]
EFFORTS = ["quick", pytest.param("standard", marks=pytest.mark.slow)]


def started(here: World, constraint: Constraint, **settings: Any) -> Cascade:
    return begin(here.model, here.x, here.y, constraint, here.rng, **settings)


def finished(run: Cascade) -> Cascade:
    while advance(run):
        pass
    return run


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("kind", ["single logit", "two classes", "four classes"])
def test_on_linear_models_robust_accuracy_is_the_closed_form(norm: Norm, effort: Effort, kind: str) -> None:
    """Hoelder: a sample stands while every margin exceeds eps times the dual norm of the weights' difference."""
    weights = {
        "single logit": np.random.default_rng(1).normal(size=(1, 9)),
        "two classes": np.random.default_rng(2).normal(size=(2, 9)),
        "four classes": blocks(4, 3),
    }[kind]
    here = linear(weights, np.zeros(len(weights)), n=60)
    for eps in (0.1, 0.3) if norm == "linf" else (0.2, 0.6):
        found = cascade(here.model, here.x, here.y, Constraint(norm, eps, -FAR, FAR), here.rng, effort=effort)
        should = least_margin(here, eps, norm) > 0
        assert 0 < should.sum() < 60
        assert np.array_equal(robust(here, found), should)


@pytest.mark.parametrize("norm", NORMS)
def test_candidates_never_leave_ball_and_bounds_of_each_feature(norm: Norm) -> None:
    here = digits_world(40)
    low = np.where(np.arange(64).reshape(1, 8, 8) % 3 == 0, 0.2, 0.0)
    high = np.where(np.arange(64).reshape(1, 8, 8) % 5 == 0, 0.2, 1.0)
    movable = np.arange(64).reshape(1, 8, 8) % 7 > 0
    scale = np.where(np.arange(64).reshape(1, 8, 8) % 2 == 0, 0.5, 2.0)
    c = Constraint(norm, 0.2 if norm == "linf" else 0.7, low, high, scale=scale, movable=movable)
    found = cascade(here.model, here.x, here.y, c, here.rng, effort="quick")
    assert c.holds(found, here.x).all()
    assert torch.equal(found[:, torch.from_numpy(~movable)], here.x[:, torch.from_numpy(~movable)])
    assert robust(here, found).mean() < 1


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_the_same_seed_finds_the_same_and_another_seed_something_else(norm: Norm) -> None:
    here = digits_world(40)
    c = Constraint(norm, 0.1 if norm == "linf" else 0.6)
    first, again, other = (
        cascade(here.model, here.x, here.y, c, Streams(seed, here.rng.samples), effort="quick")
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_sweep_treats_a_sample_alone_as_in_company() -> None:
    """Before the first cohort is chosen nothing depends on the other samples, but for the rounding of sums."""
    here = digits_world(30)
    c = Constraint("linf", 0.12)
    whole = started(here, c)
    advance(whole), advance(whole)
    for k in (0, 7, 29):
        rng = here.rng.take(np.array([k]))
        alone = begin(here.model, here.x[k : k + 1], here.y[k : k + 1], c, rng)
        advance(alone), advance(alone)
        assert bool(alone.broken) == bool(whole.broken[k])
        assert torch.allclose(alone.candidates[0], whole.candidates[k], atol=1e-5)


def test_thorough_begins_as_standard_and_never_ends_above_it() -> None:
    for arms in (3, 13):
        assert plan("thorough", arms=arms)[: len(plan("standard", arms=arms))] == plan("standard", arms=arms)


def test_rows_are_searched_without_gradients_in_fewer_queries_of_more_samples_each() -> None:
    image, row = (
        [one for one in plan("standard", arms=3, rows=rows) if one.kind == "scores"] for rows in (False, True)
    )
    assert [one.share * one.steps for one in row] == pytest.approx([one.share * one.steps for one in image])
    assert row[0].steps < image[0].steps
    late = [one.after for one in plan("standard", arms=3, rows=True) if one.kind == "round"]
    assert late == sorted(late)
    assert late[2] == 0 < late[3]
    here = linear(blocks(4, 3), np.zeros(4), n=5)
    assert started(here, Constraint("linf", 0.01, -FAR, FAR)).phases == plan(
        "standard", arms=9, aimed=(7, 8), walks=2, rows=True
    )


@pytest.mark.parametrize(("eps", "arms", "middles"), [(0.3, 12, 5), (0.1, 12, 5), (4 / 255, 8, 1)])
def test_a_ball_that_does_not_reach_the_middle_of_the_range_has_one_start_from_there(
    eps: float, arms: int, middles: int
) -> None:
    found = portfolio(Constraint("linf", eps), classes=10)
    assert (len(found), sum(arm.start == "middle" for arm in found)) == (arms, middles)
    assert portfolio(Constraint("linf", 255 * eps, 0.0, 255.0), classes=10) == found
    assert portfolio(Constraint("linf", eps, 0.0, 10.0, scale=10.0), classes=10) == found
    assert len(portfolio(Constraint("l2", eps), classes=10)) == 12


def test_two_classes_have_no_arm_that_means_one_of_the_wrong_ones() -> None:
    found = portfolio(Constraint("linf", 0.03), classes=2)
    assert {arm.raised for arm in found} == {"margin", "ce"}
    assert len(set(found)) == len(found)


def test_walks_come_before_the_scout_in_all_norms_but_linf() -> None:
    here = digits_world(5)
    norms: list[Literal["linf", "l2", "l1", "l0"]] = ["linf", "l2", "l1", "l0"]
    for norm in norms:
        kinds = [one.kind for one in started(here, Constraint(norm, 1.0)).phases]
        assert (kinds[2] == "walk") == (norm in ("l2", "l1"))
        assert ("walk" in kinds) == (norm != "l0")


@pytest.mark.slow
def test_the_few_that_stand_are_all_taken_until_a_round_breaks_none() -> None:
    """Of eight rounds and six searches the first of each: to leave one of so few out would spare nothing."""
    here = linear(blocks(4, 3), np.zeros(4), n=30)
    run = finished(started(here, Constraint("linf", 0.01, -FAR, FAR)))
    stood = run.log[-1].left
    assert stood > FEW
    few = begin(
        here.model, here.x[~run.broken][:FEW], here.y[~run.broken][:FEW], Constraint("linf", 0.01, -FAR, FAR), here.rng
    )  # fmt: skip
    finished(few)
    for kind in ("round", "scores"):
        tried = [entry.tried for entry in few.log if few.phases[entry.phase].kind == kind]
        assert tried == [FEW, *(0,) * (len(tried) - 1)]


@pytest.mark.slow
def test_the_hardest_meet_the_arms_that_mean_a_class_once_when_the_scout_passed_them_over() -> None:
    here = digits_world(60)
    run = started(here, Constraint("linf", 0.02))
    kinds = [one.kind for one in run.phases]
    for _ in range(kinds.index("turn")):
        advance(run)
    hardest = run.standing.hardest(0.4)
    run.reached[:, hardest] = 0.0
    late = hardest[:3]
    run.reached[:, late] = -torch.inf
    for _ in range(kinds.count("turn")):
        before = run.reached.clone()
        entry = advance(run)
        assert entry is not None
        assert entry.tried == 3
        assert torch.equal((run.reached != before).any(dim=0).nonzero().squeeze(1), late)
    assert kinds.count("turn") == 2
    assert len(aimed("l2", (OPENING, *portfolio(Constraint("l2", 1.0), classes=10)))) == 4


def test_an_attack_stronger_than_one_climb_leaves_fewer_standing() -> None:
    here = digits_world(100)
    run = finished(started(here, Constraint("linf", 0.08), effort="quick"))
    after_sweep = run.log[1].left
    assert run.log[-1].left < after_sweep
    assert run.log[-1].left == robust(here, run.candidates).sum()
    assert [entry.left for entry in run.log] == sorted((entry.left for entry in run.log), reverse=True)


def test_effort_goes_to_the_samples_nearest_to_an_error_and_the_rest_is_told() -> None:
    here = digits_world(100)
    run = finished(started(here, Constraint("linf", 0.04), effort="quick"))
    assert 0 < run.unresolved.sum() < run.log[-1].left
    assert not (run.unresolved & run.broken).any()
    stands = ~run.broken
    assert run.standing.margin[run.unresolved].max() <= run.standing.margin[stands & ~run.unresolved].max()
    assert run.standing.passes[run.unresolved].max() < run.standing.passes[stands].max()


@pytest.mark.parametrize(
    ("effort", "after"),
    [("quick", 1), ("quick", 5), ("quick", 15), pytest.param("standard", 19, marks=pytest.mark.slow)],
)
def test_a_run_given_back_as_arrays_ends_as_if_it_had_never_stopped(effort: Effort, after: int) -> None:
    here = digits_world(40)
    c = Constraint("linf", 0.08)
    whole = finished(started(here, c, effort=effort))
    part = started(here, c, effort=effort)
    for _ in range(after):
        advance(part)
    saved = part.arrays()
    assert all(type(value) is np.ndarray for value in saved.values())
    rest = finished(restored(started(here, c, effort=effort), saved))
    assert torch.equal(rest.candidates, whole.candidates)
    costs = [[entry[:-1] for entry in run.log] for run in (rest, whole)]
    assert costs[0] == costs[1]


def test_what_was_saved_in_another_run_is_refused() -> None:
    here, other = digits_world(60), digits_world(59)
    c = Constraint("linf", 0.08)
    run = started(here, c)
    advance(run)
    with pytest.raises(AncileError, match="of another run"):
        restored(started(other, c), run.arrays())


def test_stopping_within_a_phase_keeps_what_was_broken_and_does_not_count_the_phase() -> None:
    here = digits_world(60)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 6

    run = finished(started(here, Constraint("linf", 0.12), means=Means(on_step=stop)))
    assert [entry.phase for entry in run.log] == [0]
    assert asked == 7
    assert not run.done
    assert 0 < run.broken.sum() == (~robust(here, run.candidates)).sum()


def test_what_the_model_misreads_as_it_is_comes_back_as_it_is() -> None:
    here = digits_world(20)
    y = here.y.clone()
    y[3] = (y[3] + 1) % 10
    run = finished(begin(here.model, here.x, y, Constraint("linf", 0.01), here.rng, effort="quick"))
    assert run.broken[3]
    assert torch.equal(run.candidates[3], here.x[3])
    assert run.log[0].broken == 1


class Dead(torch.nn.Module):
    """Wrong wherever a feature leaves its sample, but by an answer that is no number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        moved = (x - 0.5).abs().amax(dim=1)
        logits = torch.stack([torch.ones_like(moved), moved * torch.inf], dim=1)
        return torch.where(moved[:, None] > 0, logits, torch.tensor([1.0, 0.0]))


def test_answers_that_are_no_numbers_are_never_counted_as_errors() -> None:
    here = world(Dead(), torch.full((4, 3), 0.5))
    run = finished(started(here, Constraint("linf", 0.1), effort="quick"))
    assert not run.broken.any()
    assert torch.equal(run.candidates, here.x)


def test_what_only_the_search_form_misreads_is_not_counted() -> None:
    """A form that rounds sees errors which the model in full precision does not make."""
    here = linear(np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2), n=40)
    form = world(torch.nn.Linear(2, 2, dtype=torch.float64), here.x)
    assert isinstance(form.net, torch.nn.Linear)
    with torch.no_grad():
        form.net.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        form.net.bias.zero_()
    c = Constraint("linf", 0.05, -FAR, FAR)
    run = finished(started(here, c, means=Means(form.model), effort="quick"))
    assert np.array_equal(~robust(here, run.candidates), run.broken.numpy())
    assert (least_margin(here, 0.05, "linf")[run.broken.numpy()] <= 0).all()


def test_an_error_that_only_the_search_form_sees_does_not_hide_one_of_less_margin() -> None:
    """The form sees the same large margin everywhere, the model one that is never so large."""
    here = linear(np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2), n=40)
    form = world(torch.nn.Linear(2, 2, dtype=torch.float64), here.x)
    assert isinstance(form.net, torch.nn.Linear)
    c, all_of_them = Constraint("linf", 0.2, -FAR, FAR), torch.arange(40)
    with torch.no_grad():
        form.net.weight.zero_()
        form.net.bias.copy_(torch.tensor([9.0, 1.0]))
    field = Field(here.model, form.model, 16, True, here.x, here.y, c, here.rng, None)
    standing = Standing.of(here.x)
    climb(field, standing, OPENING, all_of_them, steps=10, place=1)
    assert (standing.refused[here.y == 1] == 8.0).all()
    climb_precisely(field, standing, OPENING, standing.rows(), steps=10, place=2)
    assert np.array_equal((standing.broken_by != STANDS).numpy(), least_margin(here, 0.2, "linf") <= 0)


def test_an_eps_of_0_and_no_samples_come_back_as_they_are() -> None:
    here = digits_world(5)
    assert torch.equal(cascade(here.model, here.x, here.y, Constraint("linf", 0.0), here.rng), here.x)
    none = here.x[:0]
    c = Constraint("linf", 0.1)
    assert cascade(here.model, none, here.y[:0], c, here.rng.take(np.zeros(0, np.intp))).shape == none.shape


def test_an_effort_that_is_not_there_is_refused() -> None:
    here = digits_world(5)
    with pytest.raises(AncileError, match="no such effort"):
        started(here, Constraint("linf", 0.1), effort="extreme")


def test_patches_break_what_hides_its_gradient_and_effort_follows_them() -> None:
    """Steps in the logits have no gradient anywhere: climbs stand still, patches do not.

    Bounds up to 3, so that the middle of the range is on the right side of the edge.
    """

    class Steps(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (torch.floor(x * 50.0) / 50.0 * torch.linspace(0.5, 1.5, 16).view(1, 1, 4, 4)).sum(
                (1, 2, 3)
            ) - 8.0

    here = world(Steps(), torch.full((30, 1, 4, 4), 0.55) + 0.002 * torch.arange(30).view(-1, 1, 1, 1))
    run = started(here, Constraint("linf", 0.2, 0.0, 3.0))
    while (entry := advance(run)) is not None and run.name(entry) != "scores":
        pass
    assert entry is not None
    assert entry.broken > 0
    assert finished(run).broken.all()


def test_patches_that_broke_nothing_are_not_followed_by_more() -> None:
    here = linear(blocks(4, 3), np.zeros(4), n=30)
    run = finished(started(here, Constraint("linf", 0.01, -FAR, FAR)))
    tried = [entry.tried for entry in run.log if run.name(entry) == "scores"]
    assert tried[0] > 0
    assert not any(tried[1:])


@pytest.mark.parametrize("norm", ["l1", "l0"])
def test_sparse_norms_have_their_cascade_too(norm: Literal["l1", "l0"]) -> None:
    here = digits_world(20)
    c = Constraint(norm, 2.0)
    run = finished(started(here, c, effort="quick"))
    assert c.holds(run.candidates, here.x).all()
    assert np.array_equal(~robust(here, run.candidates), run.broken.numpy())
    assert run.broken.any()


@pytest.mark.slow
def test_where_walks_paid_only_climbs_from_where_they_ended_follow() -> None:
    here = digits_world(100)
    run = finished(started(here, Constraint("l2", 0.6)))
    took = {run.phases[entry.phase].kind: 0 for entry in run.log}
    walked_all = any(entry.tried and run.phases[entry.phase][:2] == ("walk", 1.0) for entry in run.log)
    assert walked_all
    for entry in run.log:
        one = run.phases[entry.phase]
        took[one.kind] += bool(entry.tried)
        if one.kind in ("scout", "turn") and entry.tried:
            assert run.arms[one.arm].start == "best"
    assert took["turn"] == 0
