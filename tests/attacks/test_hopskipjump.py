from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ancile.attacks.constraint import Constraint
from ancile.attacks.hopskipjump import either, hopskipjump, spread, weights, window_bits, window_sides
from ancile.attacks.streams import Streams
from ancile.attacks.windows import grid_of
from tests.attacks.nearest_worlds import free_distance
from tests.attacks.worlds import linear


@given(seed=st.integers(0, 1000), wide=st.booleans())
def test_either_is_where(seed: int, wide: bool) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((3, 4, 5)) < 0.5
    both: NDArray[np.floating] = rng.normal(size=(2, 3, 1, 5)).astype(np.float64 if wide else np.float32)
    one, other = both
    one[0, 0, 0] = -0.0
    assert either(mask, one, other).tobytes() == np.where(mask, one, other).tobytes()


@given(
    shape=st.sampled_from([(2, 6, 5), (6, 5, 2), (7, 7), (9,), (), (2, 3, 2, 5)]),
    side=st.sampled_from([1, 2, 4]),
)
def test_every_feature_of_a_window_has_its_bit(shape: tuple[int, ...], side: int) -> None:
    grid = grid_of(shape)
    side = 1 if grid.row else side
    bits = window_bits(grid, side, 3, Streams(1, np.arange(2)), 5)
    wide = spread(grid, bits, side)
    assert wide.shape == (2, 3, int(np.prod(shape)))
    planes = grid.planes(wide[0].reshape(3, *shape)).reshape(3, grid.channels, grid.height, grid.width)
    down, across = -(-grid.height // side), -(-grid.width // side)
    windows = bits[0].reshape(3, grid.channels, down, across)
    rows, columns = np.meshgrid(np.arange(grid.height), np.arange(grid.width), indexing="ij")
    assert np.array_equal(planes, windows[:, :, rows // side, columns // side])


def test_weights_are_answers_less_their_mean_or_signs() -> None:
    answers = np.array([[True, False, False, False], [True] * 4, [False] * 4])
    assert weights(answers, np.dtype(np.float64)).tolist() == [
        [0.75, -0.25, -0.25, -0.25],
        [1.0] * 4,
        [-1.0] * 4,
    ]


def test_more_queries_come_nearer_to_the_optimum_of_a_linear_model() -> None:
    """In L2 within a few percent: the estimated direction is the normal of the plane."""
    rng = np.random.default_rng(2)
    w = linear(rng.normal(size=(3, 40)), np.zeros(3), n=20)
    c, best = Constraint("l2", 50.0, -5.0, 5.0), free_distance(w, "l2")
    medians = [
        np.median(c.distance(hopskipjump(w.model.scores, w.x.numpy(), w.y.numpy(), c, w.rng, queries=q), w.x.numpy()) / best)
        for q in (300, 3000)
    ]  # fmt: skip
    assert 1.0 <= medians[1] < 1.1 < medians[0]


def test_windows_are_halved_from_a_seventh_of_an_image_to_single_features() -> None:
    """On 8 x 8, where a window of 4 is a quarter of all, single ones at once: nearer by an eighth."""
    assert window_sides(grid_of((1, 28, 28))) == (4, 2, 1)
    assert window_sides(grid_of((224, 320, 3))) == (32, 16, 8, 4, 2, 1)
    assert window_sides(grid_of((8, 8))) == window_sides(grid_of((500,))) == (1,)
