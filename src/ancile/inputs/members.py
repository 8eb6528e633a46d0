"""Members of a zip archive, unpacked without trusting a size that the archive states.

PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 5.8 (LZMA). Only the central
directory is left to ``zipfile``: its LZMA reader unpacks a whole read at once, whatever comes out, and takes
a dictionary as large as the archive asks for.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from io import BytesIO

from ancile.core.errors import AncileError
from ancile.core.text import plain

MEMBERS = 1_000  # of one archive; numpy writes one an array
CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"
LOCAL_BYTES = 30
ENCRYPTED = 0x1
RATIO_FREE_BYTES = 64 << 20  # up to here any ratio is read: labels in order shrink a thousandfold
RATIO = 250  # beyond; the emptiest real pictures (binary masks) stay below 100
SMALLEST_DICTIONARY = 1 << 12  # that liblzma takes
DAMAGED = "take the file from its source once more"

Member = zipfile.ZipInfo


def members(data: bytes) -> dict[str, Member]:
    """The archive's table of contents, names without ``.npy``; a name that stands there twice is refused."""
    if data.count(CENTRAL) > MEMBERS:  # before anything is built for each of them
        raise AncileError(
            "archive has too many members", value=f"more than {MEMBERS}", remedy="save x and y alone"
        )
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OSError, EOFError) as reason:
        raise _damaged(str(reason)) from reason
    names = Counter(one.filename.removesuffix(".npy") for one in found)
    twice = sorted(name for name, times in names.items() if times > 1)
    if twice:
        raise AncileError(
            "archive holds a member twice",
            value=", ".join(plain(name, 40) for name in twice[:5]),
            remedy="save it again with numpy.savez: readers disagree about which of them counts",
        )
    return {one.filename.removesuffix(".npy"): one for one in found}


def check_sizes(wanted: Mapping[str, Member], *, limit_bytes: int) -> None:
    """Refuse members whose stated sizes say bomb or more than ``limit_bytes`` in all."""
    total = sum(one.file_size for one in wanted.values())
    if total > limit_bytes:
        raise AncileError(
            "arrays are too large",
            value=f"{total} bytes unpacked",
            remedy=f"at most {limit_bytes} bytes are unpacked: keep the held-out part alone",
        )
    for name, one in wanted.items():
        if one.file_size > RATIO_FREE_BYTES and one.file_size > RATIO * one.compress_size:
            raise AncileError(
                "array is packed beyond belief",
                value=f"{plain(name, 40)}: {one.compress_size} bytes say they hold {one.file_size}",
                remedy="save it with numpy.savez, which does not compress",
            )


def unpack(data: bytes, member: Member) -> memoryview:
    """The member's bytes; what comes out is at most what its header states, and its checksum holds.

    The caller has passed the member to ``check_sizes``.
    """
    packed = _packed(data, member)
    try:
        content = _content(packed, member)
    except (zlib.error, lzma.LZMAError, EOFError, MemoryError) as reason:
        raise _damaged(f"{plain(member.filename, 40)}: {reason}") from reason
    if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
        raise _damaged(f"{plain(member.filename, 40)}: length or checksum differs")
    return memoryview(content)


def _packed(data: bytes, member: Member) -> memoryview:
    start = member.header_offset
    local = data[start : start + LOCAL_BYTES]
    if start < 0 or len(local) < LOCAL_BYTES or not local.startswith(LOCAL):
        raise _damaged(f"{plain(member.filename, 40)}: no local header")
    name_length, extra_length = struct.unpack_from("<HH", local, 26)
    name = data[start + LOCAL_BYTES : start + LOCAL_BYTES + name_length]
    if name != member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437"):
        raise _damaged(f"{plain(member.filename, 40)}: local and central header differ")
    begin = start + LOCAL_BYTES + name_length + extra_length
    if begin + member.compress_size > len(data):
        raise _damaged(f"{plain(member.filename, 40)}: cut short")
    return memoryview(data)[begin : begin + member.compress_size]


def _content(packed: memoryview, member: Member) -> bytes | memoryview:
    if member.flag_bits & ENCRYPTED:
        raise AncileError(
            "array is encrypted", value=plain(member.filename, 40), remedy="decrypt the archive first"
        )
    if member.compress_type == zipfile.ZIP_STORED:
        return packed
    # One byte more than stated shows a lie; no more than that is ever made.
    if member.compress_type == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.file_size + 1)
    if member.compress_type == zipfile.ZIP_LZMA:
        return _lzma(packed, member.file_size)
    raise AncileError(
        "compression is not read",
        value=f"{plain(member.filename, 40)}: method {member.compress_type}",
        remedy="save it with numpy.savez_compressed",
    )


def _lzma(packed: memoryview, size: int) -> bytes:
    """LZMA1 with its 9-byte head: version, length of the properties, lc/lp/pb, dictionary size."""
    if len(packed) < 9 or bytes(packed[2:4]) != b"\x05\x00":
        raise EOFError("no LZMA properties")
    packing, dictionary = struct.unpack_from("<BI", packed, 4)
    chain = {
        "id": lzma.FILTER_LZMA1,
        # A dictionary beyond the content is never looked into; asking for it would take memory for nothing.
        "dict_size": max(SMALLEST_DICTIONARY, min(dictionary, size)),
        "lc": packing % 9,
        "lp": packing // 9 % 5,
        "pb": packing // 45,
    }
    reader = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chain])
    return reader.decompress(packed[9:], size + 1)


def _damaged(detail: str) -> AncileError:
    return AncileError("archive is damaged", value=plain(detail), remedy=DAMAGED)
