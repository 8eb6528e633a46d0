"""Bytes that are looked at: in memory, or mapped from a file, so that a large one takes hardly any memory.

What comes out of a container is kept in memory while it is small, else in a temporary file without a name.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import IO, Self

from ancile.core.errors import AncileError
from ancile.core.text import plain

Held = bytes | mmap.mmap
CHUNK = 128 << 10  # what the processor still has at hand when it is read a second time
SMALL = 4 << 20  # what is kept in memory


class Spool:
    """Bytes as they come, in a ``with``; ``held`` gives them all.

    size  how many there are
    """

    def __init__(self) -> None:
        self.size = 0
        self._few = bytearray()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, some: bytes | memoryview) -> None:
        """Some more; AncileError where there is no room for them."""
        self.size += len(some)
        if self._file is None and self.size <= SMALL:
            self._few += some
            return
        import tempfile  # noqa: PLC0415 - most of what is held is small

        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the spool
                _write(self._file, self._few)
                self._few = bytearray()
            _write(self._file, some)
        except OSError as reason:
            raise AncileError(
                "no room for what a container holds",
                value=f"{plain(tempfile.gettempdir())}: {reason.strerror or reason}",
                remedy="free room there, or name another folder in TMPDIR",
            ) from reason

    def held(self) -> Held:
        """All of them; nothing may be written afterwards."""
        if self._file is None:
            return bytes(self._few)
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)


def _write(file: IO[bytes], some: bytes | bytearray | memoryview) -> None:
    with memoryview(some) as left:
        pos = 0
        while pos < len(left):
            pos += file.write(left[pos:])


def chunks(data: Held, start: int = 0, stop: int | None = None) -> Iterator[memoryview]:
    """The bytes from ``start`` to ``stop`` in pieces; those of a map do not stay in memory behind it."""
    end = len(data) if stop is None else min(stop, len(data))
    if start == 0 and end == len(data) <= CHUNK and type(data) is bytes:
        if data:
            yield memoryview(data)
        return
    with memoryview(data) as whole:
        for pos in range(start, end, CHUNK):
            with whole[pos : min(end, pos + CHUNK)] as one:
                yield one
            forget(data, pos, min(end, pos + CHUNK))


def forget(data: Held, start: int, stop: int) -> None:
    """Give back the memory that a map took to read these bytes; whoever reads them again gets them again."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        first = start - start % mmap.PAGESIZE
        data.madvise(mmap.MADV_DONTNEED, first, stop - first)


def piece(data: Held, start: int, stop: int) -> Held:
    """Some of the bytes, by themselves."""
    if min(stop, len(data)) - start <= SMALL:
        return bytes(data[start:stop])
    if isinstance(data, bytes) and start <= 0 and stop >= len(data):
        return data
    with Spool() as spool:
        for one in chunks(data, start, stop):
            spool.write(one)
        return spool.held()


def is_blank(data: Held, start: int, stop: int) -> bool:
    """Whether there is nothing but zeros, or nothing at all."""
    return not any(bytes(one).strip(b"\0") for one in chunks(data, start, stop))


def read_whole(descriptor: int, size: int) -> bytes | None:
    """The ``size`` bytes of an open file; None where there are more or fewer by now."""
    first = os.read(descriptor, size + 1)
    if len(first) == size:  # less than was asked for: there is no more
        return first
    found = bytearray(first)
    while more := os.read(descriptor, size + 1 - len(found)):
        found += more
        if len(found) > size:
            return None
    return bytes(found) if len(found) == size else None
