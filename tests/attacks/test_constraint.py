from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ancile.attacks.constraint import Constraint
from ancile.core.errors import AncileError

DTYPES = [np.float32, np.float64]
NORMS = ["linf", "l2"]
EPS = st.just(0.0) | st.floats(1e-200, 0.9)  # beside 0, where float64 still counts in fine steps
Arrays = NDArray[np.floating[Any]]


def arrays(dtype: Any, low: float = 0.0, high: float = 1.0) -> st.SearchStrategy[Arrays]:
    width: Literal[32, 64] = 32 if dtype == np.float32 else 64
    return hnp.arrays(dtype, (3, 4), elements=st.floats(low, high, width=width))


def exactly_inside(c: Constraint, x: Arrays, around: Arrays) -> bool:
    """Bounds and each feature's own distance, in exact arithmetic on the values as they are."""
    scale = np.broadcast_to(c.unit, around.shape)
    low, high = np.broadcast_to(c.low, around.shape), np.broadcast_to(c.high, around.shape)
    for value, centre, unit, a, b in zip(
        x.ravel(), around.ravel(), scale.ravel(), low.ravel(), high.ravel(), strict=True
    ):
        v, m = float(value), float(centre)
        if abs(v - m) > c.eps * float(unit) or not min(float(a), m) <= v <= max(float(b), m):
            return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data(), eps=EPS)
