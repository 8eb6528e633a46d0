"""Levels that samples lie on, and the way back onto them without leaving ball or bounds."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.assess.levels import levels_of, onto
from ancile.attacks.ball import Norm
from ancile.attacks.constraint import Constraint

RNG = np.random.default_rng(0)
EPS = {"linf": 0.1, "l2": 0.4, "l1": 1.0, "l0": 3.0}


def on(per: float, shape: tuple[int, ...] = (30, 12), start: float = 0.0) -> np.ndarray:
    """Samples on so many levels a unit."""
    most = max(2, round(per))
    return (start + RNG.integers(0, most + 1, size=shape) / per).astype(np.float32)


@pytest.mark.parametrize("per", [1.0, 4.0, 16.0, 255.0, 0.5])
def test_the_levels_of_eighths_bytes_and_whole_numbers_are_found(per: float) -> None:
    x = on(per)
    found = levels_of(x)
    assert found is not None
    assert float(found.per) == pytest.approx(per)
    np.testing.assert_array_equal(found.nearest(x), x)
    np.testing.assert_array_equal(found.nearest(x + np.float32(0.2 / per)), x)


def test_of_a_normalised_image_each_channel_has_its_own_levels() -> None:
    bytes_ = RNG.integers(0, 256, size=(8, 3, 5, 5)) / 255
    mean, std = (np.array(v).reshape(3, 1, 1) for v in ([0.48, 0.45, 0.4], [0.23, 0.22, 0.27]))
    x = ((bytes_ - mean) / std).astype(np.float32)
    found = levels_of(x)
    assert found is not None
    np.testing.assert_allclose(found.per.ravel(), 255 * std.ravel(), rtol=1e-4)
    np.testing.assert_allclose(found.nearest(x), x, rtol=1e-5, atol=1e-6)


def test_columns_of_a_table_that_lie_anyhow_have_no_levels() -> None:
    x = np.stack([RNG.normal(size=40), RNG.integers(0, 9, size=40)], axis=1).astype(np.float32)
    found = levels_of(x)
    assert found is not None
    assert found.per.tolist() == [0.0, 1.0]
    moved = found.nearest(x + np.float32(0.25))
    np.testing.assert_array_equal(moved[:, 0], x[:, 0] + np.float32(0.25))
    np.testing.assert_array_equal(moved[:, 1], x[:, 1])


def test_samples_that_lie_anyhow_have_none() -> None:
    assert levels_of(RNG.normal(size=(30, 12)).astype(np.float32)) is None
    assert levels_of(np.ones((4, 3), dtype=np.float32)) is None
    assert levels_of(np.full((4, 3), np.nan, dtype=np.float32)) is None


@given(
    seed=st.integers(0, 2**32 - 1), norm=st.sampled_from(sorted(EPS)), per=st.sampled_from([4.0, 16.0, 255.0])
)
def test_what_comes_back_lies_on_levels_inside_ball_and_bounds(seed: int, norm: str, per: float) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.integers(0, round(per) + 1, size=(5, 12)) / per).astype(np.float32)
    x[0, :2] = 0.0, 1.0
    constraint = Constraint(norm=cast("Norm", norm), eps=EPS[norm])
    levels = levels_of(x)
    assert levels is not None
    found = constraint.project(x + rng.normal(size=x.shape).astype(np.float32), x)
    for one in onto(levels, found, x, constraint):
        assert bool(constraint.holds(one, x).all())
        np.testing.assert_allclose(levels.place(one), np.rint(levels.place(one)), atol=1e-3)


@pytest.mark.parametrize(("norm", "eps", "steps"), [("linf", 0.15, 24), ("l2", 0.2, 10), ("l1", 0.2, 3)])
def test_as_many_whole_steps_are_taken_as_the_ball_has_room_for(norm: str, eps: float, steps: int) -> None:
    """Of a sixteenth each: in Linf two in each of 12 features, in L2 ten features, in L1 three steps."""
    x = np.full((1, 12), 0.5, dtype=np.float32)
    x[0, 0] = 0.5625
    constraint = Constraint(norm=cast("Norm", norm), eps=eps)
    levels = levels_of(np.concatenate([x, on(16.0)]))
    assert levels is not None
    found = constraint.project(x + np.linspace(0.5, 1.0, 12, dtype=np.float32), x)
    most = max(float(np.abs(one - x).sum()) for one in onto(levels, found, x, constraint))
    assert most == pytest.approx(steps / 16)


def test_eps_of_whole_steps_is_the_largest_that_is_not_above() -> None:
    bytes_, mixed = levels_of(on(255.0)), levels_of(np.stack([on(1.0, (40,)), RNG.normal(size=40)], axis=1))
    assert bytes_ is not None
    assert mixed is not None
    assert bytes_.steps(8 / 255) == pytest.approx(8 / 255, abs=1e-9)
    assert bytes_.steps(0.1) == pytest.approx(25 / 255)
    assert bytes_.steps(0.5 / 255) == 0
    assert mixed.steps(0.3) == 0.3
