"""Tables, curves, pictures and text that belong to a report, each with a size that is capped when built."""

from __future__ import annotations

import math
from typing import TypeAlias

import msgspec

from ancile.core.measure import Scalar

TEXT_LENGTH = 20_000
TITLE_LENGTH = 500
NOTE_LENGTH = 2_000
TABLE_COLUMNS = 100
CURVE_SERIES = 20
TABLE_CELLS = 5_000
CELL_LENGTH = 500
CURVE_POINTS = 2_000
PICTURE_BYTES = 65_536
PNG = b"\x89PNG\r\n\x1a\n"


def _bounded(*words: str, limit: int) -> None:
    for word in words:
        if len(word) > limit:
            raise ValueError(f"exhibit: words of {len(word)} characters, {limit} at most")


class Text(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """A passage of at most 20,000 characters."""

    title: str
    text: str

    def __post_init__(self) -> None:
        _bounded(self.title, limit=TITLE_LENGTH)
        _bounded(self.text, limit=TEXT_LENGTH)


class Table(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="table"):
    """A table of at most 5,000 cells, each row as long as ``columns``."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        _bounded(self.title, *self.columns, limit=TITLE_LENGTH)
        _bounded(self.note, limit=NOTE_LENGTH)
        if not 1 <= len(self.columns) <= TABLE_COLUMNS:
            raise ValueError(f"exhibit {self.title!r}: a table has 1 to {TABLE_COLUMNS} columns")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"exhibit {self.title!r}: a row has another length than the columns")
        if len(self.columns) * len(self.rows) > TABLE_CELLS:
            raise ValueError(f"exhibit {self.title!r}: more than {TABLE_CELLS} cells")
        for cell in (c for row in self.rows for c in row):
            if isinstance(cell, str) and len(cell) > CELL_LENGTH:
                raise ValueError(f"exhibit {self.title!r}: a cell beyond {CELL_LENGTH} characters")
            if isinstance(cell, float) and not math.isfinite(cell):
                raise ValueError(f"exhibit {self.title!r}: a cell is not finite")


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One point of a curve, with its interval where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not all(v is None or math.isfinite(v) for v in (self.x, self.y, self.low, self.high)):
            raise ValueError("a point of a curve is not finite")


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A named line of a curve, points in the order in which they are drawn."""

    name: str
    points: tuple[Point, ...]


class Curve(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="curve"):
    """Lines over common axes, at most 2,000 points in all."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    note: str = ""

    def __post_init__(self) -> None:
        _bounded(self.title, self.x_label, self.y_label, *(s.name for s in self.series), limit=TITLE_LENGTH)
        _bounded(self.note, limit=NOTE_LENGTH)
        if len(self.series) > CURVE_SERIES:
            raise ValueError(f"exhibit {self.title!r}: more than {CURVE_SERIES} series")
        if sum(len(s.points) for s in self.series) > CURVE_POINTS:
            raise ValueError(f"exhibit {self.title!r}: more than {CURVE_POINTS} points")


class Picture(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="picture"):
    """A PNG of at most 64 KiB with the words that stand for it where it cannot be seen."""

    title: str
    png: bytes
    alt: str
    caption: str = ""

    def __post_init__(self) -> None:
        _bounded(self.title, limit=TITLE_LENGTH)
        _bounded(self.alt, self.caption, limit=NOTE_LENGTH)
        if len(self.png) > PICTURE_BYTES or not self.png.startswith(PNG):
            raise ValueError(f"exhibit {self.title!r}: not a PNG of at most {PICTURE_BYTES} bytes")
        if not self.alt:
            raise ValueError(f"exhibit {self.title!r}: a picture has words that stand for it")


Exhibit: TypeAlias = Text | Table | Curve | Picture
