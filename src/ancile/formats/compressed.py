"""Compressed streams: gzip (RFC 1952), zlib (RFC 1950), bzip2, xz, lzma, zstd (RFC 8878), lz4; joblib's own.

What is there is unpacked as far as it goes: a stream that is cut off still gives its first bytes to whoever
opens it, and all members of a file of several are read.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

from ancile.formats import lz4_frames
from ancile.formats.held import Held, Spool, forget, piece

CHUNK = 1 << 20  # that goes in at once
PIECE = 1 << 20  # that comes out at once
MEMBERS = 1000  # streams in a row
SKIPPABLE = tuple(bytes((first, 0x2A, 0x4D, 0x18)) for first in range(0x50, 0x60))
ZFILE = slice(20, 24)  # joblib up to 0.9: "ZF", the length as 19 characters or 20, then zlib's first byte

BROKEN = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)  # what an inflater raises


class Unpacked(NamedTuple):
    """What came out.

    rest   bytes behind the last stream that are none
    fault  why it went no further; empty where it came to its end
    cut    whether it was the limit that ended it
    """

    kind: str
    data: Held
    rest: Held = b""
    fault: str = ""
    cut: bool = False


class Inflater(Protocol):
    """What zlib, bz2 and lzma have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """What stands behind it."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so many bytes."""


def _zstd() -> Inflater:
    from ancile.formats.zstd_frames import ZstdInflater  # noqa: PLC0415 - few files have it

    return ZstdInflater()


MAGIC: tuple[tuple[str, tuple[bytes, ...], Callable[[], Inflater]], ...] = (
    ("gzip", (b"\x1f\x8b",), lambda: Deflate(16 + zlib.MAX_WBITS)),
    ("bzip2", (b"BZh",), bz2.BZ2Decompressor),
    ("xz", (b"\xfd7zXZ\x00",), lzma.LZMADecompressor),
    ("lzma", (b"\x5d\x00\x00",), lzma.LZMADecompressor),
    ("zstd", (b"\x28\xb5\x2f\xfd",), _zstd),
    ("lz4", (lz4_frames.MAGIC,), lz4_frames.Lz4Inflater),
    ("skippable", SKIPPABLE, lambda: _Skipped()),  # noqa: PLW0108 - the class stands below
    ("zlib", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), lambda: Deflate(zlib.MAX_WBITS)),
)


FIRST = frozenset({b"Z", *(magic[:1] for _, magics, _ in MAGIC for magic in magics)})  # bytes of any of them


class _Skipped:
    """A frame that readers of zstd and lz4 pass over: RFC 8878, section 3.1.2."""

    def __init__(self) -> None:
        self.eof = False
        self.unused_data = b""
        self._held = bytearray()

    def decompress(self, data: bytes, _: int, /) -> bytes:
        self._held += data
        stop = 8 + int.from_bytes(self._held[4:8], "little")
        if len(self._held) >= max(8, stop):
            self.eof, self.unused_data = True, bytes(self._held[stop:])
        return b""


class Deflate:
    """zlib's object with the face of the other two."""

    def __init__(self, bits: int) -> None:
        self._inner = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What stands behind it."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so many bytes."""
        left = self._inner.unconsumed_tail
        return self._inner.decompress(left + data if left else data, max_length)


def kind_of(head: bytes) -> str:
    """Which compression the first bytes tell; empty for none."""
    if head[:1] not in FIRST:
        return ""
    if head.startswith(b"ZF0x"):
        return "joblib-zlib"
    return next((kind for kind, magics, _ in MAGIC if head.startswith(magics)), "")


def unpack(data: Held, *, limit_bytes: int) -> Unpacked:
    """All streams in a row, to ``limit_bytes`` of what they hold; AncileError where there is no room."""
    kind, pos = kind_of(bytes(data[:16])), 0
    if kind == "joblib-zlib":
        pos = max(0, data.find(b"\x78", ZFILE.start, ZFILE.stop))
    fault = ""
    with Spool() as out:
        for _ in range(MEMBERS):
            pos, fault = _one(data, pos, out, limit_bytes)
            if fault or out.size >= limit_bytes or not kind_of(bytes(data[pos : pos + 16])):
                break
        cut, held = out.size >= limit_bytes, out.held()
    return Unpacked(kind, held, b"" if fault else piece(data, pos, len(data)), fault, cut)


def _one(data: Held, pos: int, out: Spool, limit_bytes: int) -> tuple[int, str]:
    """One stream into ``out``: where it ends, why it broke."""
    head = bytes(data[pos : pos + 16])
    make = next((make for _, magics, make in MAGIC if head.startswith(magics)), None)
    if make is None:
        return pos, "no stream begins here"
    try:
        return inflate(make(), data, pos, len(data), out, limit_bytes)
    except BROKEN as reason:
        return pos, str(reason)


def inflate(
    inflater: Inflater, data: Held, start: int, stop: int, out: Spool, limit_bytes: int
) -> tuple[int, str]:
    """One stream into ``out``, until that holds ``limit_bytes``: where it ends, why it broke off.

    Neither what goes in nor what comes out is ever held whole. BROKEN where it breaks the rules.
    """
    given, hungry = start, True
    while not inflater.eof and out.size < limit_bytes:
        chunk = bytes(data[given : min(given + CHUNK, stop)]) if hungry else b""
        wanted = min(PIECE, limit_bytes - out.size)
        found = inflater.decompress(chunk, wanted)
        out.write(found)
        if hungry and not chunk and not found:
            return given, "the stream is cut off"
        forget(data, given, given + len(chunk))
        given += len(chunk)
        hungry = len(found) < wanted
    return given - len(inflater.unused_data), ""
