"""The rows of a file, each by a digest of its own: what is proved to be in a version, or not to be in it.

Of a text file a row is a line without its end, as bytes; in a CSV what stands in quotes may have lines in
it. The header is a row like others. Of a Parquet or Arrow file it is a JSON array of the cells in the order
of the columns, UTF-8 without spaces: numbers as Python's ``repr`` has them, gaps null, bytes in
hexadecimal, what is neither number, text nor truth as Arrow casts it to text.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.inputs.batches import ARROW, open_batches
from ancile.inputs.row_places import LINES
from ancile.inputs.tables import PARQUET, arrow_errors, is_text

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST = 16 << 20  # bytes of a row; a quote that nothing closes would take the whole file
QUOTED = (".csv", ".tsv")


def has_rows(file: IO[bytes], name: str) -> bool:
    """Whether it is a file of rows, by its first bytes or its name; the file is at its start again."""
    head = file.read(len(ARROW))
    file.seek(0)
    return head.startswith(PARQUET) or head == ARROW or name.lower().endswith(LINES)


def rows_of(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The bytes of each row, in their order; AncileError where they cannot be read."""
    head = file.read(len(ARROW))
    file.seek(0)
    if head.startswith(PARQUET) or head == ARROW:
        return _cells(file)
    return _records(file) if name.lower().endswith(QUOTED) else _lines(file)


def digests_of(file: IO[bytes], name: str) -> Iterator[bytes]:
    """SHA-256 of each row."""
    sha256 = hashlib.sha256
    return (sha256(row).digest() for row in rows_of(file, name))


def row_at(file: IO[bytes], name: str, number: int) -> bytes:
    """Row ``number``, from 0 and without the header of a CSV; AncileError where there is none."""
    behind = min(number + name.lower().endswith(QUOTED), sys.maxsize)
    for row in islice(rows_of(file, name), behind, None):
        return row
    raise AncileError(
        "there is no such row", value=f"row {number} of {name}", remedy="the first is 0, headers do not count"
    )


def group_bytes(file: IO[bytes], number: int) -> tuple[int, int]:
    """Where a row group of a Parquet file begins and ends, by the footer (Parquet format, file metadata)."""
    parquet = needs("pyarrow.parquet", "tables")
    with arrow_errors("Parquet file"):
        about = parquet.read_metadata(file)
    if not 0 <= number < about.num_row_groups:
        raise AncileError(
            "there is no such row group",
            value=f"row group {number} of {about.num_row_groups}",
            remedy="the first is 0",
        )
    group = about.row_group(number)
    columns = [group.column(one) for one in range(group.num_columns)]
    starts = [one.dictionary_page_offset or one.data_page_offset for one in columns]
    ends = [at + one.total_compressed_size for at, one in zip(starts, columns, strict=True)]
    return min(starts, default=0), max(ends, default=0)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise _too_long()
        if row := line.rstrip(b"\r\n"):
            yield row


def _records(file: IO[bytes]) -> Iterator[bytes]:
    """Lines joined while a quote is open (RFC 4180, section 2, 6)."""
    held: list[bytes] = []
    size = 0
    while line := file.readline(LONGEST + 1):
        size += len(line)
        if size > LONGEST:
            raise _too_long()
        if not held and b'"' not in line:
            size = 0
            if row := line.rstrip(b"\r\n"):
                yield row
            continue
        is_open = bool(held) ^ (line.count(b'"') & 1)
        if is_open:
            held.append(line)
            continue
        if row := b"".join((*held, line)).rstrip(b"\r\n"):
            yield row
        held, size = [], 0
    if held:
        yield b"".join(held).rstrip(b"\r\n")


def _too_long() -> AncileError:
    return AncileError(
        "a row is too long", value=f"more than {LONGEST} bytes", remedy="close the quotes, or end the lines"
    )


def _cells(file: IO[bytes]) -> Iterator[bytes]:
    for batch in open_batches(cast("BinaryIO", file), suffix="").read():
        columns = [_plain(column).to_pylist() for column in batch.columns]
        for cells in zip(*columns, strict=True):
            yield json.dumps(cells, ensure_ascii=False, separators=(",", ":")).encode(
                "utf-8", "surrogatepass"
            )


def _plain(column: pa.Array) -> pa.Array:
    """A column of numbers, truths and texts, whatever it was; nested ones as they are where JSON has them."""
    arrow, types = needs("pyarrow", "tables"), needs("pyarrow.types", "tables")
    kind = column.type
    if is_text(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return column
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return arrow.array([None if one is None else one.hex() for one in column.to_pylist()], arrow.string())
    if types.is_nested(kind):
        return column
    return column.cast(arrow.string())
