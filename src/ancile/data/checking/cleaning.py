"""Data without some of its rows, written as new files of the same kind; what was there is never touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.report import Report
from ancile.core.text import plain
from ancile.data.checking.cleaning_files import clean_folder, clean_idx, clean_npz
from ancile.data.checking.opening import JSON_LINES, TEXT, batches_of, head_of, is_table
from ancile.data.files import listed
from ancile.data.reading import opened
from ancile.inputs.batches import ARROW
from ancile.inputs.opener import ZIP
from ancile.inputs.tables import PARQUET, arrow_errors
from ancile.numeric import np
from ancile.work.listing import Entry

if TYPE_CHECKING:
    import pyarrow as pa

WIDEST = 10_000_000  # rows of one range that are named
LONGEST = 1 << 30  # bytes of one row of a CSV, over all of its lines


class Unwanted(NamedTuple):
    """Rows to leave out: their places, and the paths of those that are files."""

    rows: frozenset[int]
    paths: frozenset[str] = frozenset()


class Cleaned(NamedTuple):
    """How many rows went, and how many are left."""

    gone: int
    left: int


def unwanted_of(report: Report, score: float) -> Unwanted:
    """The rows of a report with this score or more."""
    ranked = report.rows if isinstance(report.rows, tuple) else ()
    some = [one for one in ranked if one.score >= score]
    return Unwanted(frozenset(one.row for one in some), frozenset(one.path for one in some if one.path))


def parse_rows(text: str) -> Unwanted:
    """Rows as people write them: ``3,7,12-15``, from 0."""
    rows: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)) or len(part) > 40:
            raise AncileError(
                "no list of rows", value=plain(part, 40), remedy="give rows as 3,7,12-15, from 0"
            )
        start, end = int(first), int(last or first)
        if not start <= end < start + WIDEST:
            raise AncileError(
                "no range of rows",
                value=plain(part, 40),
                remedy=f"give the smaller row first, and at most {WIDEST:,} rows",
            )
        rows.update(range(start, end + 1))
    return Unwanted(frozenset(rows))


def clean(path: Path, unwanted: Unwanted, target: Path) -> Cleaned:
    """Write what is at ``path`` without the unwanted rows to ``target``, where nothing is yet.

    AncileError where a row is not there, or nothing would be left.
    """
    if path.is_dir():
        found = clean_folder(listed(path), unwanted.paths, target)
    else:
        (entry,) = listed(path).files.values()
        head = head_of(entry)
        if is_table(entry):
            found = _table(entry, head, unwanted.rows, target)
        elif head.startswith(ZIP):
            found = clean_npz(path, unwanted.rows, target)
        else:
            found = clean_idx(path, unwanted.rows, target)
    gone, left = found
    wanted = len(unwanted.paths) if path.is_dir() else len(unwanted.rows)
    if gone != wanted:
        raise AncileError(
            "rows to leave out are not there",
            value=f"{wanted - gone} of {wanted}",
            remedy="give rows of exactly this data, from 0 without a header line",
        )
    if not left:
        raise AncileError("no row would be left", value=f"{gone} rows", remedy="leave fewer out")
    return Cleaned(gone, left)


def _table(entry: Entry, head: bytes, rows: Collection[int], target: Path) -> tuple[int, int]:
    suffix = entry.path.suffix.lower()
    with opened(entry) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        if head.startswith(PARQUET):
            return _parquet(file, rows, target)
        if head.startswith(ARROW):
            return _arrow(file, rows, target)
        total = sum(batch.num_rows for batch in batches_of(file, suffix).read())
        file.seek(0)
        if suffix in (*JSON_LINES, *TEXT):
            lines = _lines(file, _is_blank if suffix in JSON_LINES else _is_bare)
        else:
            lines = _csv_rows(file)
        gone, left = _write_lines(lines, rows, target)
    if gone + left != total:
        raise AncileError(
            "rows of the file cannot be told apart",
            value=f"{gone + left} were written or left out, {total} are read",
            remedy="write the table as Parquet, and clean that",
        )
    return gone, left


def _write_lines(lines: Iterator[tuple[int, bytes]], rows: Collection[int], target: Path) -> tuple[int, int]:
    """Rows with their numbers, -1 for what is none and stays."""
    gone = left = 0
    with target.open("xb") as written:
        for number, line in lines:
            if number in rows:
                gone += 1
                continue
            left += number >= 0
            written.write(line)
    return gone, left


def _is_blank(line: bytes) -> bool:
    return not line.strip()


def _is_bare(line: bytes) -> bool:
    return not line.rstrip(b"\r\n")


def _lines(file: BinaryIO, is_empty: Callable[[bytes], bool]) -> Iterator[tuple[int, bytes]]:
    number = 0
    for line in file:
        if is_empty(line):
            yield -1, line
        else:
            yield number, line
            number += 1


def _csv_rows(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Rows of a CSV, each with all its lines: it goes on while a quote is open (RFC 4180, 2.6)."""
    number, row = -1, b""
    for line in file:
        row += line
        if row.count(b'"') % 2 and len(row) < LONGEST:
            continue
        if _is_bare(row):
            yield -1, row
        else:
            yield number, row
            number += 1
        row = b""
    if row:
        yield number, row


def _kept(batches: Iterator[pa.RecordBatch], rows: Collection[int]) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Batches without the rows, and how many went."""
    arrow = needs("pyarrow", "tables")
    wanted = np.array(sorted(rows), dtype=np.int64)
    start = 0
    for batch in batches:
        end = start + batch.num_rows
        mine = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, end)] - start
        stays = np.ones(batch.num_rows, dtype=np.bool_)
        stays[mine] = False
        yield (batch.filter(arrow.array(stays)) if mine.size else batch), int(mine.size)
        start = end


def _parquet(file: BinaryIO, rows: Collection[int], target: Path) -> tuple[int, int]:
    parquet = needs("pyarrow.parquet", "tables")
    with arrow_errors("Parquet file"):
        source = parquet.ParquetFile(file)
        with parquet.ParquetWriter(target, source.schema_arrow, compression="zstd") as writer:
            return _copied(_kept(source.iter_batches(use_threads=False), rows), writer.write_batch)


def _arrow(file: BinaryIO, rows: Collection[int], target: Path) -> tuple[int, int]:
    ipc = needs("pyarrow.ipc", "tables")
    with arrow_errors("Arrow file"):
        source = ipc.open_file(file)
        batches = (source.get_batch(at) for at in range(source.num_record_batches))
        with ipc.new_file(str(target), source.schema) as writer:
            return _copied(_kept(batches, rows), writer.write_batch)


def _copied(
    batches: Iterator[tuple[pa.RecordBatch, int]], write: Callable[[pa.RecordBatch], None]
) -> tuple[int, int]:
    gone = left = 0
    for batch, count in batches:
        gone, left = gone + count, left + batch.num_rows
        write(batch)
    return gone, left
