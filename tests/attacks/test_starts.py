"""Where attacks begin."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from scipy import stats

from ancile.attacks.ball import NORMS, Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.starts import Start, corner_start, middle_start, random_start, start_at
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from tests.attacks.worlds import digits_world

STARTS = get_args(Start)
EPS = {"linf": 0.2, "l2": 1.0, "l1": 3.0, "l0": 5.0}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("start", STARTS)
def test_a_start_is_inside_and_the_same_for_a_sample_alone(norm: Norm, start: Start) -> None:
    here = digits_world(6)
    scale = np.linspace(0.0, 2.0, 64).reshape(1, 8, 8)
    for c in (Constraint(norm, EPS[norm]), Constraint(norm, EPS[norm] / 2, 0.1, 0.8, scale)):
        both = []
        for rows in (slice(0, 6), slice(3, 4)):
            ball, rng = c.ball(here.x[rows]), here.rng.take(np.arange(6)[rows])
            both.append(start_at(start, here.model, ball, c, rng, step=2))
        assert c.holds(both[0], here.x).all()
        assert torch.allclose(both[0][3], both[1][0], atol=1e-6)
        assert (start == "sample") == torch.equal(both[0], here.x)


@pytest.mark.parametrize("start", ["random", "corner", "middle", "diverse"])
def test_another_step_starts_elsewhere(start: Start) -> None:
    here, c = digits_world(3), Constraint("linf", 0.2)
    ball = c.ball(here.x)
    first, second = (start_at(start, here.model, ball, c, here.rng, step=step) for step in (0, 1))
    assert not torch.equal(first, second)


def test_a_random_l1_start_is_even_in_the_ball() -> None:
    """In d dimensions (r / eps)^d is uniform, and so is the share of the first of two lengths."""
    around = torch.full((3000, 3), 0.5, dtype=torch.float64)
    c = Constraint("l1", 0.2, movable=np.array([True, False, True]))
    found = random_start(c.ball(around), Streams(0, np.arange(3000))) - around
    length = found.abs().sum(dim=1)
    assert stats.kstest(((length / 0.2) ** 2).numpy(), "uniform").pvalue > 0.01
    assert stats.kstest((found[:, 0].abs() / length).numpy(), "uniform").pvalue > 0.01
    assert stats.binomtest(int((found[:, 0] > 0).sum()), 3000).pvalue > 0.01
    assert (found[:, 1] == 0).all()


def test_a_random_l0_start_changes_as_many_features_as_it_may_and_each_as_often() -> None:
    around = torch.full((3000, 6), 0.5)
    c = Constraint("l0", 2, movable=np.arange(6) != 3)
    changed = random_start(c.ball(around), Streams(0, np.arange(3000))) != around
    assert (changed.sum(dim=1) == 2).all()
    assert not changed[:, 3].any()
    counts = changed.sum(dim=0).numpy()[np.arange(6) != 3]
    assert stats.chisquare(counts).pvalue > 0.01


def test_a_corner_uses_the_whole_ball() -> None:
    around = torch.full((4, 10), 0.5)
    rng = Streams(0, np.arange(4))
    for norm, eps in (("linf", 0.2), ("l2", 0.4), ("l1", 1.2), ("l0", 3.0)):
        c = Constraint(norm, eps)  # type: ignore[arg-type]  # a tuple's strings are str to mypy
        corner = corner_start(c.ball(around), rng)
        assert c.distance(corner, around) == pytest.approx(np.full(4, eps), rel=1e-5)
        if norm in ("l1", "l0"):
            assert ((corner != around).sum(dim=1) == 3).all()


def test_the_middle_is_a_share_of_each_feature_s_own_range() -> None:
    low, high = np.array([0.0, -10.0]), np.array([1.0, 10.0])
    around = torch.tensor([[0.5, 0.0]])
    c = Constraint("linf", 1.0, low, high, scale=high - low)
    found = middle_start(c.ball(around), c, Streams(0, np.arange(1)), share=0.25)
    assert np.abs(found.numpy() - [0.25, -5.0]).max(axis=0) == pytest.approx([0, 0], abs=1.01)
    assert abs(float(found[0, 0]) - 0.25) <= 0.051


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("start", STARTS)
def test_where_nothing_may_change_every_start_is_the_sample(norm: Norm, start: Start) -> None:
    here = digits_world(3)
    c = Constraint(norm, EPS[norm], movable=np.zeros((1, 8, 8), dtype=bool))
    assert torch.equal(start_at(start, here.model, c.ball(here.x), c, here.rng), here.x)


def test_a_start_that_there_is_not_is_refused() -> None:
    here, c = digits_world(1), Constraint("linf", 0.1)
    with pytest.raises(AncileError, match="no such start"):
        start_at("edge", here.model, c.ball(here.x), c, here.rng)  # type: ignore[arg-type]  # the test's point
