"""How columns, labels and pictures differ from another version of the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ancile.core.exhibit import Table
from ancile.core.text import plain
from ancile.data.checking.opened import Opened
from ancile.data.rows import Cells, Content, Integers, Pictures, Reals, Rows, Texts
from ancile.measure.drift import Drift, drift_of_counts, drift_of_numbers
from ancile.numeric import np

MOST_COLUMNS = 500
STABLE = 0.1  # population stability index below which nothing has changed that matters: Siddiqi 2006
CHANCE = 0.001  # after correction for the number of columns
SHOWN = 40


class Drifted(NamedTuple):
    """How one column differs.

    chance  that it does so where nothing changed, corrected for all columns that were compared (Bonferroni)
    """

    column: str
    drift: Drift
    chance: float
    n: int

    @property
    def has_changed(self) -> bool:
        """Whether it differs by more than chance, and by so much that it matters."""
        return self.chance < CHANCE and self.drift.stability >= STABLE


class Series(NamedTuple):
    """A column: numbers, NaN where there is none, or the names of categories and which each row has."""

    numbers: Reals | None
    codes: Integers | None = None
    names: tuple[str, ...] = ()


def drift_between(old: Opened, new: Opened) -> list[Drifted]:
    """All columns that both have, the one that changed most first."""
    before, after = series_of(old.rows), series_of(new.rows)
    shared = [name for name in after if name in before][:MOST_COLUMNS]
    found = []
    for name in shared:
        drift, n = _drift(before[name], after[name])
        if drift is not None:
            found.append(Drifted(name, drift, min(1.0, drift.chance * len(shared)), n))
    return sorted(found, key=lambda one: (not one.has_changed, -one.drift.stability))


def series_of(every: Sequence[Rows]) -> dict[str, Series]:
    """Name to column: cells, length of texts, brightness and contrast of pictures, labels, sources."""
    found: dict[str, Series] = {}
    for rows in every:
        found |= _of_content(rows.content)
        if rows.y is not None:
            found["label"] = Series(None, rows.y, rows.classes)
        if rows.sources is not None:
            found["source"] = Series(None, rows.sources, rows.source_names)
    return found


def _of_content(content: Content) -> dict[str, Series]:
    if isinstance(content, Texts):
        lengths = np.array([len(one) for one in content.texts], dtype=np.float64)
        words = np.array([one.count(" ") + 1 for one in content.texts], dtype=np.float64)
        return {"characters of texts": Series(lengths), "words of texts": Series(words)}
    if isinstance(content, Pictures):
        flat = content.pixels.reshape(len(content.pixels), -1)
        return {
            "brightness of pictures": Series(flat.mean(axis=1, dtype=np.float64)),
            "contrast of pictures": Series(flat.std(axis=1, dtype=np.float64)),
        }
    return dict(_of_cells(content))


def _of_cells(cells: Cells) -> Iterator[tuple[str, Series]]:
    for at, name in enumerate(cells.number_names):
        yield name, Series(cells.numbers[:, at])
    for at, name in enumerate(cells.code_names):
        yield name, Series(None, cells.codes[:, at], cells.values[at])


def _drift(old: Series, new: Series) -> tuple[Drift | None, int]:
    """The drift and the rows behind it; None where there is nothing to compare."""
    if old.numbers is not None and new.numbers is not None:
        before, after = (one[np.isfinite(one)] for one in (old.numbers, new.numbers))
        if not (before.size and after.size):
            return None, 0
        return drift_of_numbers(before, after), min(before.size, after.size)
    if old.codes is None or new.codes is None:
        return None, 0
    names = sorted({*old.names, *new.names})
    counts = [_counts(one, names) for one in (old, new)]
    if not (counts[0].sum() and counts[1].sum()):
        return None, 0
    return drift_of_counts(counts[0], counts[1]), int(min(counts[0].sum(), counts[1].sum()))


def _counts(series: Series, names: Sequence[str]) -> Integers:
    """Rows of each name; the last place counts those without one."""
    place = {name: at for at, name in enumerate(names)}
    moved = np.array([place[name] for name in series.names] + [len(names)], dtype=np.int64)
    codes = np.zeros(0, dtype=np.int64) if series.codes is None else series.codes
    return np.bincount(moved[codes], minlength=len(names) + 1)


def drift_table(found: Sequence[Drifted], against: str) -> Table:
    """The columns, the one that changed most first."""
    rows = tuple(
        (
            plain(one.column, 80),
            "changed" if one.has_changed else "",
            round(one.drift.stability, 4),
            round(one.drift.distance, 4),
            f"{one.chance:.2g}",
        )
        for one in found[:SHOWN]
    )
    left = len(found) - SHOWN
    return Table(
        title=f"Difference from {plain(against, 120)}",
        columns=("column", "", "stability index", "distance", "chance"),
        rows=rows,
        note="Stability index: below 0.1 nothing that matters. Distance: that of the test. "
        f"Chance: corrected for {len(found)} columns." + (f" And {left} columns more." if left > 0 else ""),
    )
