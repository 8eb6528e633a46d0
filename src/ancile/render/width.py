"""How many columns of a terminal a string takes, and wrapping by columns: East Asian and emoji take two.

Width follows Unicode Standard Annex 11 (East_Asian_Width W and F are wide), marks that stand on another
character take none. Sequences that a terminal may draw as one sign (joiners, variation selectors) never get
here: ``plain`` writes such characters as escapes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator


def columns(text: str) -> int:
    """Columns that the text takes on one line."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def padded(text: str, width: int, *, right: bool = False) -> str:
    """The text with blanks up to ``width`` columns, before it where ``right``."""
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def cut(text: str, width: int) -> str:
    """The text, its end replaced by an ellipsis where it is wider than ``width`` columns."""
    return text if columns(text) <= width else f"{_head(text, width - 1)}…"


def wrap(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Lines of at most ``width`` columns, broken at spaces, or inside a word that is wider than a line.

    first, rest  what the first line and the others begin with
    """
    lines: list[str] = []
    line, empty = first, True
    for piece in _pieces(text, max(1, width - max(columns(first), columns(rest)))):
        wanted = line + ("" if empty else " ") + piece
        if not empty and columns(wanted) > width:
            lines.append(line)
            wanted = rest + piece
        line, empty = wanted, False
    return lines if empty else [*lines, line]


def _pieces(text: str, most: int) -> Iterator[str]:
    """The words; of a word wider than ``most`` columns, parts that fit."""
    for word in text.split(" "):
        left = word
        while columns(left) > most:
            part = _head(left, most) or left[0]
            yield part
            left = left[len(part) :]
        if left:
            yield left


def _head(text: str, width: int) -> str:
    taken = 0
    for place, char in enumerate(text):
        taken += _columns_of(char)
        if taken > width:
            return text[:place]
    return text
