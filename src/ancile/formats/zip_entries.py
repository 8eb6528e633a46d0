"""Entries of a zip archive as each of its readers sees them: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4.

Readers disagree: one goes by the central directory, one by the local headers, one takes the first of two
members of a name and one the last. So both are read, what differs is told, and content is unpacked whatever
its checksum says.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from ancile.formats.beginnings import END_BYTES, LOCAL, zip_end
from ancile.formats.compressed import BROKEN, Deflate, Inflater, inflate
from ancile.formats.held import Held, Spool, chunks, piece

END64, LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
CENTRAL = b"PK\x01\x02"
CENTRAL_BYTES, LOCAL_BYTES = 46, 30
CENTRAL_FIELDS = struct.Struct("<8xHH4xIIIHHH4xII")  # flags to the place of the local header
LOCAL_FIELDS = struct.Struct("<6xHH16xHH")  # flags, method, lengths of name and extra field
STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
ENCRYPTED, PATCHED, STRONG = 0x1, 0x20, 0x40
DESCRIPTOR_BYTES = 24  # that may follow a member's content
ENTRIES = 500_000
FULL = 0xFFFFFFFF  # a size that stands in the zip64 field


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A member, by the central directory.

    start    of its content
    mode     UNIX mode bits, 0 where there are none
    disagree what its local header says differently; empty where both agree
    """

    name: str
    method: int
    flags: int
    crc: int
    packed_bytes: int
    content_bytes: int
    start: int
    header: int
    mode: int
    disagree: str


class Fault(NamedTuple):
    """What is wrong with the archive itself."""

    what: str
    offset: int


class Archive(msgspec.Struct, frozen=True):
    """All entries in the order of the directory, what is wrong, and bytes that belong to none."""

    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...]
    strays: tuple[tuple[int, int], ...]


class _Directory(NamedTuple):
    start: int
    listed: int
    shift: int
    end: int


def read_archive(data: Held) -> Archive:
    """What both directories say; nothing is unpacked."""
    faults: list[Fault] = []
    found = _directory(data, faults)
    entries = tuple(_entries(data, found, faults)) if found else ()
    if found and len(entries) != found.listed:
        faults.append(
            Fault(f"the directory counts {found.listed} members and lists {len(entries)}", found.end)
        )
    seen: dict[str, str] = {}
    for one in entries:
        if one.name.lower() in seen:
            faults.append(Fault(f"two members are called {one.name!r}", one.header))
        seen[one.name.lower()] = one.name
        if one.disagree:
            faults.append(Fault(f"{one.name!r}: {one.disagree}", one.header))
    strays = tuple(_strays(data, entries, found))
    return Archive(entries, tuple(faults), strays)


def is_plain(entry: Entry) -> bool:
    """Whether a member stands in the archive as it is."""
    return (
        entry.method == STORED
        and entry.packed_bytes == entry.content_bytes
        and not entry.flags & (ENCRYPTED | PATCHED | STRONG)
    )


def content(data: Held, entry: Entry, *, limit_bytes: int, is_summed: bool = True) -> tuple[Held, str]:
    """A member's bytes as far as they go, and why they are not what its header says; empty where they are.

    is_summed  whether its checksum is compared
    """
    stop = entry.start + entry.packed_bytes
    if entry.flags & (ENCRYPTED | PATCHED | STRONG):
        return piece(data, entry.start, stop), "it is encrypted"
    limit = min(limit_bytes, entry.content_bytes + 1)
    try:
        held = _unpacked(data, entry, limit)
    except (*BROKEN, struct.error) as reason:
        return piece(data, entry.start, stop), f"it does not unpack: {reason}"
    if len(held) != entry.content_bytes:
        return held, f"it holds {len(held)} bytes or more where {entry.content_bytes} are told"
    return held, checksum_fault(held, entry, 0, len(held)) if is_summed else ""


def checksum_fault(data: Held, entry: Entry, start: int, stop: int) -> str:
    """Why these bytes are not the member's, by its checksum; empty where they are."""
    crc = 0
    for one in chunks(data, start, stop):
        crc = zlib.crc32(one, crc)
    return "" if crc == entry.crc else "its checksum differs"


def _unpacked(data: Held, entry: Entry, limit_bytes: int) -> Held:
    start, stop = entry.start, entry.start + entry.packed_bytes
    inflater: Inflater
    if entry.method == STORED:
        return piece(data, start, min(stop, start + limit_bytes))
    if entry.method == DEFLATED:
        inflater = Deflate(-zlib.MAX_WBITS)
    elif entry.method == BZIP2:
        inflater = bz2.BZ2Decompressor()
    elif entry.method == LZMA:
        head = bytes(data[start : min(stop, start + 9)])
        (size,) = struct.unpack_from("<H", head, 2)
        inflater = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_lzma_filter(head[4:9])])
        start += 4 + size
    else:
        raise ValueError(f"compression method {entry.method} is unknown")
    with Spool() as out:
        inflate(inflater, data, start, stop, out, max(1, limit_bytes))
        return out.held()


