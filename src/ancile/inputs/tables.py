"""CSV and Parquet files as columns, their sizes checked before memory is taken."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = 20_000  # the widest public tables (gene expression) have about as many
CSV_BYTES = 1 << 30  # what arrow makes of a CSV takes up to four times its length
CELL_BYTES = 8  # of the widest number in a column
CHUNK_BYTES = 1 << 20
DELIMITERS = (",", ";", "\t", "|")
PARQUET = b"PAR1"
# Of the metadata alone: 20,000 columns in 100 row groups have 2 million entries and under 64 MiB.
THRIFT_STRING_BYTES = 64 << 20
THRIFT_ENTRIES = 4 << 20


class Columns(NamedTuple):
    """Names and types of a table's columns, and how to read some of them."""

    names: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    read: Callable[[Sequence[str]], pa.Table]
    notes: tuple[str, ...] = ()


@contextmanager
def arrow_errors(what: str) -> Iterator[None]:
    """Whatever arrow raises over hostile bytes, as one error."""
    arrow = needs("pyarrow", "tables")
    try:
        yield
    # Arrow's own, most of which are ValueError too; its Parquet reader raises OSError for damage.
    except (arrow.ArrowException, ValueError, OverflowError, OSError, MemoryError) as reason:
        lines = str(reason).splitlines() or [type(reason).__name__]
        raise AncileError(
            f"{what} cannot be read",
            value=plain(lines[0]),
            remedy="mend that place, or write the table again",
        ) from reason


def open_csv(data: bytes, *, limit_bytes: int) -> Columns:
    """The columns of a CSV file in UTF-8 with a header line; delimiter comma, semicolon, tab or bar."""
    csv, arrow = needs("pyarrow.csv", "tables"), needs("pyarrow", "tables")
    if len(data) > min(limit_bytes, CSV_BYTES):
        raise AncileError(
            "CSV file is too large",
            value=f"{len(data)} bytes",
            remedy=f"at most {min(limit_bytes, CSV_BYTES)} bytes are read: write it as Parquet",
        )
    _check_utf8(data)
    header = data[: data.find(b"\n") if b"\n" in data else len(data)].decode("utf-8", "replace")
    delimiter = max(DELIMITERS, key=header.count)  # the first of them where none is there
    if header.count(delimiter) >= COLUMNS:
        raise too_wide(header.count(delimiter) + 1)
    with arrow_errors("CSV file"):
        table = csv.read_csv(
            arrow.BufferReader(data),
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        )
        names = tuple(table.column_names)
    notes = () if delimiter == "," else (f"columns are divided by {delimiter!r}",)
    return Columns(names, tuple(table.schema.types), lambda some: table.select(list(some)), notes)


def open_parquet(data: bytes, *, limit_bytes: int) -> Columns:
    """The columns of a Parquet file; only those that are asked for are unpacked."""
    parquet, arrow = needs("pyarrow.parquet", "tables"), needs("pyarrow", "tables")
    caps = {"thrift_string_size_limit": THRIFT_STRING_BYTES, "thrift_container_size_limit": THRIFT_ENTRIES}
    with arrow_errors("Parquet file"):
        file = parquet.ParquetFile(arrow.BufferReader(data), **caps)
        schema, facts = file.schema_arrow, file.metadata
        stated = sum(facts.row_group(at).total_byte_size for at in range(facts.num_row_groups))
        names = tuple(schema.names)
    if facts.num_columns > COLUMNS:
        raise too_wide(facts.num_columns)
    # A run-length code states a billion rows in a few bytes, so that rows count and not bytes alone.
    wanted = max(stated, facts.num_rows * facts.num_columns * CELL_BYTES)
    if wanted > limit_bytes or min(stated, facts.num_rows) < 0:
        raise AncileError(
            "Parquet file is too large",
            value=f"{facts.num_rows} rows, {facts.num_columns} columns, {stated} bytes unpacked",
            remedy=f"at most {limit_bytes} bytes are unpacked: keep the held-out part alone",
        )
    # Left as a dictionary, one long text that a million rows share is in memory once.
    texts = [name for name, kind in zip(names, schema.types, strict=True) if is_text(kind)]

    def read(some: Sequence[str]) -> pa.Table:
        with arrow_errors("Parquet file"):
            again = parquet.ParquetFile(arrow.BufferReader(data), read_dictionary=texts, **caps)
            table = again.read(columns=list(some), use_threads=False)
            # Arrow hands a dictionary's indices on unchecked; a damaged one reaches beyond the dictionary.
            table.validate(full=True)
            return table

    return Columns(names, tuple(schema.types), read)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    types = needs("pyarrow.types", "tables")
    inner = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(inner) or types.is_large_string(inner) or types.is_string_view(inner))


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers or booleans, or only gaps."""
    types = needs("pyarrow.types", "tables")
    kinds = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return any(one(kind) for one in kinds)


def _check_utf8(data: bytes) -> None:
    reader = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), CHUNK_BYTES):
        try:
            reader.decode(data[start : start + CHUNK_BYTES], final=start + CHUNK_BYTES >= len(data))
        except UnicodeDecodeError as reason:
            line = data.count(b"\n", 0, start + reason.start) + 1
            raise AncileError(
                "CSV file is not UTF-8", value=f"near line {line}", remedy="write it again as UTF-8"
            ) from reason


def too_wide(columns: int) -> AncileError:
    """What is said of a table with more columns than are read."""
    return AncileError(
        "table has too many columns", value=str(columns), remedy=f"at most {COLUMNS} columns are read"
    )
