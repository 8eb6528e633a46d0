"""A data set as it was opened to be checked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.subject import Subject
from ancile.data.checking.profile import Column
from ancile.data.checking.repeats import Repeats
from ancile.data.rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa


class FileFault(NamedTuple):
    """A file of a folder with something wrong: broken, bomb, behind (the end of its picture) or strange."""

    path: str
    kind: str
    detail: str


class Labels(NamedTuple):
    """Which labels the set has; ``column`` is empty where it has none.

    counts   class to how many rows, of those that were drawn
    missing  of the rows that were drawn how many have none
    fault    why what is there are no classes
    """

    column: str
    counts: dict[str, int]
    missing: int = 0
    fault: str = ""


class Tabular(NamedTuple):
    """What all rows of a table were found to hold, and those that were drawn, for people to see.

    roles  name of a column to what it was taken for: number, category, text, label, source, or why it is left
    """

    columns: tuple[Column, ...]
    repeats: Repeats
    drawn: pa.Table
    roles: dict[str, str]


class Opened(NamedTuple):
    """What is there to be checked.

    kind    table, texts, pictures
    total   rows in all; ``rows`` may be fewer, drawn at random
    rows    for the search; of a table with texts and other columns one for each
    table   of what is one
    faults  of the files of a folder
    sizes   of a folder of pictures (width, height) to how many
    notes   what was done on the way in
    """

    subject: Subject
    kind: str
    total: int
    rows: tuple[Rows, ...]
    labels: Labels
    table: Tabular | None = None
    faults: tuple[FileFault, ...] = ()
    sizes: Mapping[tuple[int, int], int] = MappingProxyType({})
    notes: tuple[str, ...] = ()
