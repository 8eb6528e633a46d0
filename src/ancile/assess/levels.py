"""The levels that all samples lie on: eighths, bytes, whole numbers; and the way back onto them.

A model can tell what attacks make from data by that alone, and refuse it: an attacker who knows keeps to the
levels, and then nothing is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.attacks.constraint import Constraint

MOST = 1 << 16  # levels, of 16 bits: what is finer is no coarser than floats are
CLOSE = 0.02  # of a step, that a sample may lie off its level: what 16 bits leave of float32
PARTS = 4  # the least gap between two values may be so many steps: where values are few, none are neighbours
WHOLE = 1e-5  # relative: so near to a whole number of levels a unit, it is that
SPARE = 1e-6  # of a step: what eps may lack of whole steps through rounding


class Levels(NamedTuple):
    """Levels at ``start + k / per`` for whole k, feature by feature; where ``per`` is 0 there are none.

    start, per  float64, broadcastable to a sample
    """

    start: NDArray[np.float64]
    per: NDArray[np.float64]

    def place(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """How many levels above the start each value lies, a fraction between two; 0 where there are none."""
        return np.asarray((np.asarray(x, dtype=np.float64) - self.start) * self.per)

    def value(self, place: NDArray[np.float64], otherwise: NDArray[np.float32]) -> NDArray[np.float32]:
        """The values at these places, and those given where there are no levels."""
        per = np.where(self.per > 0, self.per, 1.0)
        return np.where(self.per > 0, self.start + place / per, otherwise).astype(np.float32)

    def nearest(self, x: NDArray[np.floating]) -> NDArray[np.float32]:
        """Each value on its nearest level."""
        return self.value(np.rint(self.place(x)), np.asarray(x, dtype=np.float32))

    def steps(self, eps: float) -> float:
        """The largest eps that is whole steps of every feature and not above this one; 0 for none."""
        per = float(self.per.max())
        return min(eps, float(np.floor(eps * per + SPARE)) / per) if (self.per == per).all() else eps


def levels_of(x: NDArray[np.float32]) -> Levels | None:
    """The levels of all values of these samples, else of each channel or column; None for none."""
    whole = _levels(x)
    if whole is not None:
        return Levels(*(np.asarray(one) for one in whole))
    if x.ndim < 2 or x.ndim == 3:
        return None
    parts = [_levels(x[:, k]) or (0.0, 0.0) for k in range(x.shape[1])]
    start, per = (np.asarray(one).reshape(-1, *[1] * (x.ndim - 2)) for one in zip(*parts, strict=True))
    return Levels(start, per) if per.any() else None


def _levels(x: NDArray[np.float32]) -> tuple[float, float] | None:
    """Start and levels a unit; None where values lie anyhow, or where there is but one."""
    values = np.unique(x.astype(np.float64))
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    span, gap = values[-1] - values[0], float(np.diff(values).min())
    for parts in range(1, PARTS + 1):
        count = round(span / gap * parts)
        if count > MOST:
            return None
        place = (values - values[0]) * (count / span)
        if np.abs(place - np.rint(place)).max() <= CLOSE:
            return _exact(values[0], count / span)
    return None


def _exact(start: float, per: float) -> tuple[float, float]:
    """The same without the rounding of the samples, where a unit has a whole number of levels, one at 0."""
    whole = round(per)
    if whole and abs(per - whole) <= WHOLE * whole and abs(start * whole - round(start * whole)) <= CLOSE:
        return round(start * whole) / whole, float(whole)
    return start, per


def onto(
    levels: Levels, found: NDArray[np.float32], x: NDArray[np.float32], constraint: Constraint
) -> tuple[NDArray[np.float32], ...]:
    """(n, *shape) on the levels, inside ball and bounds around ``x``, which lies on them.

    To the levels short of what was found; to those beyond; to the nearest; and, where a sum is limited,
    beyond in the features nearest to the next level for as long as there is room.
    """
    change = levels.place(found) - np.rint(levels.place(x))
    # Thousandths of a step: what lies on a level is not beyond it through rounding
    size = np.asarray(np.round(np.abs(change), 3), dtype=np.float64)
    ways = [np.floor(size), np.ceil(size), np.rint(size)]
    if constraint.norm in ("l1", "l2"):
        ways.append(_as_far(levels, size, constraint))
    short = _held(levels, np.sign(change) * ways[0], found, x, constraint)
    short = np.where(_rows(constraint.holds(short, x), x), short, x)
    answers = [_held(levels, np.sign(change) * way, found, x, constraint) for way in ways]
    return tuple(np.where(_rows(constraint.holds(one, x), x), one, short) for one in answers)


def _held(
    levels: Levels,
    steps: NDArray[np.float64],
    found: NDArray[np.float32],
    x: NDArray[np.float32],
    constraint: Constraint,
) -> NDArray[np.float32]:
    """So many steps from ``x`` in each feature, fewer where an edge is in the way."""
    ball, home = constraint.ball(x), np.rint(levels.place(x))
    for _ in range(2):  # one beyond the edge, and one more where the edge is a level that rounding missed
        at = levels.value(home + steps, found)
        steps = np.where((at < ball.low) | (at > ball.high), steps - np.sign(steps), steps)
    at = levels.value(home + steps, found)
    return np.where((steps == 0) & (levels.per > 0), x, at)


def _as_far(levels: Levels, size: NDArray[np.float64], constraint: Constraint) -> NDArray[np.float64]:
    """Whole steps, one more than there are in features nearest to it while the length stays within eps."""
    unit, per = (np.broadcast_to(one, size.shape[1:]) for one in (constraint.unit, levels.per))
    length = np.divide(1.0, unit * per, out=np.zeros(per.shape), where=unit * per > 0)
    power = 2 if constraint.norm == "l2" else 1
    least = np.floor(size)
    spent, more = (least * length) ** power, ((least + 1) * length) ** power
    flat = [one.reshape(len(size), -1) for one in (size - least, spent, more - spent, least)]
    order = np.argsort(-flat[0], axis=1, kind="stable")
    room = constraint.eps**power * (1 - SPARE) - flat[1].sum(axis=1, keepdims=True)
    up = np.take_along_axis(flat[2], order, axis=1).cumsum(axis=1) <= room
    up &= np.take_along_axis(flat[0], order, axis=1) > 0
    np.put_along_axis(flat[3], order, np.take_along_axis(flat[3], order, axis=1) + up, axis=1)
    return np.asarray(flat[3].reshape(size.shape))


def _rows(which: NDArray[np.bool_], x: NDArray[np.float32]) -> NDArray[np.bool_]:
    return which.reshape(-1, *[1] * (x.ndim - 1))
