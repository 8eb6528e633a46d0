"""Tables for the tests of the openers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from ancile.inputs.columns import Rows, Wanted, rows_of
from ancile.inputs.source import LIMIT_BYTES
from ancile.inputs.tables import open_csv, open_parquet


def parquet(columns: Mapping[str, Sequence[object] | pa.Array], **settings: object) -> bytes:
    """A Parquet file of these columns."""
    file = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), file, **settings)
    return file.getvalue()


def from_csv(text: str, *, label: str = "y", drop: tuple[str, ...] = (), where: str = "") -> Rows:
    """The samples in the text of a CSV file."""
    columns = open_csv(text.encode(), limit_bytes=LIMIT_BYTES)
    return rows_of(columns, Wanted(label=label, drop=drop, where=where))


def from_parquet(data: bytes, *, label: str = "y", drop: tuple[str, ...] = (), where: str = "") -> Rows:
    """The samples in a Parquet file."""
    columns = open_parquet(data, limit_bytes=LIMIT_BYTES)
    return rows_of(columns, Wanted(label=label, drop=drop, where=where))
