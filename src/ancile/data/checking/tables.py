"""A table gone through once: what its columns hold, what they are taken for, and rows drawn from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.data.checking.drawing import Drawing, Drawn
from ancile.data.checking.hashing import row_hashes
from ancile.data.checking.opened import Tabular
from ancile.data.checking.profile import Column, Profiling
from ancile.data.checking.repeats import Repeating, Repeats
from ancile.inputs.batches import Batches, is_known
from ancile.inputs.faults import named
from ancile.inputs.tables import is_text

if TYPE_CHECKING:
    import pyarrow as pa

USUAL_LABELS = ("label", "labels", "target", "class", "y")  # without --label, the first that is there
WORDS = 3  # of a passage, on average; fewer are names and codes
LENGTH = 16  # characters of a passage, on average
SPLITS = ("split", "fold", "partition")

Told = Callable[[int, int], None]


class Asked(NamedTuple):
    """What the user says of the columns; empty where nothing was said."""

    label: str = ""
    source: str = ""


class Gone(NamedTuple):
    """A table that was gone through: what its columns hold, equal rows, the draw, rows in all."""

    columns: tuple[Column, ...]
    repeats: Repeats
    drawn: Drawn
    total: int


def go_through(batches: Batches, *, size: int, seed: int, told: Told | None = None) -> Gone:
    """One pass over all rows; ``size`` of them are drawn.

    told  is given rows gone through and rows in all, or 0 where nobody knows
    """
    arrow = needs("pyarrow", "tables")
    known = [at for at, kind in enumerate(batches.types) if is_known(kind)]
    if not known:
        raise AncileError(
            "table has no column of numbers, text, dates or times",
            value=named(batches.names) or "no columns",
            remedy="give a table with some",
        )
    schema = arrow.schema([(batches.names[at], _plainer(batches.types[at])) for at in known])
    profiles = [Profiling(batches.names[at], batches.types[at]) for at in known]
    drawing, repeating = Drawing(schema, size, seed=seed), Repeating()
    for batch in batches.read():
        columns = [_plain_column(batch.column(at), schema.field(i).type) for i, at in enumerate(known)]
        hashes = [one.take(column) for one, column in zip(profiles, columns, strict=True)]
        repeating.take(row_hashes(hashes))
        drawing.take(arrow.record_batch(columns, names=schema.names))
        if told is not None:
            told(drawing.seen, batches.rows or 0)
    if not drawing.seen:
        raise AncileError("table is empty", value="no rows", remedy="give at least one row")
    return Gone(tuple(one.found() for one in profiles), repeating.found(), drawing.drawn(), drawing.seen)


def _plainer(kind: pa.DataType) -> pa.DataType:
    """The one type that text columns are brought to."""
    arrow, types = needs("pyarrow", "tables"), needs("pyarrow.types", "tables")
    if not is_text(kind):
        return kind
    text = arrow.large_string()
    return arrow.dictionary(arrow.int32(), text) if types.is_dictionary(kind) else text


def _plain_column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    types = needs("pyarrow.types", "tables")
    if is_text(column.type) and not types.is_dictionary(kind):
        column = column.dictionary_decode() if types.is_dictionary(column.type) else column
        return column.cast(kind)
    return column


def tabular(gone: Gone, asked: Asked) -> Tabular:
    """What each column is taken for."""
    names = [one.name for one in gone.columns]
    absent = [name for name in (asked.label, asked.source) if name and name not in names]
    if absent:
        raise AncileError(
            f"no column is named {named(absent)}",
            value=f"columns are: {named(names)}",
            remedy="name one of them",
        )
    lowered = {name.lower(): name for name in reversed(names)}
    label = asked.label or next((lowered[usual] for usual in USUAL_LABELS if usual in lowered), "")
    roles = {one.name: _role(one, gone.drawn.table) for one in gone.columns}
    if asked.source:
        roles[asked.source] = "source"
    if label:
        roles[label] = "label"
    return Tabular(gone.columns, gone.repeats, gone.drawn.table, roles)


def _role(one: Column, drawn: pa.Table) -> str:
    if one.name.lower() in SPLITS:
        return "left out: says which part a row is of"
    if one.different <= 1:
        return "left out: the same everywhere"
    return _role_of_text(one, drawn) if one.kind == "text" else "number"


def _role_of_text(one: Column, drawn: pa.Table) -> str:
    if one.categories and 2 * one.different < one.rows:
        return "category"
    if one.length >= LENGTH and _words(drawn.column(one.name)) >= WORDS:
        return "text"
    if one.different > 0.9 * (one.rows - one.missing) and one.rows > 50:
        return "left out: different in every row"
    return "category"


def _words(column: pa.ChunkedArray) -> float:
    """Of each text, on average."""
    compute, types = needs("pyarrow.compute", "tables"), needs("pyarrow.types", "tables")
    whole = column.cast(column.type.value_type) if types.is_dictionary(column.type) else column
    spaces = compute.mean(compute.count_substring_regex(whole, r"\s+")).as_py()
    return 0.0 if spaces is None else float(spaces) + 1
