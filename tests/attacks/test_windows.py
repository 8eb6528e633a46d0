from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ancile.attacks.square import _share
from ancile.attacks.streams import Streams
from ancile.attacks.windows import bump, features, grid_of, sides, window

RNG = Streams(0, np.arange(3000))


@pytest.mark.parametrize(
    ("shape", "channels", "places", "row"),
    [
        ((3, 8, 9), 3, 72, False),
        ((1, 28, 28), 1, 784, False),
        ((8, 9, 3), 3, 72, False),
        ((8, 9), 1, 72, False),
        ((30,), 1, 30, True),
        ((), 1, 1, True),
        ((2, 3, 4, 5), 1, 120, True),
        ((2, 2, 2), 2, 4, False),
    ],
)
def test_images_have_planes_and_all_else_is_a_row(
    shape: tuple[int, ...], channels: int, places: int, row: bool
) -> None:
    grid = grid_of(shape)
    assert (grid.channels, grid.places, grid.row) == (channels, places, row)
    x = np.random.default_rng(0).random((4, *shape))
    planes = grid.planes(x)
    assert planes.shape == (4, channels, places)
    assert np.array_equal(grid.samples(planes, shape), x)


def test_a_channel_s_plane_is_the_same_for_channels_first_and_last() -> None:
    x = np.random.default_rng(0).random((2, 3, 8, 9))
    last = np.moveaxis(x, 1, -1)
    assert np.array_equal(grid_of((3, 8, 9)).planes(x), grid_of((8, 9, 3)).planes(last))


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.001, 1))
def test_windows_lie_in_the_plane_and_have_about_the_area_asked_for(
    height: int, width: int, share: float
) -> None:
    grid = grid_of((height, width))
    size = sides(grid, share * height * width)
    at = window(grid, size, RNG.take(np.arange(5)), "w", 0)
    assert at.shape == (5, size[0] * size[1])
    assert (at >= 0).all()
    assert (at < height * width).all()
    assert all(len(set(row.tolist())) == at.shape[1] for row in at)
    # a side is rounded, which moves the area by at most half the other side
    assert abs(size[0] * size[1] - share * height * width) <= max(1.0, 0.5 * max(size))


def test_windows_are_spread_evenly() -> None:
    at = window(grid_of((6, 5)), (3, 2), RNG, "w", 0)[:, 0]
    assert stats.chisquare(np.unique(at, return_counts=True)[1]).pvalue > 0.01
    assert len(np.unique(at)) == 4 * 4


def test_features_are_different_movable_and_evenly_chosen() -> None:
    movable = np.array([True, False, True, True, True, False, True])
    chosen = features(movable, 2, RNG, "f", 0)
    assert (chosen[:, 0] != chosen[:, 1]).all()
    assert movable[chosen].all()
    assert stats.chisquare(np.bincount(chosen.ravel(), minlength=7)[movable]).pvalue > 0.01


@given(st.integers(1, 30), st.integers(1, 30))
def test_a_bump_has_length_1(height: int, width: int) -> None:
    assert (bump(height, width) ** 2).sum() == pytest.approx(1.0)


def test_a_bump_is_that_of_the_authors_code() -> None:
    """Its `meta_pseudo_gaussian_pert(5)`: rectangles of weight 1, 1/4, 1/9 around the middle, two halves."""
    upper = np.array([[1 / 9, 1 / 9 + 1 / 4, 1 / 9 + 1 / 4, 1 / 9 + 1 / 4, 1 / 9]] * 2)
    upper[1, 2] += 1.0
    lower = np.full((3, 5), 1 / 9)
    lower[:, 1:4] += 1 / 4
    lower[1, 2] += 1.0
    both = np.concatenate([upper / np.sqrt((upper**2).sum()), -lower / np.sqrt((lower**2).sum())])
    assert bump(5, 5) == pytest.approx(both / np.sqrt(2), abs=1e-12)


def test_the_share_halves_at_the_paper_s_iterations() -> None:
    """Its p_selection: p / 2 after 10 of 10,000 iterations, / 4 after 50, … / 512 after 8,000."""
    at = [
        0,
        10,
        11,
        50,
        51,
        200,
        201,
        500,
        501,
        1000,
        1001,
        2000,
        2001,
        4000,
        4001,
        6000,
        6001,
        8000,
        8001,
        9999,
    ]
    halved = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]
    assert [_share(0.8, q, 10_000) for q in at] == [0.8 / 2**k for k in halved]
    assert _share(0.8, 5, 1000) == 0.8 / 2
