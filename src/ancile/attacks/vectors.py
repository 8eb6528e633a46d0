"""A batch of samples as vectors, written once for numpy arrays and torch tensors: both spell these alike."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, TypeVar, cast

from ancile.numeric import np

if TYPE_CHECKING:
    from types import ModuleType

    import torch
    from numpy.typing import ArrayLike, NDArray

A = TypeVar("A", "NDArray[np.floating]", "torch.Tensor")


def namespace(x: A | NDArray[np.bool_]) -> ModuleType:
    """The library that ``x`` belongs to: numpy, or torch, which is not imported for it."""
    return np if isinstance(x, np.ndarray) else sys.modules["torch"]


def float64(value: ArrayLike, like: A) -> A:
    """``value`` in float64, of the same library and on the same device as ``like``."""
    if isinstance(like, np.ndarray):
        return cast("A", np.asarray(value, dtype=np.float64))
    xp = namespace(like)
    return cast("A", xp.as_tensor(value, dtype=xp.float64, device=like.device))


def features(x: A) -> A:
    """(n, features) of samples of any shape, also of no samples."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def per_sample(value: A, like: A) -> A:
    """(n,) numbers shaped so that they broadcast over samples."""
    return value.reshape((-1,) + (1,) * (like.ndim - 1))


def l2_length(x: A) -> A:
    """(n,) L2 lengths; the largest entry is taken out first, since the square of 1e-30 is 0 in float32."""
    xp = namespace(x)
    flat = features(x)
    if not flat.shape[1]:
        return cast("A", xp.sum(flat, axis=1))
    largest = xp.amax(xp.abs(flat), axis=1)
    divisor = xp.where(largest > 0, largest, xp.ones_like(largest))
    return cast("A", largest * xp.sqrt(xp.sum((flat / divisor[:, None]) ** 2, axis=1)))


def largest(value: A, count: int | A | NDArray[np.int64]) -> A:
    """(n, m) whether an entry is among the ``count`` largest of its sample; of equals the first ones are.

    count  one for all samples or (n,)
    """
    xp = namespace(value)
    order = descending(value)
    chosen = xp.zeros_like(value, dtype=xp.bool if xp is not np else bool)
    place = xp.cumsum(xp.ones_like(order), axis=1)  # from 1
    chosen[rows(order), order] = place <= (count if isinstance(count, int) else count[:, None])
    return cast("A", chosen)


def rows(x: A) -> A:
    """(n, 1) the place of each sample, to index with beside places (n, m)."""
    xp = namespace(x)
    return cast("A", xp.cumsum(xp.ones_like(x[:, :1], dtype=xp.int64), axis=0) - 1)


def descending(value: A) -> A:
    """(n, m) places of the entries of each sample, the largest first; of equals the first one first."""
    if isinstance(value, np.ndarray):
        return cast("A", np.argsort(-value, axis=1, kind="stable"))
    return value.argsort(dim=1, descending=True, stable=True)


def towards(around: A, change: A) -> A:
    """``around + change`` in the float type of ``around``, never further away than ``change``, in float64."""
    xp = namespace(around)
    centre = xp.asarray(around, dtype=xp.float64)
    edge = xp.asarray(centre + change, dtype=around.dtype)
    beyond = xp.abs(xp.asarray(edge, dtype=xp.float64) - centre) > xp.abs(change)
    return cast("A", xp.where(beyond, xp.nextafter(edge, around), edge))
