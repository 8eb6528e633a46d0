"""Members of a zip archive: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.4.

Readers disagree about archives that say one thing in the central directory and another in the local headers,
or hold a name twice: such an archive is refused, and no stated size is believed before memory is taken.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from io import BytesIO

from ancile.core.errors import AncileError
from ancile.core.text import plain

MEMBERS = 100_000  # of one archive; a large network has some thousand tensors
LIMIT_BYTES = 16 << 30  # unpacked, all members together
RATIO_FREE_BYTES = 16 << 20  # up to here any ratio is read
RATIO = 250  # beyond; weights hardly shrink at all
CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
LOCAL_BYTES = 30
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Member = zipfile.ZipInfo


def is_zip(data: bytes) -> bool:
    """Whether the bytes begin like a zip archive."""
    return data.startswith((LOCAL, b"PK\x05\x06"))


def members(data: bytes, *, limit_bytes: int = LIMIT_BYTES) -> dict[str, Member]:
    """Name to member, in the archive's order; refused when it is damaged, ambiguous or a bomb."""
    if data.count(CENTRAL) > MEMBERS:
        raise _refused("archive has too many members", f"more than {MEMBERS}")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OSError, EOFError) as reason:
        raise _refused("archive is damaged", str(reason)) from reason
    names: dict[str, Member] = {}
    for one in found:
        if one.filename in names:
            raise _refused("archive holds a member twice", one.filename)
        names[one.filename] = one
        _check(data, one)
    total = sum(one.file_size for one in found)
    if total > limit_bytes:
        raise _refused("archive unpacks to too much", f"{total} bytes, {limit_bytes} are the most")
    return names


def unpack(data: bytes, member: Member) -> bytes:
    """The member's bytes: as many as its header states, with the checksum that it states."""
    start = member.header_offset + LOCAL_BYTES
    name_bytes, extra_bytes = struct.unpack_from("<HH", data, member.header_offset + 26)
    start += name_bytes + extra_bytes
    packed = memoryview(data)[start : start + member.compress_size]
    try:
        if member.compress_type == zipfile.ZIP_STORED:
            content = bytes(packed)
        else:  # one byte more than stated would show a lie, and no more is made
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.file_size + 1)
    except zlib.error as reason:
        raise _refused("archive is damaged", f"{member.filename}: {reason}") from reason
    if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
        raise _refused("archive is damaged", f"{member.filename}: length or checksum differs")
    return content


def _check(data: bytes, member: Member) -> None:
    name = member.filename
    start = member.header_offset
    local = data[start : start + LOCAL_BYTES]
    if start < 0 or len(local) < LOCAL_BYTES or not local.startswith(LOCAL):
        raise _refused("archive is damaged", f"{name}: no local header")
    flags, method = struct.unpack_from("<HH", local, 6)
    name_bytes, extra_bytes = struct.unpack_from("<HH", local, 26)
    begin = start + LOCAL_BYTES
    stated = member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437", "replace")
    if data[begin : begin + name_bytes] != stated or method != member.compress_type:
        raise _refused("archive says one thing twice and differently", f"{name}: local and central header")
    if (flags | member.flag_bits) & ENCRYPTED:
        raise _refused("archive is encrypted", name)
    if member.compress_type not in METHODS:
        raise _refused(
            "archive uses a compression that is not read", f"{name}: method {member.compress_type}"
        )
    if begin + name_bytes + extra_bytes + member.compress_size > len(data):
        raise _refused("archive is damaged", f"{name}: cut short")
    if member.file_size > RATIO_FREE_BYTES and member.file_size > RATIO * member.compress_size:
        raise _refused(
            "archive is packed beyond belief",
            f"{name}: {member.compress_size} bytes say they hold {member.file_size}",
        )


def _refused(what: str, value: str) -> AncileError:
    return AncileError(what, value=plain(value), remedy="take the file from its source, or write it again")
