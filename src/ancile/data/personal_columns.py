"""Which column of a table holds what: different values once each, with the column's name beside them."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.text import plain
from ancile.data.reading import opened
from ancile.inputs.batches import Batches, open_batches
from ancile.inputs.lines import open_json_lines
from ancile.inputs.tables import is_text
from ancile.patterns.column_names import guess
from ancile.work.listing import Entry

if TYPE_CHECKING:
    import pyarrow as pa

    from ancile.data.spots import Finder

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")  # that are texts as well
NUMBER_SHARE = 0.5  # of a column of numbers: less is what chance gives checksums
KEPT_VALUES = 1000  # of a column, to judge its name by
LONGEST_NAME = 100  # characters of a column's name that stand beside its values


class ColumnFound(NamedTuple):
    """Cells of a column that hold a kind; of how many that are not empty.

    named  whether the column's name says it, and not each value
    """

    column: str
    kind: str
    secret: bool
    sure: str
    cells: int
    of: int
    named: bool


class _Column:
    """What was found of a column so far."""

    def __init__(self) -> None:
        self.cells = 0
        self.counts: Counter[tuple[str, bool, str]] = Counter()
        self.values: dict[str, None] = {}
        self.is_text = True


def columns_of(entry: Entry, find: Finder, *, whole: bool) -> list[ColumnFound]:
    """What the columns of a table hold, by value and by name.

    find   what a text holds
    whole  whether all rows are gone through, else the first batch
    AncileError where the file is no table.
    """
    known: dict[str, _Column] = {}
    suffix = entry.path.suffix.lower()
    with opened(entry) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        batches: Batches = (
            open_json_lines(file) if suffix in (".jsonl", ".ndjson") else open_batches(file, suffix=suffix)
        )
        for batch in batches.read():
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                _take(known.setdefault(name, _Column()), name, column, find)
            if not whole:
                break
    return [one for name, column in known.items() for one in _told(name, column)]


def _take(held: _Column, name: str, column: pa.Array, find: Finder) -> None:
    values = _counted(column)
    if values is None:
        return
    held.is_text = held.is_text and is_text(column.type)
    held.cells += sum(values.values())
    if len(held.values) < KEPT_VALUES:
        held.values |= dict.fromkeys(list(values)[:KEPT_VALUES])
    beside = plain(name, LONGEST_NAME) + ": "
    lines = [beside + value.replace("\n", " ").replace("\r", " ") for value in values]
    starts = [0, *accumulate(len(one) + 1 for one in lines)]
    counts = list(values.values())
    seen = set()
    for one in find("\n".join(lines)):
        place = bisect_right(starts, one.start) - 1
        key = (one.kind, one.secret, one.sure)
        if one.start >= starts[place] + len(beside) and (place, key) not in seen:
            seen.add((place, key))
            held.counts[key] += counts[place]


def _counted(column: pa.Array) -> Mapping[str, int] | None:
    """Different values of texts, whole numbers or days to how often they stand there; None for others."""
    from pyarrow import types  # noqa: PLC0415 - it is there where a column is

    kind = column.type
    if types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    days = types.is_date(kind) or types.is_timestamp(kind)
    if not (days or is_text(kind) or types.is_integer(kind)):
        return None
    found: dict[str, int] = {}
    for one in column.value_counts().to_pylist():
        value = one["values"]
        if value is not None and value != "":
            found[str(value)] = int(one["counts"])
    return found


def _told(name: str, held: _Column) -> Iterator[ColumnFound]:
    shown = plain(name, LONGEST_NAME)
    for (kind, secret, sure), cells in sorted(held.counts.items()):
        if held.is_text or cells >= NUMBER_SHARE * held.cells:
            yield ColumnFound(shown, kind, secret, sure, cells, held.cells, named=False)
    guessed = guess(name, list(held.values))
    if guessed is not None and all(key[0] != guessed.kind for key in held.counts):
        yield ColumnFound(
            shown, guessed.kind, secret=False, sure=guessed.sure, cells=held.cells, of=held.cells, named=True
        )
