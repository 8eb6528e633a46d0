"""The nearest edge by the slopes: on linear models its distance is the optimum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.attacks.ball import NORMS, Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.nearest import Room
from ancile.attacks.tangent import MANY, ahead, crossing
from tests.attacks.nearest_worlds import boxed_distance
from tests.attacks.worlds import World, linear, world

every_norm = pytest.mark.parametrize("norm", NORMS)


def boxed(classes: int, width: int, seed: int, n: int = 10) -> World:
    """A random linear model with samples between -0.9 and 0.9, labelled as it sees them."""
    rng = np.random.default_rng(seed)
    w = linear(rng.normal(size=(classes, width)), 0.1 * rng.normal(size=classes), n=n, seed=seed)
    w = w._replace(x=w.x.clip(-0.9, 0.9))
    return w._replace(y=w.model.logits(w.x).argmax(dim=1))


def room_of(w: World, norm: Norm) -> Room:
    return Room.of(w.x, Constraint(norm, 2.0 if norm == "linf" else 1e3, -1.0, 1.0))


@pytest.mark.slow
@every_norm
@settings(max_examples=10, deadline=None)
@given(classes=st.sampled_from([2, 3, 10]), width=st.integers(2, 12), seed=st.integers(0, 10_000))
def test_the_distance_is_the_optimum_within_the_bounds_and_infinite_beyond(
    norm: Norm, classes: int, width: int, seed: int
) -> None:
    w = boxed(classes, width, seed)
    room, best = room_of(w, norm), boxed_distance(w, norm, -1.0, 1.0)
    edge = ahead(w.model, room, w.y, classes)
    distance = edge.distance.double().numpy()
    reached = np.isfinite(distance)
    assert np.array_equal(reached, np.isfinite(best))
    near = np.isclose(distance[reached], best[reached], rtol=0.003, atol=1e-6)
    if norm == "l0":  # a place that only just reaches the edge is no margin, and one more is taken
        assert (near | (distance[reached] == best[reached] + 1)).all()
        assert near.sum() >= len(near) - 1
    else:
        assert near.all()
    fooled = w.model.logits(room.point(edge.step)).argmax(dim=1) != w.y
    assert fooled.numpy()[reached].all()
    assert not edge.fooled.any()


@every_norm
def test_a_crossing_from_elsewhere_gains_what_is_asked_and_stays_inside(norm: Norm) -> None:
    w = boxed(3, 20, 5)
    room = room_of(w, norm)
    rng = torch.Generator().manual_seed(1)
    change = room.least + (room.most - room.least) * torch.rand(
        room.least.shape, generator=rng, dtype=w.x.dtype
    )
    slope = torch.randn(room.least.shape, generator=rng, dtype=w.x.dtype)
    value = torch.full((len(w.x),), 0.5, dtype=w.x.dtype)
    step = crossing(room, change, value, slope)
    gained = (step * slope).sum(dim=1)
    most = torch.maximum((room.most - change) * slope, (room.least - change) * slope).sum(dim=1)
    assert (gained >= 0.999 * torch.minimum(value, most)).all()
    assert norm == "l0" or (gained <= 1.001 * value).all()
    assert (change + step >= room.least - 1e-6).all()
    assert (change + step <= room.most + 1e-6).all()


def test_where_no_slope_is_there_is_no_way() -> None:
    class Flat(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([0 * x.sum(dim=1) + 1, 0 * x.sum(dim=1)], dim=1)

    w = world(Flat(), torch.rand(4, 6, generator=torch.Generator().manual_seed(0)))
    edge = ahead(w.model, room_of(w, "l2"), w.y, 1)
    assert edge.distance.isinf().all()
    assert not edge.step.any()


def test_hopeless_classes_are_not_compared_where_features_are_many() -> None:
    width = 2 * MANY
    rng = np.random.default_rng(0)
    bias = np.array([0.0, -1.0, *(-1000.0,) * 8])
    w = linear(rng.normal(size=(10, width)), bias, n=20, seed=0)
    w = w._replace(y=w.model.logits(w.x).argmax(dim=1))
    before = w.model.usage.backwards
    ahead(w.model, room_of(w, "l2"), w.y, 9)
    assert w.model.usage.backwards - before == 20


def test_a_sample_that_is_misread_is_compared_no_further() -> None:
    w = boxed(4, 8, 2)
    wrong = (w.y + 1) % 4
    before = w.model.usage.backwards
    edge = ahead(w.model, room_of(w, "linf"), wrong, 3)
    assert edge.fooled.all()
    assert w.model.usage.backwards - before == len(w.x)
