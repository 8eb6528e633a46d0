"""A file of a version as the store keeps it, read like any other; each chunk is checked by its digest."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING

from ancile.data.store import DataStore
from ancile.data.version import DataFile, Piece

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class KeptFile(io.RawIOBase):
    """Any place of a file without writing it out: one chunk is in memory at a time.

    read  gives a chunk its bytes, or raises AncileError where they are not what they were
    """

    def __init__(self, read: Callable[[Piece], bytes], file: DataFile) -> None:
        self._read, self._file = read, file
        self._ends = list(accumulate(one.size for one in file.chunks))
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new place; one before the start is refused, one beyond the end reads nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the start of the file")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Bytes up to the end of a chunk; 0 at the end of the file."""
        number = bisect_right(self._ends, self._at)
        if number == len(self._ends):
            return 0
        if self._held[0] != number:
            self._held = number, self._read(self._file.chunks[number])
        data = self._held[1]
        start = self._at - (self._ends[number] - len(data))
        target = memoryview(buffer).cast("B")
        piece = data[start : start + len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def opened_kept(store: DataStore, file: DataFile) -> io.BufferedReader:
    """A file of a version with lines and whole reads."""
    return io.BufferedReader(KeptFile(store.reader(file.chunks), file), 1 << 16)
