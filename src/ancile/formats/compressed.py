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

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

from ancile.formats import lz4_frames

CHUNK = 1 << 20
MEMBERS = 1000  # streams in a row
ZSTD_LIMITS = {
    int(DecompressionParameter.window_log_max): 27
}  # 128 MiB: what `zstd` itself accepts unless told
SKIPPABLE = tuple(bytes((first, 0x2A, 0x4D, 0x18)) for first in range(0x50, 0x60))
ZFILE = slice(20, 24)  # joblib up to 0.9: "ZF", the length as 19 characters or 20, then zlib's first byte


class Unpacked(NamedTuple):
    """What came out.

    rest   bytes behind the last stream that are none
    fault  why it went no further; empty where it came to its end
    cut    whether it was the limit that ended it
    """

    kind: str
    data: bytes
    rest: bytes = b""
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


MAGIC: tuple[tuple[str, tuple[bytes, ...], Callable[[], Inflater]], ...] = (
    ("gzip", (b"\x1f\x8b",), lambda: _Deflate(16 + zlib.MAX_WBITS)),
    ("bzip2", (b"BZh",), bz2.BZ2Decompressor),
    ("xz", (b"\xfd7zXZ\x00",), lzma.LZMADecompressor),
    ("lzma", (b"\x5d\x00\x00",), lzma.LZMADecompressor),
    ("zstd", (b"\x28\xb5\x2f\xfd",), lambda: ZstdDecompressor(options=ZSTD_LIMITS)),
    ("lz4", (lz4_frames.MAGIC,), lz4_frames.Lz4Inflater),
    ("skippable", SKIPPABLE, lambda: _Skipped()),  # noqa: PLW0108 - the class stands below
    ("zlib", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), lambda: _Deflate(zlib.MAX_WBITS)),
)


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


class _Deflate:
    """zlib's object with the face of the other two."""

    def __init__(self, bits: int) -> None:
        self._inner = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def kind_of(head: bytes) -> str:
    """Which compression the first bytes tell; empty for none."""
    if head.startswith(b"ZF0x"):
        return "joblib-zlib"
    return next((kind for kind, magics, _ in MAGIC if head.startswith(magics)), "")


def unpack(data: bytes, *, limit_bytes: int) -> Unpacked:
    """All streams in a row, to ``limit_bytes`` of what they hold."""
    kind = kind_of(data[:16])
    if kind == "joblib-zlib":
        data = data[max(0, data.find(b"\x78", ZFILE.start, ZFILE.stop)) :]
    out, pos, fault = bytearray(), 0, ""
    for _ in range(MEMBERS):
        found, used, fault = _one(data[pos:], limit_bytes - len(out))
        out += found
        pos += used
        if fault or len(out) >= limit_bytes or not kind_of(data[pos : pos + 16]):
            break
    cut = len(out) >= limit_bytes
    return Unpacked(kind, bytes(out), data[pos:] if not fault else b"", fault, cut)


def _one(data: bytes, limit_bytes: int) -> tuple[bytes, int, str]:
    """One stream: its bytes, how many it took, why it broke."""
    make = next((make for _, magics, make in MAGIC if data.startswith(magics)), None)
    if make is None:
        return b"", 0, "no stream begins here"
    inflater, out, given = make(), bytearray(), 0
    try:
        while not inflater.eof and len(out) < limit_bytes:
            chunk = data[given : given + CHUNK]
            given += len(chunk)
            found = inflater.decompress(chunk, limit_bytes - len(out))
            out += found
            if not chunk and not found:
                return bytes(out), given, "the stream is cut off"
    except (zlib.error, lzma.LZMAError, ZstdError, OSError, EOFError, ValueError) as reason:
        return bytes(out), given, str(reason)
    return bytes(out), given - len(inflater.unused_data), ""
