"""Cells as values that several rows share, and as parts of a model that cannot learn a single value."""

from __future__ import annotations

from typing import NamedTuple

from ancile.core.text import plain
from ancile.data.poison.additive import Parts
from ancile.data.rows import Cells, Integers, Reals
from ancile.numeric import NDArray, np

KNOTS = 7  # of the soft places along the ranks of a column: each weighs a sixth of the rows
COMMON = 0.1  # of the rows: a text or an empty cell that fewer have gets no weight, and cannot be learned
REACH = 1.0  # of the distance from the first to the last decile: what lies farther is no farther
BANDS = 16  # of a column of numbers, as patterns of near values; twice, half a band apart
MOST = 0.5  # of the rows: what more have is no pattern
SHOWN = 40  # characters of a name or a value


class Shared(NamedTuple):
    """Values that several rows have.

    rows     (pairs,)
    items    (pairs,) values from 0
    column   (values,) numbers first, then texts
    band     (values,) whether it is a band of near values
    low      (values,) the value, or the place of the text in its column; of a band its lower end
    high     (values,) the same, or its upper end
    """

    rows: Integers
    items: Integers
    column: Integers
    band: NDArray[np.bool_]
    low: Reals
    high: Reals


def shared_values(cells: Cells, least: int) -> Shared:
    """Exact values, empty cells, and bands, that at least ``least`` rows and at most half of all have."""
    found: list[tuple[Integers, int, bool, float, float]] = []
    many = len(cells.numbers)
    for at, column in enumerate(cells.numbers.T):
        found += [(rows, at, False, value, value) for rows, value in _same(column, least, many)]
        found += [(rows, at, True, low, high) for rows, low, high in _near(column, least, many)]
    for at, codes in enumerate(cells.codes.T):
        place = at + cells.numbers.shape[1]
        found += [
            (rows, place, False, value, value) for rows, value in _same(codes.astype(float), least, many)
        ]
    lengths = [len(one[0]) for one in found]
    return Shared(
        np.concatenate([np.zeros(0, np.int64), *(one[0] for one in found)]),
        np.repeat(np.arange(len(found)), lengths),
        np.array([one[1] for one in found], np.int64),
        np.array([one[2] for one in found], bool),
        np.array([one[3] for one in found], np.float64),
        np.array([one[4] for one in found], np.float64),
    )


def _same(column: Reals, least: int, many: int) -> list[tuple[Integers, float]]:
    values, place, count = np.unique(column, return_inverse=True, return_counts=True)
    order = np.argsort(place, kind="stable")
    ends = np.cumsum(count)
    often = np.flatnonzero((count >= least) & (count <= MOST * many))
    return [(np.sort(order[ends[at] - count[at] : ends[at]]), float(values[at])) for at in often]


def _near(column: Reals, least: int, many: int) -> list[tuple[Integers, float, float]]:
    values, place, count = np.unique(column, return_inverse=True, return_counts=True)
    full = np.isfinite(values)
    if full.sum() <= 2 * BANDS:
        return []
    along = ((np.cumsum(count) - count / 2) / many)[place]
    found = []
    for start in (0.0, 0.5):
        band = np.floor(along * BANDS + start).astype(np.int64)
        for one in range(BANDS + 1):
            rows = np.flatnonzero((band == one) & full[place])
            if least <= len(rows) <= MOST * many and column[rows].min() < column[rows].max():
                found.append((rows, float(column[rows].min()), float(column[rows].max())))
    return found


def said(cells: Cells, shared: Shared, item: int) -> str:
    """A value with the name of its column."""
    at, low, high = int(shared.column[item]), float(shared.low[item]), float(shared.high[item])
    width = cells.numbers.shape[1]
    if at >= width:
        held = cells.values[at - width][int(low)] if low >= 0 else ""
        return f"{plain(cells.code_names[at - width], limit=SHOWN)} = {plain(held, limit=SHOWN)!r}"
    name = plain(cells.number_names[at], limit=SHOWN)
    if shared.band[item]:
        return f"{name} from {low:.6g} to {high:.6g}"
    return f"{name} = {low:.9g}" if np.isfinite(low) else f"{name} empty"


def parts(cells: Cells) -> tuple[Parts, Integers]:
    """Each number by where it lies along its column, and each common text; and the column of each part.

    No rare value has a part of its own.
    """
    many, width = len(cells.numbers), cells.numbers.shape[1]
    columns: list[Reals] = []
    whose: list[int] = []
    for at, column in enumerate(cells.numbers.T):
        columns += _bent(column)
        whose += [at] * (len(columns) - len(whose))
    for at, codes in enumerate(cells.codes.T):
        kinds, count = np.unique(codes, return_counts=True)
        common = kinds[count >= COMMON * many]
        known = np.isin(codes, common)
        columns += [_filled((codes == kind).astype(np.float64), known) for kind in common]
        whose += [width + at] * (len(columns) - len(whose))
    whole = np.stack(columns, axis=1) if columns else np.zeros((many, 0))
    whole /= np.sqrt(max(width + cells.codes.shape[1], 1))
    rows, kinds = np.nonzero(whole)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=many))])
    held = Parts(starts, kinds.astype(np.int64), whole[rows, kinds], whole.shape[1])
    return held, np.array(whose, np.int64)


def _bent(column: Reals) -> list[Reals]:
    full = np.isfinite(column)
    if not full.any():
        return []
    values, place, count = np.unique(column[full], return_inverse=True, return_counts=True)
    rank = np.full(len(column), -1.0)
    rank[full] = ((np.cumsum(count) - (count + 1) / 2) / max(full.sum() - 1, 1))[place]
    low, middle, high = np.quantile(column[full], [0.1, 0.5, 0.9])
    reach = max(high - low, float(np.abs(values).max()) * 1e-9, 1e-300)
    far = np.clip((np.where(full, column, middle) - middle) / reach, -REACH, REACH)
    bumps = [np.maximum(0, 1 - np.abs(rank - at) * (KNOTS - 1)) for at in np.linspace(0, 1, KNOTS)]
    empty = [1.0 - full] if (~full).mean() >= COMMON else []
    return [*(_filled(one, full) for one in (far, *bumps)), *empty]


def _filled(part: Reals, known: NDArray[np.bool_]) -> Reals:
    """What is unknown is as the rest is on average: else it would be known by what it lacks."""
    filled: Reals = np.where(known, part, part[known].mean() if known.any() else 0)
    return filled
