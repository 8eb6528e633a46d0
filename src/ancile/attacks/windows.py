"""A sample as channels over a plane, and the sets of places in it that the square attack changes together."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from ancile.attacks.streams import Streams
from ancile.attacks.vectors import namespace
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

A = TypeVar("A", "NDArray[np.floating]", "torch.Tensor")

MOST_CHANNELS = 4  # red, green, blue, alpha: a last axis of so few beside a longer first one is the channels'


class Grid(NamedTuple):
    """How a sample is laid out.

    An image has channels over height x width. A row has one channel over as many places as features, and no
    neighbours.
    """

    channels: int
    height: int
    width: int
    row: bool
    channels_last: bool

    @property
    def places(self) -> int:
        """Places in the plane."""
        return self.height * self.width

    def planes(self, x: A) -> A:
        """(n, channels, places) of samples (n, *shape); a view where the layout allows it."""
        first = namespace(x).moveaxis(x, -1, 1) if self.channels_last else x
        return cast("A", first.reshape(len(x), self.channels, self.places))

    def samples(self, planes: A, shape: tuple[int, ...]) -> A:
        """(n, *shape) of planes."""
        if not self.channels_last:
            return planes.reshape(len(planes), *shape)
        first = planes.reshape(len(planes), self.channels, self.height, self.width)
        last = namespace(first).moveaxis(first, 1, -1)
        return cast("A", np.ascontiguousarray(last) if isinstance(last, np.ndarray) else last.contiguous())


def grid_of(shape: tuple[int, ...]) -> Grid:
    """Images have three axes, channels first or last, or two without channels; all else is a row."""
    if len(shape) == 2:
        return Grid(1, *shape, row=False, channels_last=False)
    if len(shape) == 3:
        last = shape[2] <= MOST_CHANNELS < shape[0]
        channels, height, width = (shape[2], shape[0], shape[1]) if last else shape
        return Grid(channels, height, width, row=False, channels_last=last)
    return row_of(shape)


def row_of(shape: tuple[int, ...]) -> Grid:
    """A grid in which each feature is a place of its own."""
    return Grid(1, 1, math.prod(shape), row=True, channels_last=False)


def sides(grid: Grid, area: float) -> tuple[int, int]:
    """Height and width of a window of about this many places, square where the plane has room."""
    height = min(max(1, round(math.sqrt(area))), grid.height)
    width = min(max(1, round(area / height)), grid.width)
    return min(max(1, round(area / width)), grid.height), width


def window(grid: Grid, size: tuple[int, int], rng: Streams, purpose: str, step: int) -> NDArray[np.int64]:
    """(n, height * width) places of a window of this size, drawn evenly for each sample."""
    height, width = size
    free = np.array([grid.height - height + 1, grid.width - width + 1], dtype=np.int64)
    corner = rng.integers(purpose, 2, free, step=step)
    down = (corner[:, :1] + np.arange(height))[:, :, None]
    across = (corner[:, 1:] + np.arange(width))[:, None, :]
    return (down * grid.width + across).reshape(len(rng), height * width)


def features(
    movable: NDArray[np.bool_], count: int, rng: Streams, purpose: str, step: int
) -> NDArray[np.int64]:
    """(n, count) different movable features, drawn evenly for each sample; there are at least ``count``."""
    order = rng.uniform(purpose, len(movable), step=step)
    order[:, ~movable] = np.inf
    return np.argpartition(order, count - 1, axis=1)[:, :count]


@cache
def bump(height: int, width: int) -> NDArray[np.float64]:
    """(height, width) of length 1, one half a hill and the other a valley: the paper's equation 2."""
    upper, lower = _hill(height // 2, width), -_hill(height - height // 2, width)
    both = np.concatenate([upper, lower])
    return np.asarray(both / np.sqrt((both**2).sum()))


def _hill(height: int, width: int) -> NDArray[np.float64]:
    """Rectangles around the middle that sum up, the k-th of height 1 / (k + 1)^2, of length 1."""
    hill = np.zeros((height, width))
    if not height:
        return hill
    middle_down, middle_across = height // 2, width // 2
    for k in range(max(middle_down, middle_across) + 1):
        down = slice(max(middle_down - k, 0), middle_down + k + 1)
        hill[down, max(middle_across - k, 0) : middle_across + k + 1] += 1.0 / (k + 1) ** 2
    return np.asarray(hill / np.sqrt((hill**2).sum()))
