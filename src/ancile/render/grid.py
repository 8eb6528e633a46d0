"""Rows under a header as far as a width allows, else one block for each row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ancile.render.phrases import counted
from ancile.render.width import columns, cut, padded, wrap

ROWS = 24  # of one table; the other formats show more
NAME = 24  # columns of a column's name in a block
SHORT = 24  # columns of a value that may share its line with others
INDENT = "  "


def grid(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, right: Collection[int] = ()
) -> list[str]:
    """The lines of a table, none wider than ``width`` columns.

    right  the columns that hold numbers, set to the right
    """
    shown = rows[:ROWS]
    lines = _under_header(header, shown, width, right=right)
    if lines is None:
        lines = [line for row in shown for line in _block(header, row, width)]
    more = f"{INDENT}and {counted(len(rows) - ROWS, 'row')} more"
    return [*lines, more] if len(rows) > ROWS else lines


def _under_header(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, right: Collection[int]
) -> list[str] | None:
    """The table, its header on several lines where it must be; None where the values alone are too wide.

    Where only the first column is too wide, each of its cells has a line of its own, above its values.
    """
    cells = [max((columns(row[i]) for row in rows), default=0) for i in range(len(header))]
    wide = [max(cell, columns(name)) for cell, name in zip(cells, header, strict=True)]
    tight = [
        max(cell, *(columns(word) for word in name.split(" ")))
        for cell, name in zip(cells, header, strict=True)
    ]
    for widths, gap in ((wide, 2), (tight, 2), (tight, 1)):
        if len(INDENT) + sum(widths) + gap * (len(widths) - 1) <= width:
            return [
                *_row(header, widths, gap, right=right, heads=True),
                *(line for row in rows for line in _row(row, widths, gap, right=right)),
            ]
    for gap in (2, 1):
        hanging = [max(len(INDENT), columns(header[0])), *tight[1:]]
        if len(tight) > 2 and len(INDENT) + sum(hanging) + gap * (len(hanging) - 1) <= width:
            lines = list(_row(header, hanging, gap, right=right, heads=True))
            for row in rows:
                lines += wrap(row[0], width, first=INDENT, rest=INDENT)
                lines += _row(("", *row[1:]), hanging, gap, right=right)
            return lines
    return None


def _row(
    cells: Sequence[str], widths: Sequence[int], gap: int, *, right: Collection[int], heads: bool = False
) -> Iterator[str]:
    """The lines of one row; names of columns stand at the bottom of theirs."""
    parts = [wrap(cell, width) or [""] for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, parts))
    for line in range(height):
        row = []
        for place, (part, width) in enumerate(zip(parts, widths, strict=True)):
            at = line - (height - len(part) if heads else 0)
            row.append(padded(part[at] if 0 <= at < len(part) else "", width, right=place in right))
        yield INDENT + (" " * gap).join(row)


def _block(header: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    """One row as a heading with its values, empty ones left out; short ones share a line."""
    yield from wrap(row[0], width, first=INDENT, rest=INDENT)
    named = [(cut(name, NAME), value) for name, value in zip(header[1:], row[1:], strict=True) if value]
    if len(named) > 3 and all(columns(value) <= SHORT for _, value in named):
        text = "; ".join(f"{name} {value}" for name, value in named)
        yield from wrap(text, width, first=INDENT * 2, rest=INDENT * 2)
        return
    for name, value in named:
        yield from wrap(f"{name}: {value}", width, first=INDENT * 2, rest=INDENT * 3)
