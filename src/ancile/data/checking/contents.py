"""The drawn rows of tables as the search takes them: numbers, categories and texts, classes and sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.data.checking.hashing import numbers_of
from ancile.data.checking.opened import Labels, Tabular
from ancile.data.rows import Cells, Content, Integers, Rows, Texts
from ancile.inputs.faults import named
from ancile.inputs.tables import is_text
from ancile.numeric import np

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CLASSES = 1000  # beyond, labels are measurements or names of single rows
NAME_LENGTH = 100  # of a class, category or source in a report

Columns = Mapping[str, Sequence["pa.ChunkedArray"]]


class Coded(NamedTuple):
    """For each table the place of each cell in ``names``, -1 where it is empty."""

    codes: tuple[Integers, ...]
    names: tuple[str, ...]


class Ready(NamedTuple):
    """Rows for the search, one for each kind of content, and what is to be said of their labels."""

    rows: tuple[Rows, ...]
    labels: Labels


def rows_of(tables: Sequence[Tabular], places: Sequence[Integers]) -> list[Ready]:
    """For each table its rows; classes and categories have the same numbers in all of them.

    What columns are taken for is as in the first table. Rows without a label are left out where others have
    one.
    """
    roles = tables[0].roles
    used = {name: role for name, role in roles.items() if not role.startswith("left out")}
    columns = {
        name: [_column(one.drawn, name, needed=role != "source") for one in tables]
        for name, role in used.items()
    }
    label = next((name for name, role in roles.items() if role == "label"), "")
    coded = _coded(columns[label]) if label else None
    fault = _no_classes(coded, columns[label]) if coded else ""
    source = next((name for name, role in roles.items() if role == "source"), "")
    sources = _coded(columns[source]) if source else None
    texts = [name for name, role in roles.items() if role == "text"]
    cells = _cells(roles, columns, [len(one.drawn) for one in tables])
    found = []
    for at, table in enumerate(tables):
        y = coded.codes[at] if coded and not fault else None
        kept = np.arange(len(places[at])) if y is None else np.flatnonzero(y >= 0)
        contents: list[Content] = [_texts([columns[name][at] for name in texts], kept)] if texts else []
        if cells[at].numbers.shape[1] + cells[at].codes.shape[1] > len(texts[:1]):
            contents.append(_some(cells[at], kept))
        rows = tuple(
            Rows(
                content=content,
                y=None if y is None else y[kept],
                classes=coded.names if coded and y is not None else (),
                places=places[at][kept],
                sources=sources.codes[at][kept] if sources else None,
                source_names=sources.names if sources else (),
            )
            for content in contents
        )
        found.append(Ready(rows, _labels(label, coded, None if y is None else y[kept], table, fault)))
    return found


def _labels(column: str, coded: Coded | None, y: Integers | None, table: Tabular, fault: str) -> Labels:
    if coded is None or y is None:
        return Labels(column, {}, 0, fault)
    counts = np.bincount(y, minlength=len(coded.names)).tolist()
    return Labels(column, dict(zip(coded.names, counts, strict=True)), len(table.drawn) - len(y), fault)


def _column(table: pa.Table, name: str, *, needed: bool) -> pa.ChunkedArray:
    if name not in table.column_names and not needed:
        arrow = needs("pyarrow", "tables")
        return arrow.chunked_array([arrow.nulls(len(table), arrow.large_string())])
    if name not in table.column_names:
        raise AncileError(
            "the reference has not the same columns",
            value=f"{plain(name, 40)} is missing; it has {named(table.column_names)}",
            remedy="give a reference with the columns of the data",
        )
    return table.column(name)


def _coded(columns: Sequence[pa.ChunkedArray]) -> Coded:
    """Texts, or numbers written out, as numbers: places in the sorted names of all tables."""
    words = [_words(one) for one in columns]
    names = sorted(set().union(*({one for one in some if one} for some in words)), key=_in_order)
    place = {name: at for at, name in enumerate(names)}
    codes = tuple(np.array([place.get(one, -1) for one in some], dtype=np.int64) for some in words)
    shown = [plain(name, NAME_LENGTH) for name in names]
    return Coded(codes, tuple(shown))


def _in_order(name: str) -> tuple[bool, float, str]:
    """Numbers by value before texts."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name


def _words(column: pa.ChunkedArray) -> list[str]:
    if is_text(column.type):
        return [one or "" for one in column.to_pylist()]
    numbers = np.concatenate([numbers_of(chunk) for chunk in column.chunks] or [np.zeros(0)])
    return ["" if np.isnan(one) else f"{one:.15g}" for one in numbers.tolist()]


def _no_classes(coded: Coded, columns: Sequence[pa.ChunkedArray]) -> str:
    """Why a column of labels holds no classes; empty where it does."""
    rows = sum(int((one >= 0).sum()) for one in coded.codes)
    if not rows:
        return "no row has a label"
    many = len(coded.names)
    if many > MOST_CLASSES or (many > 20 and many > rows / 2):
        return f"{many} different values in {rows} rows are no classes"
    if not is_text(columns[0].type) and many > 20 and any("." in name for name in coded.names):
        return f"{many} different numbers with fractions are measurements, not classes"
    return ""


def _cells(roles: Mapping[str, str], columns: Columns, sizes: Sequence[int]) -> list[Cells]:
    """For each table its numbers and categories."""
    numbers = [name for name, role in roles.items() if role == "number"]
    categories = [name for name, role in roles.items() if role == "category"]
    coded = [_coded(columns[name]) for name in categories]
    found = []
    for at, size in enumerate(sizes):
        values = np.empty((size, len(numbers)))
        for place, name in enumerate(numbers):
            chunks = [numbers_of(chunk) for chunk in columns[name][at].chunks]
            values[:, place] = np.concatenate(chunks or [np.zeros(0)])
        values[~np.isfinite(values)] = np.nan
        codes = np.empty((size, len(coded)), dtype=np.int64)
        for place, one in enumerate(coded):
            codes[:, place] = one.codes[at]
        found.append(
            Cells(
                numbers=values,
                codes=codes,
                number_names=tuple(plain(name, NAME_LENGTH) for name in numbers),
                code_names=tuple(plain(name, NAME_LENGTH) for name in categories),
                values=tuple(one.names for one in coded),
            )
        )
    return found


def _some(cells: Cells, kept: Integers) -> Cells:
    return Cells(
        numbers=cells.numbers[kept],
        codes=cells.codes[kept],
        number_names=cells.number_names,
        code_names=cells.code_names,
        values=cells.values,
    )


def _texts(columns: Sequence[pa.ChunkedArray], kept: Integers) -> Texts:
    """All passages of a row as one text."""
    take = needs("pyarrow", "tables").array(kept)
    parts = [[one or "" for one in column.take(take).to_pylist()] for column in columns]
    return Texts(texts=tuple("\n".join(row) for row in zip(*parts, strict=True)))
