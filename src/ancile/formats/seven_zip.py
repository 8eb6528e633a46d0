"""Archives of 7-Zip: LZMA SDK, DOC/7zFormat.txt and DOC/Methods.txt.

Streams of LZMA, LZMA2, bzip2, deflate, the filters of ``lzma`` and plain copies are unpacked; what is
encrypted or of another method is told.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

from ancile.formats.held import Held

MAGIC = b"7z\xbc\xaf\x27\x1c"
SIGNATURE_BYTES = 32
HEADER_BYTES = 32 << 20  # of an unpacked header
DICTIONARY_BYTES = 256 << 20  # memory that a stream may ask for
ITEMS = 200_000  # folders, streams, files
CODERS = 8
(
    END,
    HEADER,
    FILES,
    PACKED,
    UNPACKED,
    SUBSTREAMS,
    SIZES,
    CRC,
    FOLDERS,
    CODER_SIZES,
    COUNTS,
    EMPTY,
    EMPTY_FILES,
    NAMES,
    ENCODED,
) = (*(0x00, 0x01, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x11, 0x17),)
COPY, LZMA1, LZMA2, DELTA = b"\x00", b"\x03\x01\x01", b"\x21", b"\x03"
BZIP2, DEFLATE = b"\x04\x02\x02", b"\x04\x01\x08"
JUMPS = {
    b"\x03\x03\x01\x03": lzma.FILTER_X86, b"\x03\x03\x02\x05": lzma.FILTER_POWERPC,
    b"\x03\x03\x04\x01": lzma.FILTER_IA64, b"\x03\x03\x05\x01": lzma.FILTER_ARM,
    b"\x03\x03\x07\x01": lzma.FILTER_ARMTHUMB, b"\x03\x03\x08\x05": lzma.FILTER_SPARC,
    b"\x04": lzma.FILTER_X86, b"\x05": lzma.FILTER_POWERPC, b"\x06": lzma.FILTER_IA64,
    b"\x07": lzma.FILTER_ARM, b"\x08": lzma.FILTER_ARMTHUMB, b"\x09": lzma.FILTER_SPARC,
}  # fmt: skip


class SevenZipError(ValueError):
    """An archive that breaks the rules, or asks for what is not done here.

    unread  whether it is the latter
    """

    def __init__(self, what: str, *, unread: bool = False) -> None:
        super().__init__(what)
        self.unread = unread


class Coder(NamedTuple):
    """A method and its properties."""

    method: bytes
    properties: bytes


class Folder(NamedTuple):
    """Streams that are packed together.

    coders   in the order in which they unpack; empty where they do not stand in one row
    size     of all that comes out
    sizes    of the members in it
    """

    coders: tuple[Coder, ...]
    start: int
    packed_bytes: int
    size: int
    sizes: tuple[int, ...]


class SevenZip(NamedTuple):
    """What the header says.

    names    of the members that hold anything, in the order of the folders
    end      of the archive; what stands behind belongs to nothing
    empties  names of empty files
    """

    folders: tuple[Folder, ...]
    names: tuple[str, ...]
    end: int
    empties: tuple[str, ...] = ()


@dataclass
class _Streams:
    """What a header says of streams, while it is read."""

    starts: list[int] = field(default_factory=list)
    packed: list[int] = field(default_factory=list)
    chains: list[tuple[tuple[Coder, ...], int, int, int]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    summed: list[bool] = field(default_factory=list)
    members: list[tuple[int, ...]] = field(default_factory=list)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.pos = data, 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.pos:
            raise SevenZipError("the header is cut off")
        self.pos += count
        return self.data[self.pos - count : self.pos]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """7zFormat.txt, "REAL_UINT64 and UINT64": the high bits of the first byte say how many follow."""
        first, mask, value = self.byte(), 0x80, 0
        for place in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * place)
            value |= self.byte() << (8 * place)
            mask >>= 1
        return value

    def count(self) -> int:
        found = self.number()
        if found > ITEMS:
            raise SevenZipError(f"the header counts {found} items", unread=True)
        return found

    def bits(self, count: int) -> list[bool]:
        raw = self.take(-(-count // 8))
        return [bool(raw[place // 8] & 0x80 >> place % 8) for place in range(count)]

    def sums(self, count: int) -> list[bool]:
        """Which of so many streams have a checksum; the sums themselves are passed over."""
        told = [True] * count if self.byte() else self.bits(count)
        self.take(4 * sum(told))
        return told


def is_seven_zip(head: bytes) -> bool:
    """Whether the first bytes are those of such an archive."""
    return head.startswith(MAGIC)


def read_seven_zip(data: Held) -> SevenZip:
    """What the header says; SevenZipError where it cannot be read."""
    if len(data) < SIGNATURE_BYTES:
        raise SevenZipError("the archive is cut off", unread=True)
    offset, size = struct.unpack_from("<QQ", data, 12)
    end = SIGNATURE_BYTES + offset + size
    if end > len(data):
        raise SevenZipError(f"the header ends at byte {end} of {len(data)}", unread=True)
    if size > HEADER_BYTES:
        raise SevenZipError(f"a header of {size} bytes", unread=True)
    raw = bytes(data[end - size : end])
    for _ in range(3):  # a header that is packed may be packed in turn
        if not raw.startswith(bytes((ENCODED,))):
            break
        reader = _Reader(raw)
        reader.pos = 1
        folders = _folders(_streams(reader), len(data))
        if len(folders) != 1 or folders[0].size > HEADER_BYTES:
            raise SevenZipError("the header is packed in a strange way", unread=True)
        raw = unpack_folder(data, folders[0])
    return _archive(raw, len(data), end)


def unpack_folder(data: Held, folder: Folder) -> bytes:
    """All bytes of a folder; SevenZipError where they do not come out."""
    packed = bytes(data[folder.start : folder.start + folder.packed_bytes])
    coders = [one for one in folder.coders if one.method != COPY]
    try:
        if not folder.coders:
            raise SevenZipError("it is packed with several streams in one", unread=True)
        out = _unpacked(packed, coders, folder.size) if coders else packed
    except (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError, struct.error, MemoryError) as reason:
        if isinstance(reason, SevenZipError):
            raise
        raise SevenZipError(f"it does not unpack: {reason}") from reason
    if len(out) < folder.size:
        raise SevenZipError(f"it unpacks to {len(out)} bytes where {folder.size} are told")
    return out[: folder.size]


def _unpacked(packed: bytes, coders: list[Coder], size: int) -> bytes:
    if len(coders) == 1 and coders[0].method == BZIP2:
        return bz2.BZ2Decompressor().decompress(packed, max(1, size))
    if len(coders) == 1 and coders[0].method == DEFLATE:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, max(1, size))
    filters = [_filter(one) for one in reversed(coders)]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters).decompress(packed, max(1, size))


def _filter(coder: Coder) -> dict[str, int]:
    if coder.method in JUMPS:
        return {"id": JUMPS[coder.method]}
    if coder.method == DELTA:
        return {"id": lzma.FILTER_DELTA, "dist": coder.properties[0] + 1 if coder.properties else 1}
    if coder.method == LZMA2 and coder.properties:
        bits = coder.properties[0]
        return {"id": lzma.FILTER_LZMA2, "dict_size": _dictionary((2 | bits & 1) << (bits // 2 + 11))}
    if coder.method == LZMA1 and len(coder.properties) == 5:
        coded, size = struct.unpack("<BI", coder.properties)
        rest, lc = divmod(coded, 9)
        pb, lp = divmod(rest, 5)
        return {"id": lzma.FILTER_LZMA1, "dict_size": _dictionary(size), "lc": lc, "lp": lp, "pb": pb}
    raise SevenZipError(f"its method {coder.method.hex()} is not unpacked here", unread=True)


def _dictionary(size: int) -> int:
    if size > DICTIONARY_BYTES:
        raise SevenZipError(f"it asks for {size} bytes of memory", unread=True)
    return max(size, 4096)


def _archive(raw: bytes, length: int, end: int) -> SevenZip:
    if not raw:
        return SevenZip((), (), end)
    reader = _Reader(raw)
    if reader.byte() != HEADER:
        raise SevenZipError("the header is none")
    folders: tuple[Folder, ...] = ()
    names: tuple[str, ...] = ()
    empties: tuple[str, ...] = ()
    while (kind := reader.byte()) != END:
        if kind == 0x04:  # main streams
            folders = _folders(_streams(reader), length)
        elif kind == FILES:
            names, empties = _names(reader)
        elif kind == 0x02:  # archive properties
            while reader.byte() != END:
                reader.take(reader.number())
        else:
            raise SevenZipError(f"the header holds a part of kind {kind}", unread=True)
    return SevenZip(folders, names, end, empties)


def _streams(reader: _Reader) -> _Streams:
    found = _Streams()
    while (kind := reader.byte()) != END:
        if kind == PACKED:
            _pack_info(reader, found)
        elif kind == UNPACKED:
            _unpack_info(reader, found)
        elif kind == SUBSTREAMS:
            _substreams(reader, found)
        else:
            raise SevenZipError(f"the header holds streams of kind {kind}", unread=True)
    return found


def _pack_info(reader: _Reader, found: _Streams) -> None:
    pos, count = SIGNATURE_BYTES + reader.number(), reader.count()
    while (kind := reader.byte()) != END:
        if kind == SIZES:
            found.packed = [reader.number() for _ in range(count)]
        elif kind == CRC:
            reader.sums(count)
        else:
            raise SevenZipError("the header is damaged")
    for size in found.packed:
        found.starts.append(pos)
        pos += size


def _unpack_info(reader: _Reader, found: _Streams) -> None:
    if reader.byte() != FOLDERS:
        raise SevenZipError("the header is damaged")
    count = reader.count()
    if reader.byte():
        raise SevenZipError("the header refers to another stream", unread=True)
    found.chains = [_coders(reader) for _ in range(count)]
    found.summed = [False] * count
    while (kind := reader.byte()) != END:
        if kind == CODER_SIZES:
            for _, outs, _, last in found.chains:
                found.sizes.append([reader.number() for _ in range(outs)][last])
        elif kind == CRC:
            found.summed = reader.sums(count)
        else:
            raise SevenZipError("the header is damaged")
    found.members = [(size,) for size in found.sizes]


def _coders(reader: _Reader) -> tuple[tuple[Coder, ...], int, int, int]:
    """A folder: its coders in the order of unpacking, its outputs, its inputs, which output is the last."""
    coders, ins, outs = [], 0, 0
    count = reader.number()
    if not 0 < count <= CODERS:
        raise SevenZipError(f"a stream of {count} methods", unread=True)
    for _ in range(count):
        flags = reader.byte()
        method = reader.take(flags & 15)
        one_in, one_out = (reader.number(), reader.number()) if flags & 0x10 else (1, 1)
        ins, outs = ins + one_in, outs + one_out
        coders.append(Coder(method, reader.take(reader.number()) if flags & 0x20 else b""))
    if not 0 < outs <= 4 * CODERS or not 0 < ins <= 4 * CODERS:
        raise SevenZipError("a stream of many ends", unread=True)
    pairs = [(reader.number(), reader.number()) for _ in range(outs - 1)]
    packed = ins - len(pairs)
    for _ in range(packed if packed > 1 else 0):
        reader.number()
    bound = {out for _, out in pairs}
    last = next((place for place in range(outs) if place not in bound), 0)
    in_row = ins == outs == count
    return (_row(coders, dict(pairs), last) if in_row else ()), outs, max(1, packed), last


def _row(coders: list[Coder], feeds: dict[int, int], last: int) -> tuple[Coder, ...]:
    """Coders from the packed bytes to ``last``; ``feeds`` gives the coder before each."""
    row, at = [coders[last]], last
    while at in feeds and len(row) < len(coders):
        at = feeds[at]
        if at >= len(coders):
            return ()
        row.append(coders[at])
    return tuple(reversed(row)) if len(row) == len(coders) else ()


def _substreams(reader: _Reader, found: _Streams) -> None:
    counts = [1] * len(found.chains)
    kind = reader.byte()
    if kind == COUNTS:
        counts = [reader.count() for _ in found.chains]
        if sum(counts) > ITEMS:
            raise SevenZipError(f"more than {ITEMS} members", unread=True)
        kind = reader.byte()
    members: list[tuple[int, ...]] = []
    for count, size in zip(counts, found.sizes, strict=True):
        told = [reader.number() for _ in range(count - 1)] if kind == SIZES else []
        members.append((*told, size - sum(told)) if count else ())
    found.members = members
    if kind == SIZES:
        kind = reader.byte()
    while kind != END:
        if kind != CRC:
            raise SevenZipError("the header is damaged")
        without = (
            count for count, known in zip(counts, found.summed, strict=True) if count != 1 or not known
        )
        reader.sums(sum(without))
        kind = reader.byte()


def _folders(found: _Streams, length: int) -> tuple[Folder, ...]:
    folders, stream = [], 0
    if not len(found.chains) == len(found.sizes) == len(found.members):
        raise SevenZipError("the header is damaged")
    for (coders, _, inputs, _), size, members in zip(found.chains, found.sizes, found.members, strict=True):
        if stream + inputs > len(found.packed) or any(one < 0 for one in members):
            raise SevenZipError("the header tells of streams that are not there")
        start, packed = found.starts[stream], sum(found.packed[stream : stream + inputs])
        stream += inputs
        if start + packed > length:
            raise SevenZipError(f"a stream ends at byte {start + packed} of {length}", unread=True)
        folders.append(Folder(coders, start, packed, size, members))
    return tuple(folders)


def _names(reader: _Reader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the files that hold anything, and of empty files; what is neither is a folder."""
    count = reader.count()
    names: list[str] = []
    empty, files = [False] * count, [False] * count
    while (kind := reader.byte()) != END:
        part = _Reader(reader.take(reader.number()))
        if kind == EMPTY:
            empty = part.bits(count)
        elif kind == EMPTY_FILES:  # one bit for each that is empty
            files = part.bits(sum(empty))
        elif kind == NAMES:
            if part.byte():
                raise SevenZipError("the names stand in another stream", unread=True)
            names = part.take(len(part.data) - 1).decode("utf-16-le", "replace").split("\0")[:count]
    without = [name for name, is_empty in zip(names, empty, strict=False) if is_empty]
    return (
        tuple(name for name, is_empty in zip(names, empty, strict=False) if not is_empty),
        tuple(name for name, is_file in zip(without, files, strict=False) if is_file),
    )
