"""Frames of LZ4: lz4/lz4, doc/lz4_Frame_format.md 1.6.4 and doc/lz4_Block_format.md.

Checksums are not compared: a reader that does not look at them unpacks all the same.
"""

from __future__ import annotations

import struct

MAGIC = b"\x04\x22\x4d\x18"
BLOCK_BYTES = {4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20}
WINDOW = 64 << 10
MATCH = 4  # the shortest
STORED = 1 << 31  # bit of a block's length
INDEPENDENT, BLOCK_SUMS, CONTENT_SIZE, CONTENT_SUM, DICTIONARY = 0x20, 0x10, 0x08, 0x04, 0x01


class Lz4Inflater:
    """One frame, unpacked block by block; ValueError where it breaks the rules."""

    def __init__(self) -> None:
        self.eof = False
        self.unused_data = b""
        self._held = bytearray()  # what is not unpacked yet
        self._ready = bytearray()  # what is, and was not asked for yet
        self._history = b""
        self._flags = -1
        self._block_bytes = 0
        self._ended = False

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so many bytes more."""
        self._held += data
        while len(self._ready) < max_length and not self._ended and self._step():
            pass
        out = bytes(self._ready[:max_length])
        del self._ready[: len(out)]
        self.eof = self._ended and not self._ready
        return out

    def _step(self) -> bool:
        """Take the head or a block off what is held; False where it is not whole yet."""
        if self._flags < 0:
            return self._head()
        if len(self._held) < 4:
            return False
        (told,) = struct.unpack_from("<I", self._held)
        size, after = told & ~STORED, 4 if self._flags & BLOCK_SUMS else 0
        if told == 0:
            return self._end()
        if size > self._block_bytes:
            raise ValueError("a block is longer than its frame allows")
        if len(self._held) < 4 + size + after:
            return False
        block = bytes(self._held[4 : 4 + size])
        del self._held[: 4 + size + after]
        history = b"" if self._flags & INDEPENDENT else self._history
        out = block if told & STORED else unpack_block(block, history, self._block_bytes)
        self._ready += out
        self._history = (self._history + out)[-WINDOW:]
        return True

    def _head(self) -> bool:
        if len(self._held) < 7:
            return False
        flags, block = self._held[4], self._held[5]
        size = 7 + (8 if flags & CONTENT_SIZE else 0) + (4 if flags & DICTIONARY else 0)
        if flags >> 6 != 1 or block >> 4 & 7 not in BLOCK_BYTES:
            raise ValueError("a frame of an unknown version")
        if flags & DICTIONARY:
            raise ValueError("a frame that needs a dictionary")
        if len(self._held) < size:
            return False
        self._flags, self._block_bytes = flags, BLOCK_BYTES[block >> 4 & 7]
        del self._held[:size]
        return True

    def _end(self) -> bool:
        size = 8 if self._flags & CONTENT_SUM else 4
        if len(self._held) < size:
            return False
        self.unused_data = bytes(self._held[size:])
        self._held.clear()
        self._ended = True
        return True


def unpack_block(block: bytes, history: bytes, limit_bytes: int) -> bytes:
    """The bytes of one block; ValueError where it breaks the rules or holds more than ``limit_bytes``.

    history  what stands before it, to which it may refer
    """
    out, pos, end = bytearray(history), 0, len(block)
    limit = len(history) + limit_bytes
    try:
        while pos < end:
            token = block[pos]
            count, pos = _length(block, pos + 1, token >> 4)
            if pos + count > end:
                raise ValueError("a block is cut off")
            out += block[pos : pos + count]
            pos += count
            if pos == end:
                break
            distance = block[pos] | block[pos + 1] << 8
            count, pos = _length(block, pos + 2, token & 15)
            _repeat(out, distance, count + MATCH, limit)
    except IndexError:
        raise ValueError("a block is cut off") from None
    if len(out) > limit:
        raise ValueError("a block holds more than its frame allows")
    return bytes(out[len(history) :])


def _length(block: bytes, pos: int, count: int) -> tuple[int, int]:
    if count == 15:
        while True:
            more = block[pos]
            pos += 1
            count += more
            if more != 255:
                break
    return count, pos


def _repeat(out: bytearray, distance: int, count: int, limit: int) -> None:
    """Add ``count`` bytes that stand ``distance`` before the end, which they may reach over."""
    if not 0 < distance <= len(out):
        raise ValueError("a block refers to what is not there")
    if len(out) + count > limit:
        raise ValueError("a block holds more than its frame allows")
    piece = out[-distance:] if count >= distance else out[-distance : len(out) - distance + count]
    out += (piece * (count // len(piece) + 1))[:count]
