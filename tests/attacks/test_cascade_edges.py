from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from ancile.attacks.ball import NORMS
from ancile.attacks.cascade import advance, begin
from ancile.attacks.constraint import Constraint
from ancile.attacks.edges import Walk, walked, walks
from ancile.attacks.phases import plan
from ancile.attacks.standing import Field, Standing
from tests.attacks.worlds import FAR, World, blocks, digits_world, least_margin, linear, robust, world

Norm = Literal["linf", "l2"]


def field(here: World, constraint: Constraint) -> Field:
    return Field(here.model, here.model, 16, False, here.x, here.y, constraint, here.rng, None)


def stood(here: World, constraint: Constraint, walk: Walk, *, steps: int = 20) -> Standing:
    """What a walk makes of all samples that the model gets right."""
    standing = Standing.of(here.x)
    assert walked(field(here, constraint), standing, walk, torch.arange(len(here.x)), steps=steps, place=1)
    return standing


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("start", ["sample", "random"])
def test_on_a_linear_model_of_two_classes_a_walk_breaks_what_can_be_broken(
    norm: Norm, start: Literal["sample", "random"]
) -> None:
    here = linear(np.random.default_rng(2).normal(size=(2, 9)), np.zeros(2), n=60)
    c = Constraint(norm, 0.2, -FAR, FAR)
    left = stood(here, c, Walk(start, 0)).rows().numpy()
    assert 0 < len(left) < 60
    assert np.array_equal(np.isin(np.arange(60), left), least_margin(here, 0.2, norm) > 0)


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.8), ("l1", 1.0)])
def test_a_walk_ends_inside_ball_and_bounds_and_what_it_breaks_is_misread(
    norm: Literal["linf", "l2", "l1"], eps: float
) -> None:
    here = digits_world(40)
    movable = np.arange(64).reshape(1, 8, 8) % 7 > 0
    c = Constraint(norm, 2 * eps, scale=0.5, movable=movable)
    for walk in walks(norm, classes=10)[:4]:
        standing = stood(here, c, walk)
        broken = (standing.broken_by == 1).numpy()
        assert 0 < broken.sum() < 40
        assert c.holds(standing.point, here.x).all()
        assert not robust(here, standing.point)[broken].any()


class Dull(torch.nn.Module):
    """Flat where the first feature changed by less than half, then steep: from inside nothing shows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        way = (x[:, 0] - 0.2).clamp_min(0.0) ** 4 * 40.0 - 0.3
        return torch.stack([torch.zeros_like(way), way], dim=1)


def test_a_walk_finds_from_outside_what_lies_at_the_edge_of_the_ball() -> None:
    here = world(Dull(), torch.full((4, 3), 0.1))
    edge = 0.1 + (0.3 / 40.0) ** 0.25
    standing = stood(here, Constraint("l2", edge + 0.02), Walk("far", 0), steps=30)
    assert not len(standing.rows())
    assert len(stood(here, Constraint("l2", edge - 0.02), Walk("far", 0)).rows()) == 4


def test_walks_go_on_only_where_the_first_paid() -> None:
    here = linear(blocks(4, 3), np.zeros(4), n=30)
    run = begin(here.model, here.x, here.y, Constraint("l2", 0.01, -FAR, FAR), here.rng)
    while advance(run):
        pass
    tried = [entry.tried for entry in run.log if run.phases[entry.phase].kind == "walk"]
    assert tried[0] > 0
    assert not any(tried[1:])


def test_a_walk_means_a_class_that_is_there() -> None:
    for classes in (2, 3, 10):
        for norm in NORMS[:3]:
            found = walks(norm, classes=classes)
            assert found
            assert all(walk.rank < classes - 1 for walk in found)
    assert walks("l0", classes=10) == ()
    assert not any(phase.kind == "walk" for phase in plan("standard", arms=3, walks=0))


def test_a_walk_stops_when_told_to() -> None:
    here = digits_world(5)
    told = field(here, Constraint("l2", 0.5))._replace(on_step=lambda: True)
    assert not walked(told, Standing.of(here.x), Walk("sample", 0), torch.arange(5), steps=5, place=1)