def test_a_projection_is_inside_ball_and_bounds_without_tolerance(
    norm: Any, dtype: Any, data: st.DataObject, eps: float
) -> None:
    around, x = data.draw(arrays(dtype)), data.draw(arrays(dtype, -3.0, 3.0))
    scale = data.draw(hnp.arrays(np.float64, (4,), elements=st.sampled_from([0.0, 0.3, 1.0, 7.0])))
    for c in (
        Constraint(norm, eps),
        Constraint(norm, eps / 7, scale=np.full(4, 0.7)),
        Constraint(norm, 0, scale=scale),
    ):
        placed = c.project(x, around)
        assert placed.dtype == dtype
        assert c.holds(placed, around).all()
        assert exactly_inside(c, placed, around)
        assert (c.distance(placed, around) <= c.eps).all()


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data(), eps=EPS)
def test_torch_and_numpy_project_alike(norm: Any, dtype: Any, data: st.DataObject, eps: float) -> None:
    around, x = data.draw(arrays(dtype)), data.draw(arrays(dtype, -3.0, 3.0))
    c = (
        Constraint(norm, eps, scale=np.array([1.0, 0.5, 0.0, 2.0]), low=0.1)
        if eps < 0.4
        else Constraint(norm, eps)
    )
    ours = c.project(torch.from_numpy(x), torch.from_numpy(around))
    assert c.holds(ours, torch.from_numpy(around)).all()
    assert np.allclose(ours.numpy(), c.project(x, around), rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@given(around=arrays(np.float32, -2.0, 2.0), x=arrays(np.float32, -3.0, 3.0))
def test_eps_zero_changes_nothing_bit_for_bit(norm: Any, around: Arrays, x: Arrays) -> None:
    c = Constraint(norm, 0.0, low=-1.0)
    assert c.project(x, around).tobytes() == around.tobytes()
    assert c.project(torch.from_numpy(x), torch.from_numpy(around)).numpy().tobytes() == around.tobytes()
    assert c.holds(around, around).all()


@pytest.mark.parametrize("norm", NORMS)
@given(around=arrays(np.float32), x=arrays(np.float32, -3.0, 3.0), eps=st.floats(0.01, 0.9))
def test_projecting_twice_is_projecting_once(norm: Any, around: Arrays, x: Arrays, eps: float) -> None:
    c = Constraint(norm, eps)
    once = c.project(x, around)
    assert np.array_equal(c.project(once, around), once)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_that_float32_rounds_out_of_the_ball_is_taken_back_by_one_unit(dtype: Any) -> None:
    """The sum x + 0.1 rounds up for a good part of all x; the ball's edge does not."""
    x = np.linspace(0.05, 0.85, 10_000, dtype=dtype)[:, None]
    c = Constraint("linf", 0.1)
    naive = (x + dtype(0.1)).astype(dtype)
    assert not c.holds(naive, x).all()
    edge = c.project(naive, x)
    assert c.holds(edge, x).all()
    assert (np.abs(edge - naive) <= np.spacing(naive)).all()


def test_l2_uses_the_ball_up_although_the_bounds_cut() -> None:
    """The nearest point of ball and box: feature 0 stops at its bound, feature 1 takes what is left of eps."""
    around, far = np.array([[0.9, 0.5]]), np.array([[9.0, 4.0]])
    c = Constraint("l2", 0.2, high=np.array([1.0, 2.0]))
    placed = c.project(far, around)
    assert placed[0, 0] == 1.0
    assert placed[0, 1] == pytest.approx(0.5 + np.sqrt(0.2**2 - 0.1**2), rel=1e-2)


def test_distance_is_counted_in_units_of_scale() -> None:
    around, x = np.zeros((1, 2)), np.array([[3.0, 4.0]])
    assert Constraint("l2", 1, low=-9, high=9).distance(x, around)[0] == 5.0
    assert Constraint("linf", 1, low=-9, high=9, scale=np.array([1.0, 8.0])).distance(x, around)[0] == 3.0


def test_an_immovable_feature_is_infinitely_far_and_never_moves() -> None:
    c = Constraint("linf", 0.5, movable=np.array([True, False]))
    around, x = np.array([[0.5, 0.5]]), np.array([[0.6, 0.6]])
    assert np.isinf(c.distance(x, around)[0])
    assert not c.holds(x, around)[0]
    assert c.project(x, around).tolist() == [[0.6, 0.5]]
    assert c.reach == 1.0
    assert Constraint("linf", 0.5, scale=0.0).project(x, around).tolist() == around.tolist()


def test_a_sample_beyond_the_bounds_may_stay_but_not_go_further() -> None:
    """-3e-08 from a resize is no reason to refuse a data set."""
    around = np.array([[-3e-8, 0.5]])
    c = Constraint("linf", 0.1)
    assert c.holds(around, around)[0]
    assert c.project(around, around).tolist() == around.tolist()
    assert c.project(around - 1, around)[0, 0] == -3e-8
    assert not c.holds(around - 1e-7, around)[0]


def test_bounds_are_per_feature_and_broadcast_over_an_image() -> None:
    low, high = np.array([0.0, -1.0]).reshape(2, 1, 1), np.array([1.0, 0.0]).reshape(2, 1, 1)
    around = np.zeros((1, 2, 3, 3)) + np.array([0.5, -0.5]).reshape(2, 1, 1)
    c = Constraint("linf", 1.0, low=low, high=high)
    placed = c.project(around + 9, around)
    assert (placed[0, 0] == 1.0).all()
    assert (placed[0, 1] == 0.0).all()


@pytest.mark.parametrize("norm", NORMS)
def test_of_no_samples_all_hold(norm: Any) -> None:
    none = np.zeros((0, 2, 3))
    assert Constraint(norm, 0.1).holds(none, none).shape == (0,)
    assert Constraint(norm, 0.1).project(none, none).shape == (0, 2, 3)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_not_finite_is_outside(norm: Any) -> None:
    c, around = Constraint(norm, 0.1), np.full((2, 3), 0.5)
    x = around.copy()
    x[0, 1] = np.nan
    assert c.holds(x, around).tolist() == [False, True]


def test_another_eps_keeps_the_rest() -> None:
    c = Constraint("linf", 0.1, low=-1.0, scale=2.0).at(0.3)
    assert (c.eps, c.low, c.scale) == (0.3, -1.0, 2.0)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"norm": "l3", "eps": 0.1}, "no such norm"),
        ({"norm": "l1", "eps": 0.1, "pixels": True}, "only l0 counts pixels"),
        ({"norm": "linf", "eps": -0.1}, "eps is not a distance"),
        ({"norm": "linf", "eps": float("nan")}, "eps is not a distance"),
        ({"norm": "l2", "eps": float("inf")}, "eps is not a distance"),
        ({"norm": "linf", "eps": 8.0}, "eps is beyond the data's range"),
        ({"norm": "linf", "eps": 0.6, "scale": 2.0}, "eps is beyond the data's range"),
        ({"norm": "linf", "eps": 0.1, "low": 2.0}, "the bounds are not finite"),
        ({"norm": "linf", "eps": 0.1, "high": float("nan")}, "the bounds are not finite"),
        ({"norm": "linf", "eps": 0.1, "scale": -1.0}, "a scale is negative"),
        ({"norm": "linf", "eps": 0.1, "scale": float("inf")}, "a scale is negative"),
    ],
)
def test_nonsense_is_refused_with_value_and_remedy(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(AncileError, match=what) as caught:
        Constraint(**settings)
    assert caught.value.value
    assert caught.value.remedy


def test_bounds_that_do_not_fit_the_samples_are_refused() -> None:
    c = Constraint("linf", 0.1, low=np.zeros(3), high=np.ones(3))
    with pytest.raises(AncileError, match="low does not fit the samples"):
        c.project(np.zeros((2, 4)), np.zeros((2, 4)))
    with pytest.raises(AncileError, match="movable does not fit"):
        Constraint("linf", 0.1, movable=np.ones((2, 2), dtype=bool)).fits((2,))
