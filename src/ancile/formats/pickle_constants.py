"""Constants of a pickle: how long each opcode's argument is, and what it means (CPython 3.13, ``_pickle.c``).

Where the C and the Python unpickler differ, what either of them takes is taken: the scanner must go on for as
long as a victim would.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from ancile.formats.held import Held

LONGEST_LINE = 1 << 20  # of an opcode with a line of text: a name, a number
DIGITS = 4300  # that Python turns into an int (CVE-2020-10735); beyond it refuses
LONGEST_TEXT = 1 << 16  # that is handed out whole

FIXED: Final = {  # argument bytes of opcodes that push one constant
    **dict.fromkeys(b"N\x88\x89", 0),
    ord("K"): 1,
    ord("M"): 2,
    ord("J"): 4,
    ord("G"): 8,
}
SIZED: Final = {  # width of the length that stands before the bytes
    **dict.fromkeys(b"U\x8c\x8aC", 1),
    **dict.fromkeys(b"TXB\x8b", 4),
    **dict.fromkeys(b"\x8d\x8e\x96", 8),
}
SIGNED: Final = frozenset(b"T\x8b")  # whose length may be negative, which is refused
LINES: Final = frozenset(b"ILFSV")

# Constants of a fixed length in a row: what most of a large list of numbers is made of
RUN: Final = re.compile(rb"(?s:K.|M..|J.{4}|G.{8}|[N\x88\x89])+")
ONE: Final = re.compile(rb"(?s:K.|M..|J.{4}|G.{8}|[N\x88\x89])")

ESCAPE: Final = re.compile(rb"(?s)\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|x|.|$)")
ESCAPES: Final = {
    b"\n": b"", b"\\": b"\\", b"'": b"'", b'"': b'"', b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n",
    b"r": b"\r", b"t": b"\t", b"v": b"\v",
}  # fmt: skip

Plain = None | bool | int | float | str | bytes


class Broken(Exception):  # noqa: N818 - it ends a walk as often as it is an error
    """Here every unpickler ends: the data is cut off, or an opcode refuses what it is given."""


def line_end(data: Held, start: int, end: int) -> int:
    """Where the line that begins at ``start`` has its LF."""
    found = data.find(b"\n", start, min(end, start + LONGEST_LINE))
    if found < 0:
        raise Broken("a line of text has no end")
    return found


def after(data: Held, offset: int, end: int) -> int:
    """The offset behind the constant at ``offset``; Broken where its argument is cut off."""
    opcode, start = data[offset], offset + 1
    if (width := FIXED.get(opcode)) is not None:
        stop = start + width
    elif (width := SIZED.get(opcode)) is not None:
        size = int.from_bytes(data[start : start + width], "little", signed=opcode in SIGNED)
        if size < 0 or start + width > end:
            raise Broken("a length is negative" if size < 0 else "the data ends within an opcode")
        stop = start + width + size
    else:
        stop = line_end(data, start, end) + 1
    if stop > end:
        raise Broken("the data ends within an opcode")
    return stop


def check(data: Held, offset: int, stop: int) -> None:
    """Broken where every unpickler refuses the argument of the constant between ``offset`` and ``stop``."""
    opcode = data[offset]
    if opcode in LINES or opcode in b"X\x8c\x8d":
        value(data, offset, stop)


def value(data: Held, offset: int, stop: int) -> Plain:
    """What the constant means; of a long text or long bytes only the beginning."""
    opcode, start = data[offset], offset + 1
    if opcode in FIXED:
        return _fixed(opcode, bytes(data[start:stop]))
    if opcode in LINES:
        return _of_line(opcode, bytes(data[start : stop - 1]))
    start += SIZED[opcode]
    held = bytes(data[start : min(stop, start + LONGEST_TEXT)])
    if opcode in b"\x8a\x8b":
        return int.from_bytes(held, "little", signed=True)
    if opcode in b"X\x8c\x8d":
        return _utf8(held, cut=start + LONGEST_TEXT < stop)
    if opcode in b"UT":
        return held.decode("latin-1")  # ASCII by default; numpy and torch ask for more
    return held


def _fixed(opcode: int, held: bytes) -> Plain:
    if not held:
        return {ord("N"): None, 0x88: True, 0x89: False}[opcode]
    if opcode == ord("G"):
        return float(struct.unpack(">d", held)[0])
    return int.from_bytes(held, "little", signed=opcode == ord("J"))


def _utf8(held: bytes, *, cut: bool) -> str:
    try:
        return held.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as reason:
        if cut and reason.start > len(held) - 4:
            return held[: reason.start].decode("utf-8", "surrogatepass")
        raise Broken("a text is not UTF-8") from reason


def _of_line(opcode: int, line: bytes) -> Plain:
    try:
        if opcode == ord("F"):
            return float(line)
        if opcode == ord("V"):
            return line.decode("raw-unicode-escape")
        if opcode == ord("S"):
            return _quoted(line)
        return _whole_number(line, is_long=opcode == ord("L"))
    except (ValueError, UnicodeDecodeError) as reason:
        raise Broken("a text means nothing") from reason


def _whole_number(line: bytes, *, is_long: bool) -> Plain:
    if len(line) > DIGITS:
        raise ValueError("digits")
    if line in (b"00", b"01") and not is_long:
        return line == b"01"
    if is_long:
        line = line.removesuffix(b"L")
    text = line.decode("ascii")
    return int(text, 0)


def _quoted(line: bytes) -> str:
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("quotes")
    return _unescaped(line[1:-1]).decode("latin-1")


def _unescaped(held: bytes) -> bytes:
    """As a bytes literal is read (Python reference, 2.4.1.1); an unknown escape stays as it is."""
    return ESCAPE.sub(_escaped, held)


def _escaped(found: re.Match[bytes]) -> bytes:
    said = found[1]
    if said[:1] == b"x":
        if len(said) < 3:
            raise ValueError("escape")
        return bytes([int(said[1:], 16)])
    if said[:1].isdigit() and said[:1] < b"8":
        return bytes([int(said, 8) & 0xFF])
    if not said:
        raise ValueError("escape")
    return ESCAPES.get(said, b"\\" + said)
