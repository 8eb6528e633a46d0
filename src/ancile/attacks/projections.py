"""The nearest point of a norm ball and a box, both around 0 and in units of distance: (n, features), float64.

L1 and box: Croce and Hein, "Mind the box", ICML 2021, arXiv:2103.01208, section 3, by the same sorting of the
places where the number of features on their way to 0 changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from ancile.attacks.vectors import l2_length, largest, namespace, rows
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

A = TypeVar("A", "NDArray[np.floating]", "torch.Tensor")

# Of a radius: far above the rounding of a sum in float64, far below a unit of float32
SUM_ROUNDING = 1e-12
SETTLED = 1e-15  # of a share: no further feature reached its bound


def onto_sphere(change: A, low: A, high: A, eps: float) -> A:
    """The nearest point with an L2 length of at most eps, for changes that are beyond it also when clipped.

    It is clip(s * change) for the s that uses eps up. With the features clipped at one s taken as fixed, the
    s for the rest is known; it comes to the true one from inside, and is it once no further one is clipped.
    """
    xp = namespace(change)
    allowed = eps * (1.0 - 2.0 * SUM_ROUNDING)
    share = allowed / l2_length(change)
    for _ in range(change.shape[1]):
        wanted = change * share[:, None]
        reached = xp.clip(wanted, low, high)
        held = l2_length(xp.where(reached == wanted, 0.0, reached))
        free = l2_length(xp.where(reached == wanted, change, 0.0))
        left = allowed * xp.sqrt(xp.clip(1.0 - (held / allowed) ** 2, 0.0, None))
        further = xp.where(free > 0, left / xp.where(free > 0, xp.maximum(free, left), 1.0), share)
        settled = bool((further <= share * (1.0 + SETTLED)).all())
        share = xp.maximum(further, share)
        if settled:
            break
    return cast("A", xp.clip(change * share[:, None], low, high))


def onto_cross(change: A, low: A, high: A, eps: float) -> A:
    """The nearest point with an L1 length of at most eps, for changes that are beyond it also when clipped.

    It is size - t, clipped, with the sign of the change, for the t that uses eps up. As t grows, a feature
    stays at its bound, goes down, stays at 0: the sum is linear between the places where one of them turns.
    """
    xp = namespace(change)
    allowed = eps * (1.0 - 2.0 * SUM_ROUNDING)
    size, most = xp.abs(change), xp.where(change > 0, high, -low)
    leaves, ends = xp.clip(size - most, 0.0, None), xp.where(most > 0, size, 0.0)
    leaves = xp.where(most > 0, leaves, 0.0)
    places = xp.concatenate([leaves, ends], axis=1)
    order = xp.argsort(places, axis=1)
    row = rows(order)
    places = places[row, order]
    going = xp.cumsum(xp.where(order < size.shape[1], 1.0, -1.0), axis=1)
    widths = xp.diff(places, axis=1, append=places[:, -1:])
    start = xp.sum(xp.minimum(size, most), axis=1)[:, None]
    sums = start - xp.cumsum(going * widths, axis=1)  # at the end of each stretch
    at = xp.sum(sums > allowed, axis=1)[:, None]  # the stretch in which eps is reached
    at = xp.clip(at, None, places.shape[1] - 1)
    ahead = sums[row, at] + (going * widths)[row, at] - allowed
    level = places[row, at] + ahead / xp.clip(going[row, at], 1.0, None)
    left = xp.clip(xp.minimum(size - level, most), 0.0, None)
    total = xp.sum(left, axis=1)[:, None]
    return cast("A", xp.sign(change) * left * xp.where(total > allowed, allowed / total, 1.0))


def onto_few(gain: A, count: int) -> A:
    """(n, places) which places keep their change: those with the largest gain, none without any."""
    return cast("A", namespace(gain).logical_and(largest(gain, count), gain > 0))
