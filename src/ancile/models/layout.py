"""How samples lie: the layouts of a data set and those that networks want."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

CHANNELS = (1, 2, 3, 4)  # grey, grey with alpha, colour, colour with alpha


class Layout(NamedTuple):
    """A way to lay samples out; ``change`` works on numpy arrays and torch tensors alike.

    note   what was done, empty for nothing
    """

    note: str
    change: Callable[[Any], Any]


AS_THEY_ARE = Layout("", lambda x: x)
ADD_CHANNEL = Layout("samples (h, w) are given to the model as (1, h, w)", lambda x: x[:, None])
CHANNELS_FIRST = Layout(
    "samples (h, w, c) are given to the model as (c, h, w)", lambda x: x.swapaxes(1, 3).swapaxes(2, 3)
)
CHANNELS_LAST = Layout(
    "samples (c, h, w) are given to the model as (h, w, c)", lambda x: x.swapaxes(1, 3).swapaxes(1, 2)
)
CHANNEL_LAST_ADDED = Layout(
    "samples (h, w) are given to the model as (h, w, 1)", lambda x: x.reshape(*x.shape, 1)
)
FLAT = Layout("samples are given to the model as rows", lambda x: x.reshape(len(x), -1))


def layouts(shape: tuple[int, ...]) -> Iterator[Layout]:
    """Ways to give samples of this shape to a model, likeliest first."""
    yield AS_THEY_ARE
    if len(shape) == 2:
        yield ADD_CHANNEL
        yield CHANNEL_LAST_ADDED
    if len(shape) == 3 and shape[2] in CHANNELS:
        yield CHANNELS_FIRST
    if len(shape) == 3 and shape[0] in CHANNELS:
        yield CHANNELS_LAST
    if len(shape) > 1:
        yield FLAT


def layout_for(shape: tuple[int, ...], declared: tuple[int | None, ...] | None) -> Layout | None:
    """The layout whose result fits the declared shape of a sample (None: any length), or None."""
    if declared is None:
        return AS_THEY_ARE
    for one in layouts(shape):
        laid = _shape_after(one, shape)
        if len(laid) == len(declared) and all(d in (None, s) for s, d in zip(laid, declared, strict=True)):
            return one
    return None


def _shape_after(layout: Layout, shape: tuple[int, ...]) -> tuple[int, ...]:
    import numpy as np  # noqa: PLC0415 - one empty array; the room's other users of layouts come with theirs

    return tuple(layout.change(np.empty((1, *shape), dtype=bool)).shape[1:])
