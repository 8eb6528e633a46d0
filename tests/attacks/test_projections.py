"""What is nearest inside ball and bounds, in each norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.optimize import minimize

from ancile.attacks.ball import NORMS, Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.vectors import largest

Arrays = NDArray[np.floating[Any]]
every_norm = pytest.mark.parametrize("norm", NORMS)
FEATURES = 5
SCALES = st.sampled_from([None, np.array([1.0, 0.5, 0.0, 2.0, 1.0])])


def samples(low: float, high: float) -> st.SearchStrategy[Arrays]:
    return hnp.arrays(np.float64, (3, FEATURES), elements=st.floats(low, high, width=32))


def constraint(norm: Norm, eps: float, **settings: Any) -> Constraint:
    return Constraint(norm, float(round(eps * FEATURES)) if norm == "l0" else eps, **settings)


def spread(change: Arrays, c: Constraint) -> Arrays:
    """(n,) squared L2 lengths in units of distance, in which a projection is nearest."""
    unit = np.broadcast_to(c.unit, change.shape)
    units = np.divide(change, unit, out=np.zeros_like(change), where=unit > 0)
    return np.asarray((units**2).sum(axis=1))


@every_norm
@given(
    around=samples(0, 1), x=samples(-3, 3), eps=st.floats(0.01, 0.9), scale=SCALES, seed=st.integers(0, 99)
)
def test_no_random_point_inside_is_nearer_than_the_projection(
    norm: Norm, around: Arrays, x: Arrays, eps: float, scale: Arrays | None, seed: int
) -> None:
    c = constraint(norm, eps if scale is None else eps / 4, scale=scale)
    placed = c.project(x, around)
    rng = np.random.default_rng(seed)
    for other in (rng.uniform(-1, 2, x.shape), placed + rng.normal(0, 0.05, x.shape), 2 * placed - x):
        inside = c.project(other, around)
        assert c.holds(inside, around).all()
        assert (spread(placed - x, c) <= spread(inside - x, c) * (1 + 1e-9) + 1e-9).all()


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_a_projection_agrees_with_a_general_solver(norm: Norm) -> None:
    """Sequential least squares on the same problem, with bounds that cut."""
    rng = np.random.default_rng(0)
    around, x = rng.random((6, FEATURES)), rng.normal(size=(6, FEATURES)) * 1.5
    placed = Constraint(norm, 0.8).project(x, around)
    for a, b, ours in zip(around, x, placed, strict=True):
        # change = up - down, both at least 0
        def room(z: Arrays) -> float:
            change = z[:FEATURES] - z[FEATURES:]
            return float(0.8 - z.sum() if norm == "l1" else 0.64 - (change**2).sum())

        def apart(z: Arrays, wanted: Arrays = b - a) -> float:
            return float(((z[:FEATURES] - z[FEATURES:] - wanted) ** 2).sum())

        bounds = [(0.0, 1.0 - v) for v in a] + [(0.0, v) for v in a]
        best = minimize(
            apart, np.full(2 * FEATURES, 0.01), bounds=bounds, constraints=[{"type": "ineq", "fun": room}],
            options={"maxiter": 500, "ftol": 1e-13},
        )  # fmt: skip
        assert ((ours - b) ** 2).sum() == pytest.approx(best.fun, rel=1e-5)


@every_norm
@given(around=samples(0, 1), x=samples(-3, 3), eps=st.floats(0.01, 0.9), scale=SCALES)
def test_projecting_twice_is_projecting_once_and_what_cannot_move_does_not(
    norm: Norm, around: Arrays, x: Arrays, eps: float, scale: Arrays | None
) -> None:
    movable = np.array([True, True, True, False, True])
    c = constraint(norm, eps if scale is None else eps / 4, scale=scale, movable=movable)
    once = c.project(x, around)
    assert np.array_equal(c.project(once, around), once)
    still = np.broadcast_to(c.unit == 0, x.shape)
    assert np.array_equal(once[still], around[still])


@given(around=samples(0, 1), x=samples(-3, 3), eps=st.integers(0, 5))
def test_l0_keeps_the_features_whose_change_counts_most(around: Arrays, x: Arrays, eps: int) -> None:
    placed = Constraint("l0", eps).project(x, around)
    assert ((placed != around).sum(axis=1) <= eps).all()
    inside = np.clip(x, 0.0, 1.0)
    gain = (x - around) ** 2 - (x - inside) ** 2
    best = np.sort(gain, axis=1)[:, FEATURES - eps :].sum(axis=1)
    kept = np.where(placed != around, gain, 0.0).sum(axis=1)
    assert kept == pytest.approx(best)


def test_l0_counts_features_or_the_pixels_of_an_image() -> None:
    around = np.full((1, 3, 2, 2), 0.5)
    x = around.copy()
    x[0, :, 0, 0] = 1.0
    x[0, 1, 1, 1] = 0.0
    assert Constraint("l0", 9).distance(x, around)[0] == 4
    pixels = Constraint("l0", 1, pixels=True)
    assert pixels.distance(x, around)[0] == 2
    placed = pixels.project(x, around)
    assert pixels.distance(placed, around)[0] == 1
    assert (placed[0, :, 0, 0] == 1.0).all()
    last = np.moveaxis(np.tile(x, (1, 1, 4, 4)), 1, -1)
    assert pixels.at(99).distance(last, np.full_like(last, 0.5))[0] == 32
    assert np.array_equal(
        pixels.project(torch.from_numpy(x), torch.from_numpy(around)).numpy(), pixels.project(x, around)
    )


def test_a_fraction_of_a_feature_is_none() -> None:
    around, x = np.zeros((1, 3)), np.ones((1, 3))
    assert (Constraint("l0", 0.9).project(x, around) == 0).all()
    assert Constraint("l0", 2.9).project(x, around).sum() == 2
    assert Constraint("l0", 0.9).ball(around).still


@given(around=samples(0, 1), gradient=samples(-2, 2), eps=st.floats(0.01, 0.9))
def test_one_l1_step_is_the_best_that_a_linear_function_has_in_ball_and_bounds(
    around: Arrays, gradient: Arrays, eps: float
) -> None:
    """A fractional knapsack: the steepest features first, each as far as its bound."""
    ball = Constraint("l1", eps).ball(around)
    moved = ball.step_(around.copy(), gradient, eps)
    for a, g, found in zip(around, gradient, moved, strict=True):
        left, best = eps, 0.0
        for i in np.argsort(-np.abs(g)):
            taken = min(left, 1.0 - a[i] if g[i] > 0 else a[i])
            left, best = left - taken, best + abs(g[i]) * taken
        assert float(g @ (found - a)) == pytest.approx(best, abs=1e-9)


@given(around=samples(0, 1), gradient=samples(-2, 2), eps=st.integers(1, 5))
def test_one_l0_step_is_the_best_that_a_linear_function_has(
    around: Arrays, gradient: Arrays, eps: int
) -> None:
    ball = Constraint("l0", eps).ball(around)
    moved = ball.step_(around.copy(), gradient, eps)
    gains = np.maximum(gradient * (1.0 - around), -gradient * around)
    best = np.sort(gains, axis=1)[:, FEATURES - eps :].sum(axis=1)
    assert (gradient * (moved - around)).sum(axis=1) == pytest.approx(best, abs=1e-12)


@every_norm
def test_a_direction_has_length_1_and_climbs(norm: Norm) -> None:
    rng = np.random.default_rng(0)
    around, gradient = np.zeros((4, 6)), rng.normal(size=(4, 6))
    c = Constraint(norm, 1.0, -1.0, 1.0, scale=None if norm == "l0" else np.full(6, 2.0) / 2)
    direction = c.ball(around).ascent(gradient)
    assert c.distance(direction, around) == pytest.approx(np.ones(4))
    assert ((gradient * direction).sum(axis=1) > 0).all()
    assert (c.ball(around).ascent(np.full((4, 6), np.nan)) == 0).all()
    same = c.ball(torch.from_numpy(around)).ascent(torch.from_numpy(gradient))
    assert np.allclose(same.numpy(), direction)


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(0, 5))
def test_of_equal_entries_the_first_are_the_largest(values: list[int], count: int) -> None:
    order = sorted(range(4), key=lambda i: -values[i])
    array = np.array([values], dtype=np.float64)
    expected = [i in order[:count] for i in range(4)]
    assert np.asarray(largest(array, count))[0].tolist() == expected
    assert largest(torch.from_numpy(array), torch.tensor([count]))[0].tolist() == expected


@every_norm
def test_a_sample_of_no_features_is_left_alone(norm: Norm) -> None:
    none = np.zeros((2, 0))
    assert Constraint(norm, 0.0).project(none, none).shape == (2, 0)
    assert Constraint(norm, 0.5).project(none, none).shape == (2, 0)
