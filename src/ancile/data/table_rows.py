"""Rows of CSV and JSON lines files as the bytes that they are, with one cell read out of each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.text import plain

LONGEST_ROW = 8 << 20  # bytes
FORMS = {
    ".csv": ",",
    ".tsv": "\t",
    ".jsonl": "",
    ".ndjson": "",
}  # suffix to what divides cells; JSON has names


class TableRow(NamedTuple):
    """A row of a file: its bytes, with the line break; the cell, None where it has none."""

    data: bytes
    cell: str | None
    is_header: bool = False


def rows_with(path: Path, column: str) -> Iterator[TableRow]:
    """The rows of a file in their order, each with its cell of the column.

    AncileError where the file is of another form, or a CSV has no such column.
    """
    divider = FORMS.get(path.suffix.lower())
    if divider is None:
        raise AncileError(
            "this file cannot be gone through row by row",
            value=plain(str(path)),
            remedy="write it as CSV (.csv, .tsv) or JSON lines (.jsonl)",
        )
    with path.open("rb") as file:
        if not divider:
            yield from (TableRow(one, _field(one, column)) for one in _lines(file, path))
            return
        records = _records(file, path, divider)
        header = next(records, b"")
        place = _place(header, column, divider, path)
        yield TableRow(header, None, is_header=True)
        yield from (TableRow(one, _cell(one, place, divider)) for one in records)


def _lines(file: Iterable[bytes], path: Path) -> Iterator[bytes]:
    for line in file:
        if len(line) > LONGEST_ROW:
            raise _too_long(path)
        if line.strip():
            yield line


def _records(file: Iterable[bytes], path: Path, divider: str) -> Iterator[bytes]:
    """Rows of a CSV file (RFC 4180): a line break within quotes ends none."""
    record = b""
    for line in file:
        record += line
        if len(record) > LONGEST_ROW:
            raise _too_long(path)
        if record.count(b'"') % 2 == 0:
            if record.count(b"\n") > 1 and len(_all_cells(record, divider)) != 1:
                raise AncileError(
                    "quotes of the table are not in pairs",
                    value=plain(f"{path}: {record[:60]!r}", 120),
                    remedy="write it as RFC 4180 has it, or as JSON lines",
                )
            if record.strip():
                yield record
            record = b""
    if record.strip():
        yield record


def _place(header: bytes, column: str, divider: str, path: Path) -> int:
    names = _cells(header.removeprefix(b"\xef\xbb\xbf"), divider)
    if names.count(column) != 1:
        raise AncileError(
            "no such column" if column not in names else "the column stands there twice",
            value=plain(f"{path}: {column}"),
            remedy=plain(f"it has {', '.join(names[:20])}", 200),
        )
    return names.index(column)


def _cells(row: bytes, divider: str) -> list[str]:
    return next(iter(_all_cells(row, divider)), [])


def _all_cells(record: bytes, divider: str) -> list[list[str]]:
    """The record as the csv module reads it: one row, unless quotes were counted wrongly."""
    text = io.StringIO(record.decode("utf-8", "surrogateescape"), newline="")
    try:
        return list(csv.reader(text, delimiter=divider))
    except csv.Error:
        return []


def _cell(row: bytes, place: int, divider: str) -> str | None:
    cells = _cells(row, divider)
    return cells[place].strip() if place < len(cells) else None


def _field(row: bytes, column: str) -> str | None:
    try:
        said = json.loads(row)
    except (ValueError, RecursionError):
        return None
    found = said.get(column) if isinstance(said, dict) else None
    return str(found).strip() if isinstance(found, str | int) else None


def _too_long(path: Path) -> AncileError:
    return AncileError(
        "a row is too long", value=plain(str(path)), remedy=f"rows have at most {LONGEST_ROW >> 20} MiB"
    )
