"""Tables in batches of rows, so that one larger than memory can be gone through: CSV, Parquet, Arrow files.

Arrow IPC files are also what Feather version 2 writes: Arrow columnar format 1.5, "IPC File Format".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.inputs.faults import named
from ancile.inputs.tables import (
    COLUMNS,
    DELIMITERS,
    PARQUET,
    THRIFT_ENTRIES,
    THRIFT_STRING_BYTES,
    arrow_errors,
    is_number,
    is_text,
    too_wide,
)

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = b"ARROW1"
ROWS = 1 << 16  # of one batch
BLOCK_BYTES = 8 << 20  # of a CSV at once; a row is shorter
BUFFER_BYTES = 1 << 20  # of a column at once
GROUP_BYTES = 512 << 20  # of a row group, unpacked: it is unpacked piece by piece, its dictionaries at once
# What Arrow says of a cell that is not of the type that the first block had
CONVERSION = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to ([a-z0-9]+)")


class Batches(NamedTuple):
    """Columns of a table and how to go through its rows, again and again.

    rows   in all; None where nobody knows before the end
    read   batches of at most 65,536 rows, in the order of the file
    notes  what was found out about the file
    """

    names: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    rows: int | None
    read: Callable[[], Iterator[pa.RecordBatch]]
    notes: tuple[str, ...] = ()


def open_batches(file: BinaryIO, *, suffix: str) -> Batches:
    """The table in a file that can be read from any place; it stays open for as long as it is read.

    suffix  of its name: a CSV has no other sign
    """
    head = file.read(len(ARROW))
    file.seek(0)
    if head.startswith(PARQUET):
        found = _parquet(file)
    elif head == ARROW:
        found = _arrow(file)
    else:
        found = _csv(file, delimiter="\t" if suffix == ".tsv" else None)
    if len(found.names) > COLUMNS:
        raise too_wide(len(found.names))
    twice = sorted(name for name, times in Counter(found.names).items() if times > 1)
    if twice:
        raise AncileError(
            "columns stand there twice",
            value=named(one or "without a name" for one in twice),
            remedy="give each column a name of its own",
        )
    return found


def _parquet(file: BinaryIO) -> Batches:
    parquet = needs("pyarrow.parquet", "tables")
    caps = {"thrift_string_size_limit": THRIFT_STRING_BYTES, "thrift_container_size_limit": THRIFT_ENTRIES}
    with arrow_errors("Parquet file"):
        facts = parquet.ParquetFile(file, **caps)
        schema, about = facts.schema_arrow, facts.metadata
        groups = [about.row_group(at).total_byte_size for at in range(about.num_row_groups)]
    if max(groups, default=0) > GROUP_BYTES or min(groups, default=0) < 0:
        raise AncileError(
            "a row group of the Parquet file is too large",
            value=f"{max(groups)} bytes unpacked",
            remedy=f"write it again in row groups of at most {GROUP_BYTES} bytes",
        )
    texts = [name for name, kind in zip(schema.names, schema.types, strict=True) if is_text(kind)]

    def read() -> Iterator[pa.RecordBatch]:
        with arrow_errors("Parquet file"):
            again = parquet.ParquetFile(file, read_dictionary=texts, buffer_size=BUFFER_BYTES, **caps)
            # One group after the other: a reader of all of them holds what it read of those before
            for group in range(about.num_row_groups):
                for batch in again.iter_batches(batch_size=ROWS, row_groups=[group], use_threads=False):
                    batch.validate(full=True)  # a damaged index may reach beyond its dictionary
                    yield batch

    return Batches(tuple(schema.names), tuple(schema.types), about.num_rows, read)


def _arrow(file: BinaryIO) -> Batches:
    ipc = needs("pyarrow.ipc", "tables")
    with arrow_errors("Arrow file"):
        schema = ipc.open_file(file).schema

    def read() -> Iterator[pa.RecordBatch]:
        with arrow_errors("Arrow file"):
            again = ipc.open_file(file)
            for number in range(again.num_record_batches):
                batch = again.get_batch(number)
                batch.validate(full=True)
                yield from _pieces(batch)

    return Batches(tuple(schema.names), tuple(schema.types), None, read)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, ROWS):
        yield batch.slice(start, ROWS)


def _csv(file: BinaryIO, *, delimiter: str | None) -> Batches:
    """Types follow from the first block; a column that does not keep to its own is read as a wider one."""
    arrow = needs("pyarrow", "tables")
    header = file.readline(BLOCK_BYTES).decode("utf-8", "replace")
    chosen = delimiter or max(DELIMITERS, key=header.count)
    if header.count(chosen) >= COLUMNS:
        raise too_wide(header.count(chosen) + 1)
    wider: dict[str, pa.DataType] = {}
    schema = _settled(file, chosen, wider)

    def read() -> Iterator[pa.RecordBatch]:
        with arrow_errors("CSV file"):
            for batch in _csv_reader(file, chosen, wider):
                yield from _pieces(batch)

    unread = [name for name, kind in zip(schema.names, schema.types, strict=True) if kind == arrow.binary()]
    if unread:
        raise AncileError(
            "CSV file is not UTF-8",
            value=f"columns {named(unread)}",
            remedy="write it again as UTF-8",
        )
    notes = () if chosen == "," else (f"columns are divided by {chosen!r}",)
    return Batches(tuple(schema.names), tuple(schema.types), None, read, notes)


def _csv_reader(file: BinaryIO, delimiter: str, wider: dict[str, pa.DataType]) -> pa.CSVStreamingReader:
    csv = needs("pyarrow.csv", "tables")
    file.seek(0)
    return csv.open_csv(
        _Kept(file),
        read_options=csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=wider),
    )


class _Kept:
    """A file that a reader of Arrow cannot close; it is asked for again."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def close(self) -> None:
        """Leave it open."""


def _settled(file: BinaryIO, delimiter: str, wider: dict[str, pa.DataType]) -> pa.Schema:
    """The schema with which the whole file can be read; what has to be ``wider`` is added there."""
    arrow = needs("pyarrow", "tables")
    while True:
        try:
            schema = None
            reader = _csv_reader(file, delimiter, wider)
            schema = reader.schema
            for _ in reader:
                pass
        except arrow.ArrowInvalid as reason:
            failed = CONVERSION.search(str(reason))
            if failed is None or schema is None:
                with arrow_errors("CSV file"):
                    raise
            name, kind = schema.names[int(failed[1])], schema.types[int(failed[1])]
            if wider.get(name) == arrow.string():
                with arrow_errors("CSV file"):
                    raise
            wider[name] = _wider(kind)
        else:
            return schema


def _wider(kind: pa.DataType) -> pa.DataType:
    arrow, types = needs("pyarrow", "tables"), needs("pyarrow.types", "tables")
    return arrow.float64() if types.is_integer(kind) else arrow.string()


def is_moment(kind: pa.DataType) -> bool:
    """Whether a column of this type holds dates or times."""
    types = needs("pyarrow.types", "tables")
    return bool(types.is_temporal(kind))


def is_known(kind: pa.DataType) -> bool:
    """Whether a column of this type is looked at: numbers, booleans, dates, times, text."""
    return is_number(kind) or is_text(kind) or is_moment(kind)
