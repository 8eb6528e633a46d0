"""What a caller in Python gives, looked at before the first pass; faults are told in the caller's words."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat, SupportsIndex

from ancile.attacks.constraint import UNITS, Constraint, require_count
from ancile.attacks.table import ATTACKS, Row
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PAIR = "give the lowest and the highest value: bounds=(0, 1), or two arrays that broadcast to a sample"


class Asked(NamedTuple):
    """What a caller gave beside the settings of the attack."""

    eps: float | None
    norm: str
    bounds: tuple[ArrayLike, ArrayLike]
    seed: int
    scale: ArrayLike | None
    movable: ArrayLike | None
    pixels: bool


def array_of(x: object) -> NDArray[Any]:
    """An array, tensor or sequence as an array, on the CPU and without a graph."""
    torch = sys.modules.get("torch")
    return x.detach().cpu().numpy() if torch is not None and isinstance(x, torch.Tensor) else np.asarray(x)


def constraint_of(one: Row, asked: Asked, shape: tuple[int, ...]) -> Constraint:
    """The ball and the bounds that were asked for, for samples of this shape."""
    if asked.norm not in one.norms:
        others = [other.name for other in ATTACKS if asked.norm in other.norms]
        raise AncileError(
            f"{one.name} is not defined in this norm",
            value=plain(f"norm={asked.norm}"),
            remedy=f"give norm {', '.join(one.norms)}" + (f", or use {', '.join(others)}" if others else ""),
        )
    if asked.eps is None:
        raise AncileError("eps is missing", value=f"{one.name} without eps", remedy=UNITS)
    eps = number_of("eps", asked.eps)
    require_count(asked.norm, eps)
    low, high = bounds_of(asked.bounds)
    scale = None if asked.scale is None else np.asarray(array_of(asked.scale), dtype=np.float64)
    movable = None if asked.movable is None else np.asarray(array_of(asked.movable), dtype=bool)
    constraint = Constraint(asked.norm, eps, low, high, scale, movable, asked.pixels)
    constraint.fits(shape)
    return constraint


def number_of(name: str, value: object) -> float:
    """The argument of this name as a number."""
    try:
        if isinstance(value, SupportsFloat | SupportsIndex):
            return float(value)
    except (TypeError, ValueError, RuntimeError):  # the last: a tensor of many values
        pass
    raise AncileError(
        f"{name} is not a number", value=plain(f"{name}={value!r}"), remedy=f"give one number: {name}=0.1"
    )


def whole_of(name: str, value: object) -> int:
    """The argument of this name as a whole number of at least 0."""
    try:
        found = operator.index(value) if isinstance(value, SupportsIndex) else -1
    except TypeError:  # a tensor of fractions
        found = -1
    if found < 0:
        raise AncileError(
            f"{name} does not fit: it is a whole number from 0",
            value=plain(f"{name}={value!r}"),
            remedy=f"give one, such as {name}=0",
        )
    return found


def bounds_of(given: object, *, single: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Low and high, which leave room for a change.

    single  whether they have to be one number each
    """
    pair = _pair(given)
    if pair is None or (single and (pair[0].ndim or pair[1].ndim)):
        raise AncileError("the bounds are no pair", value=plain(f"bounds={given!r}"), remedy=PAIR)
    low, high = pair
    if not (low.size and high.size) or (low.shape == high.shape and (low == high).all()):
        raise AncileError("the bounds leave no room", value=plain(f"bounds={given!r}"), remedy=PAIR)
    return low, high


def _pair(given: object) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Two arrays that broadcast to each other; None for anything else."""
    if isinstance(given, str) or not isinstance(given, Iterable):  # letters would pass for a sequence
        return None
    try:
        low, high = (np.asarray(array_of(one), dtype=np.float64) for one in given)
        np.broadcast_shapes(low.shape, high.shape)
    except (TypeError, ValueError):
        return None
    return low, high


def require_samples(samples: NDArray[np.floating], x: object) -> None:
    """Refuse what is no array of finite floating-point samples."""
    torch = sys.modules.get("torch")
    tensor = torch is not None and isinstance(x, torch.Tensor)
    if not (tensor or isinstance(x, np.ndarray)):
        raise AncileError(
            "the samples are not an array of floating-point numbers",
            value=plain(type(x).__name__),
            remedy="give an array or a tensor (n, *shape): np.asarray(x, dtype=np.float32)",
        )
    if not samples.ndim or not np.issubdtype(samples.dtype, np.floating):
        raise AncileError(
            "the samples are not an array of floating-point numbers",
            value=plain(f"{type(x).__name__} of {samples.dtype}, shape {samples.shape}"),
            remedy="give (n, *shape) in float32 or float64; 8-bit images divided by 255",
        )
    bad = int((~np.isfinite(samples.reshape(len(samples), -1))).any(axis=1).sum()) if len(samples) else 0
    if bad:
        raise AncileError(
            "the samples are not finite",
            value=f"{bad} of {len(samples)} hold NaN or infinity",
            remedy="fill in or leave out what is missing",
        )


def require_inside(samples: NDArray[np.floating], constraint: Constraint) -> None:
    """Refuse samples beyond the bounds, which are rounded to the samples' own float type."""
    shape, kind = samples.shape[1:], samples.dtype
    low, high = (
        np.broadcast_to(np.asarray(edge).astype(kind), shape) for edge in (constraint.low, constraint.high)
    )
    beyond = (samples < low) | (samples > high)
    if not beyond.any():
        return
    first = tuple(int(one) for one in np.argwhere(beyond)[0])
    where, count = first[1:], int(beyond.reshape(len(samples), -1).any(axis=1).sum())
    raise AncileError(
        "samples lie outside the bounds",
        value=f"x[{', '.join(map(str, first))}] = {samples[first]:g}, bounds {low[where]:g}..{high[where]:g};"
        f" so do {count} of {len(samples)} samples",
        remedy=f"give bounds= in the units of x, which goes from {samples.min():g} to {samples.max():g}; "
        "or clip x first",
    )


def labels_of(y: object, samples: NDArray[np.floating]) -> NDArray[np.int64]:
    """(n,) labels, one a sample."""
    labels, n = array_of(y), len(samples)
    remedy = "give one whole number a sample, the true class from 0"
    if labels.shape != (n,) and labels.size == 1:
        remedy = "samples are (n, *shape) and labels (n,), also for n = 1: give x[None] and [y]"
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise AncileError(
            "the labels do not fit the samples",
            value=f"labels of {labels.dtype}, shape {labels.shape}, for x of shape {samples.shape}",
            remedy=remedy,
        )
    return labels.astype(np.int64)


def require_classes(labels: NDArray[np.int64], classes: int) -> None:
    """Refuse labels that are none of the model's classes."""
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise AncileError(
            "a label is none of the model's classes",
            value=f"y[{row}] = {labels[row]}, the model has {classes} classes",
            remedy=f"give labels from 0 to {classes - 1}",
        )
