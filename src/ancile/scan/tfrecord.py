"""Examples and logs in TFRecord are data; what stands behind the last record is looked at for itself."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import examine
from ancile.formats import tfrecord
from ancile.scan.hidden import search_numbers
from ancile.scan.part import Formatted, Part
from ancile.scan.plain_data import DATA_CHECKS, DataFacts


def is_tfrecord(part: Part) -> bool:
    """Whether this begins with a record."""
    return tfrecord.is_tfrecord(part.head[: tfrecord.HEAD_BYTES])


def examine_tfrecord(part: Part) -> Iterator[Formatted | Part]:
    """That its records are whole, and what hides in them or behind them."""
    stop = tfrecord.end_of_records(part.data)
    cut = "" if stop == len(part.data) else "records that break off, or more than are followed"
    yield Formatted("tfrecord", examine(DATA_CHECKS, DataFacts(part, unknown=cut)))
    yield search_numbers(part, "tfrecord", [(0, len(part.data))])
    if stop is not None and stop < len(part.data):
        yield part.inner("(behind it)", bytes(part.data[stop:]))
