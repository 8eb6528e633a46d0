"""Strings from outside, made safe to show: one line, no control or direction characters, bounded length."""

from __future__ import annotations

import unicodedata

SHOWN = 200  # characters of a foreign string that a reader can use; the rest is named by its length

# Cc control, Cf format (bidi, zero width), Cs surrogate, Co private, Cn unassigned, Zl and Zp line separators
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


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
    if len(text) > limit:
        half = max(1, (limit - 20) // 2)
        left_out = len(text) - 2 * half
        return f"{plain(text[:half], limit)}…({left_out} more)…{plain(text[-half:], limit)}"
    return "".join(escaped(c) if unicodedata.category(c) in HIDDEN else c for c in text)
