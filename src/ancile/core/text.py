"""Strings from outside, made safe to show: one line, no control or direction characters, bounded length."""

from __future__ import annotations

import unicodedata

SHOWN = 200  # characters of a foreign string that a reader can use; the rest is named by its length

# Cc control, Cf format (bidi, zero width), Cs surrogate, Co private, Cn unassigned, Zl and Zp line separators
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Default_Ignorable_Code_Point of Unicode, and blanks that are letters or symbols by category
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))  # variation selectors
MARKS = 2  # combining marks on one character that scripts need; more of them paint over other lines


def escaped(char: str) -> str:
    """A character as Python would write it, in ASCII."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, carried by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def plain(text: str, limit: int = SHOWN) -> str:
    r"""A foreign string on one line, with hidden characters escaped and its middle left out beyond ``limit``.

    Every control, format, surrogate and separator character becomes its escape (``\x1b``, ``\u202e``), so
    that the result can neither move a cursor, nor reorder a line, nor start a new one. Cutting comes first:
    the cost is bounded by ``limit``, whatever the length of ``text``.
    """
    if limit < 1:
        raise ValueError("a string is shown with at least one character")
    if len(text) > limit:
        half = max(1, (limit - 20) // 2)
        left_out = len(text) - 2 * half
        return f"{plain(text[:half], limit)}…({left_out} more)…{plain(text[-half:], limit)}"
    if text.isascii() and text.isprintable():
        return text
    shown, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        shown.append(escaped(char) if marks > MARKS or is_hidden(char) else char)
    return "".join(shown)


def is_hidden(char: str) -> bool:
    """Whether a character shows as nothing, as another blank than a space, or acts on what is around it."""
    category = unicodedata.category(char)
    odd_space = category == "Zs" and char != " "
    return (
        category in HIDDEN
        or odd_space
        or char in BLANK
        or any(ord(char) in selectors for selectors in SELECTORS)
    )
