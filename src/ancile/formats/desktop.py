"""What a desktop leaves beside files: Finder's ``.DS_Store``, and the ``._`` files of macOS in archives.

.DS_Store: a buddy allocator, as Mac::Finder::DSStore documents it. AppleDouble: RFC 1740, appendix B.
"""

from __future__ import annotations

import struct

from ancile.formats.held import Held

LARGEST = 4 << 20  # bytes: one of a folder with thousands of files has some hundred thousand
STORE = struct.Struct(">I4sIII")  # one, magic, place and size of the root block, its place again
STORE_BASE = 4  # bytes before that from which places count
DOUBLE = struct.Struct(">II16xH")  # magic, version, entries
ENTRY = struct.Struct(">III")  # what it is, where, how long
DOUBLE_MAGIC = (0x00051607, 0x00020000)
DATA_FORK = 1  # which only AppleSingle has: the file itself


def kind_of(data: Held) -> str:
    """``.DS_Store`` or ``AppleDouble`` where the bytes are one, in bounds; empty for anything else."""
    if len(data) > LARGEST:
        return ""
    if _is_store(data):
        return ".DS_Store"
    return "AppleDouble" if _is_double(data) else ""


def _is_store(data: Held) -> bool:
    if len(data) < STORE.size:
        return False
    head: tuple[int, bytes, int, int, int] = STORE.unpack_from(data)
    one, magic, place, size, again = head
    return one == 1 and magic == b"Bud1" and place == again and STORE_BASE + place + size <= len(data)


def _is_double(data: Held) -> bool:
    if len(data) < DOUBLE.size:
        return False
    *magic, count = DOUBLE.unpack_from(data)
    if tuple(magic) != DOUBLE_MAGIC or DOUBLE.size + count * ENTRY.size > len(data):
        return False
    entries = (ENTRY.unpack_from(data, DOUBLE.size + number * ENTRY.size) for number in range(count))
    return all(what != DATA_FORK and start + length <= len(data) for what, start, length in entries)