def _lzma_filter(properties: bytes) -> dict[str, int]:
    """LZMA SDK, lzma-specification.txt, "LZMA properties"."""
    coded, dictionary = struct.unpack("<BI", properties)
    rest, lc = divmod(coded, 9)
    pb, lp = divmod(rest, 5)
    return {"id": lzma.FILTER_LZMA1, "dict_size": min(dictionary, 1 << 28), "lc": lc, "lp": lp, "pb": pb}


def _directory(data: Held, faults: list[Fault]) -> _Directory | None:
    end = zip_end(data)
    if end < 0 or end + END_BYTES > len(data):
        faults.append(Fault("there is no directory", max(0, len(data) - END_BYTES)))
        return None
    count, size, offset = struct.unpack_from("<HII", data, end + 10)
    stop = end
    locator = data[max(0, end - 20) : end]
    if locator.startswith(LOCATOR64) and len(locator) == 20:
        (end64,) = struct.unpack_from("<Q", locator, 8)
        if end64 + 56 > len(data) or data[end64 : end64 + 4] != END64:
            end64 = data.rfind(END64, 0, end)
        if end64 >= 0 and end64 + 56 <= len(data):
            count, size, offset = struct.unpack_from("<QQQ", data, end64 + 32)
            stop = end64
    start = stop - size
    if start < 0 or offset > start:
        faults.append(Fault("the directory lies beyond the file", end))
        return None
    if offset != start:
        faults.append(Fault(f"{start - offset} bytes stand before the archive", 0))
    return _Directory(start, count, start - offset, stop)


def _entries(data: Held, found: _Directory, faults: list[Fault]) -> Iterator[Entry]:
    pos = found.start
    for _ in range(ENTRIES):
        if pos + CENTRAL_BYTES > found.end or data[pos : pos + 4] != CENTRAL:
            break
        flags, method, crc, packed, size, name_bytes, extra_bytes, comment_bytes, attributes, header = (
            CENTRAL_FIELDS.unpack_from(data, pos)
        )
        raw = bytes(data[pos + CENTRAL_BYTES : pos + CENTRAL_BYTES + name_bytes])
        if extra_bytes:
            start = pos + CENTRAL_BYTES + name_bytes
            size, packed, header = _zip64(bytes(data[start : start + extra_bytes]), size, packed, header)
        pos += CENTRAL_BYTES + name_bytes + extra_bytes + comment_bytes
        header += found.shift
        start, disagree = _local(data, header, raw, flags, method)
        if start + packed > len(data):
            disagree, packed = disagree or "it goes on beyond the file", max(0, len(data) - start)
        yield Entry(
            _text(raw, flags), method, flags, crc, packed, size, start, header, attributes >> 16, disagree
        )
    if pos < found.end and data[pos : pos + 4] == CENTRAL:
        faults.append(Fault(f"more than {ENTRIES} members", pos))


def _zip64(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    pos, values = 0, [size, packed, header]
    while pos + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, pos)
        if kind == 1:
            at = pos + 4
            for place, value in enumerate(values):
                if value == FULL and at + 8 <= pos + 4 + length <= len(extra):
                    (values[place],) = struct.unpack_from("<Q", extra, at)
                    at += 8
        pos += 4 + length
    return values[0], values[1], values[2]


def _local(data: Held, header: int, raw: bytes, flags: int, method: int) -> tuple[int, str]:
    """Where a member's content begins, and what its local header says otherwise than the directory."""
    if header < 0 or header + LOCAL_BYTES > len(data) or data[header : header + 4] != LOCAL:
        return min(max(header, 0) + LOCAL_BYTES + len(raw), len(data)), "it has no local header"
    local_flags, local_method, name_bytes, extra_bytes = LOCAL_FIELDS.unpack_from(data, header)
    local_name = bytes(data[header + LOCAL_BYTES : header + LOCAL_BYTES + name_bytes])
    start = header + LOCAL_BYTES + name_bytes + extra_bytes
    if local_name != raw:
        return start, f"its local header calls it {_text(local_name, local_flags)!r}"
    if local_method != method:
        return start, "its local header names another compression"
    if (local_flags ^ flags) & (ENCRYPTED | PATCHED | STRONG):
        return start, "its headers disagree about encryption"
    return start, ""


def _text(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & 0x800 else "cp437")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape")


def _strays(data: Held, entries: tuple[Entry, ...], found: _Directory | None) -> Iterator[tuple[int, int]]:
    """Bytes that no member, header or directory accounts for, but for padding and what follows a member."""
    if found is None:
        yield 0, len(data)
        return
    pos = 0
    for one in sorted(entries, key=lambda one: one.header):
        if one.header - pos > DESCRIPTOR_BYTES:
            yield pos, one.header
        pos = max(pos, one.start + one.packed_bytes)
    if found.start - pos > DESCRIPTOR_BYTES:
        yield pos, found.start
    tail = zip_end(data) + END_BYTES
    if len(data) > tail:
        yield tail, len(data)
