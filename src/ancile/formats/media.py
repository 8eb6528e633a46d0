"""Where pictures, sounds and films end: PNG (ISO 15948), JPEG (T.81), GIF89a, RIFF, MP4 (ISO 14496-12).

Nothing is decoded. What stands behind the end is no part of them, and readers of other formats begin there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ancile.formats.held import Held

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
GIF = re.compile(rb"GIF8[79]a")
RIFF = re.compile(rb"RIFF....(?:WAVE|WEBP|AVI )", re.DOTALL)
BOXES = re.compile(rb"\0\0\0.ftyp[\w ]{4}", re.DOTALL)
BOX_NAMES = re.compile(rb"[\w \xa9-]{4}")
STEPS = 1_000_000  # chunks, blocks and segments of one file
ALONE = (0x01, *range(0xD0, 0xD9))  # markers of JPEG without a length: TEM, RST0 to RST7, SOI
SCAN, LAST = 0xDA, 0xD9


class Media(NamedTuple):
    """What it is, where it ends, and why that could not be told."""

    kind: str
    stop: int
    fault: str = ""


def kind_of(head: bytes) -> str:
    """The kind by its first bytes; empty where it is none of these."""
    if head.startswith(PNG):
        return "PNG"
    if head.startswith(JPEG):
        return "JPEG"
    for kind, form in (("GIF", GIF), ("RIFF", RIFF), ("MP4", BOXES)):
        if form.match(head):
            return kind
    return ""


def read_media(data: Held) -> Media:
    """Where it ends; of one that breaks off, how far it went."""
    kind = kind_of(bytes(data[:16]))
    end = {"PNG": _png, "JPEG": _jpeg, "GIF": _gif, "RIFF": _riff, "MP4": _boxes}[kind]
    stop = end(data)
    if stop is None or stop > len(data):
        return Media(kind, len(data), f"a {kind} that breaks off")
    return Media(kind, stop)


def _png(data: Held) -> int | None:
    pos = len(PNG)
    for _ in range(STEPS):
        if pos + 12 > len(data):
            return None
        size, name = int.from_bytes(data[pos : pos + 4], "big"), bytes(data[pos + 4 : pos + 8])
        pos += 12 + size
        if name == b"IEND":
            return pos
    return None


def _jpeg(data: Held) -> int | None:
    pos = 2
    for _ in range(STEPS):
        if pos + 2 > len(data) or data[pos] != 0xFF:
            return None
        marker = data[pos + 1]
        if marker == LAST:
            return pos + 2
        if marker in ALONE or marker == 0xFF:
            pos += 1 if marker == 0xFF else 2
            continue
        pos += 2 + int.from_bytes(data[pos + 2 : pos + 4], "big")
        if marker == SCAN:
            pos = _behind_scan(data, pos)
    return None


def _behind_scan(data: Held, pos: int) -> int:
    """The next marker that is no stuffed byte and no restart."""
    while (found := data.find(b"\xff", pos)) >= 0 and found + 1 < len(data):
        if data[found + 1] not in (0, *ALONE):
            return found
        pos = found + 2
    return len(data)


def _gif(data: Held) -> int | None:
    pos = 13 + _table(data, 10)
    for _ in range(STEPS):
        if pos >= len(data):
            return None
        kind = data[pos]
        if kind == 0x3B:
            return pos + 1
        if kind == 0x21:
            pos = _sub_blocks(data, pos + 2)
        elif kind == 0x2C:
            pos = _sub_blocks(data, pos + 11 + _table(data, pos + 9))
        else:
            return None
    return None


def _table(data: Held, at: int) -> int:
    """Bytes of a table of colours, by the flags at ``at``."""
    flags = data[at] if at < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(data: Held, pos: int) -> int:
    while pos < len(data) and data[pos]:
        pos += data[pos] + 1
    return pos + 1


def _riff(data: Held) -> int:
    size = int.from_bytes(data[4:8], "little")
    return 8 + size + size % 2 if 8 + size + size % 2 <= len(data) else 8 + size


def _boxes(data: Held) -> int | None:
    pos = 0
    for _ in range(STEPS):
        if pos + 8 > len(data) or not BOX_NAMES.fullmatch(bytes(data[pos + 4 : pos + 8])):
            return pos
        size = int.from_bytes(data[pos : pos + 4], "big")
        if size == 1:
            size = int.from_bytes(data[pos + 8 : pos + 16], "big")
        if size == 0:
            return len(data)
        if size < 8:
            return pos
        pos += size
    return None
