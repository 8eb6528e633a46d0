"""How far CatBoost's own binary reaches: catboost/libs/model/model.cpp, ``TFullModel::Save``.

A mark, the core with its size, then what the core announces: tables of categories (``static_ctr_provider``, a
count and tables with their sizes), and what texts and embeddings are turned to numbers by, up to the end.
"""

from __future__ import annotations

from typing import NamedTuple

from ancile.formats.held import Held

MARK = b"CBM1"
TABLES = b"static_provider_v1"  # among the names of parts in the core
LASTING = (b"text_process_v", b"embed_process_")  # parts that have no size of their own, at their beginnings
MOST_TABLES = 1_000_000  # one for each category, or combination of some, that the trees ask for
LEAST_TABLE = 8  # bytes: a FlatBuffer has an offset and a table of its own
WIDE = 0xFFFFFFFF  # in place of a size: eight bytes of it follow


class Extent(NamedTuple):
    """Where the model ends, and where it is broken off; what stands behind ``stop`` is none of it."""

    stop: int
    fault: str = ""


def is_catboost(head: bytes) -> bool:
    """Whether bytes begin as CatBoost's binary."""
    return head.startswith(MARK)


def extent_of(data: Held) -> Extent:
    """Where the model ends."""
    core, start = _size(data, len(MARK))
    stop = start + core
    if stop > len(data):
        return Extent(len(data), f"a core that ends at byte {stop} of {len(data)}")
    if stop < len(data) and data.find(TABLES, start, stop) >= 0:
        number, stop = _size(data, stop)
        if number > MOST_TABLES:
            return Extent(len(data), f"{number} tables")
        for _ in range(number):
            size, start = _size(data, stop)
            stop = start + size
            if size < LEAST_TABLE or stop > len(data):
                return Extent(len(data), f"a table that ends at byte {stop} of {len(data)}")
    lasting = any(data[stop : stop + len(name)] == name for name in LASTING)
    return Extent(len(data) if lasting else stop)


def _size(data: Held, place: int) -> tuple[int, int]:
    """A size, as ``SaveSize`` writes it, and where it ends; nothing where the data has ended."""
    size, place = int.from_bytes(data[place : place + 4], "little"), place + 4
    if size == WIDE:
        size, place = int.from_bytes(data[place : place + 8], "little"), place + 8
    return size, min(place, len(data))
