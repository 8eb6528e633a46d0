from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ancile.attacks.constraint import Constraint
from ancile.attacks.rays import rays
from ancile.attacks.streams import Streams


def plane(z: NDArray[np.floating]) -> NDArray[np.floating]:
    """Right where the signed sum is below 1: the nearest corner has these signs."""
    signs = np.array([1.0, 1.0, -1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
    return np.stack([np.ones(len(z)), (z * signs).sum(axis=1)], axis=1)


def test_turned_windows_find_the_corner_of_a_plane_and_bisection_its_distance() -> None:
    """Signs that change at quarters of a row: two halvings reach them. The optimum is 1 / 8."""
    x, y = np.zeros((1, 8)), np.zeros(1, dtype=np.int64)
    c = Constraint("linf", 2.0, -1.0, 1.0)
    found = rays(plane, x, y, c, Streams(0, np.arange(1)), queries=120)
    assert c.distance(found, x)[0] == pytest.approx(1 / 8, abs=2e-3)
    assert np.sign(found[0]).tolist() == [1, 1, -1, -1, -1, -1, 1, 1]


def test_nothing_is_drawn() -> None:
    x, y = np.zeros((3, 8)), np.zeros(3, dtype=np.int64)
    c = Constraint("linf", 2.0, -1.0, 1.0)
    one, other = (rays(plane, x, y, c, Streams(seed, np.arange(3)), queries=50) for seed in (1, 2))
    assert np.array_equal(one, other)
    assert np.array_equal(one[0], one[2])


def test_where_the_first_corner_does_not_fool_others_are_tried_as_far_as_the_bounds() -> None:
    """Only a point far down in the last features fools; the first corner is up."""

    def down(z: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.stack([np.full(len(z), 1.5), -z[:, 4:].sum(axis=1)], axis=1)

    x, y = np.zeros((1, 8)), np.zeros(1, dtype=np.int64)
    c = Constraint("linf", 1.0, -1.0, 1.0)
    found = rays(down, x, y, c, Streams(0, np.arange(1)), queries=60)
    assert c.distance(found, x)[0] == pytest.approx(1.5 / 4, abs=2e-3)
