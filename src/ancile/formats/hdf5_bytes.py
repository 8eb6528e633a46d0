"""Bytes of an HDF5 file as its pieces are made of them: HDF5 File Format Specification 3.0, II and III.

Numbers, addresses, local and global heaps. Everything is checked against the file's end before it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ancile.formats.held import Held

STEPS = 2_000_000  # pieces of one file that are followed
NAME_BYTES = 1 << 16


class Hdf5Error(Exception):
    """The file says something that no HDF5 file says."""


class CutOffError(Hdf5Error):
    """The file says something that is not there."""


@dataclass
class Source:
    """The file from its superblock on.

    base     where the superblock stands; every address counts from there
    offsets  bytes of an address
    lengths  bytes of a length
    """

    data: Held
    base: int
    offsets: int = 8
    lengths: int = 8
    steps: int = STEPS
    heaps: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)

    def take(self, address: int, size: int) -> bytes:
        """So many bytes at an address; Hdf5Error where the file ends before."""
        self.steps -= 1
        if self.steps < 0:
            raise Hdf5Error(f"more than {STEPS} pieces")
        start = self.base + address
        if size < 0 or address < 0 or start + size > len(self.data):
            raise CutOffError(f"{size} bytes at {address} are not in the file")
        return bytes(self.data[start : start + size])

    def number(self, address: int, size: int) -> int:
        """A little-endian number."""
        return int.from_bytes(self.take(address, size), "little")

    def pointer(self, address: int) -> int | None:
        """An address that stands at an address; None for the undefined one."""
        return self.defined(self.take(address, self.offsets))

    def defined(self, raw: bytes) -> int | None:
        """An address from its bytes; None for the undefined one."""
        if len(raw) != self.offsets:
            raise CutOffError("an address is cut off")
        return None if raw == b"\xff" * len(raw) else int.from_bytes(raw, "little")

    def text(self, address: int) -> str:
        """A text up to its zero byte."""
        start = self.base + address
        if not address >= 0 or start >= len(self.data):
            raise CutOffError(f"a name at {address} is not in the file")
        return until_zero(bytes(self.data[start : start + NAME_BYTES]))

    def heap_object(self, collection: int, index: int) -> bytes:
        """An object of a global heap collection: section III.E."""
        if collection not in self.heaps:
            self.heaps[collection] = dict(self._collected(collection))
        if index not in self.heaps[collection]:
            raise Hdf5Error(f"the heap at {collection} holds no object {index}")
        start, size = self.heaps[collection][index]
        return self.take(start, size)

    def _collected(self, address: int) -> Iterator[tuple[int, tuple[int, int]]]:
        if self.take(address, 4) != b"GCOL":
            raise Hdf5Error(f"no heap at {address}")
        end = address + self.number(address + 8, self.lengths)
        place = address + 8 + self.lengths
        head = 8 + self.lengths
        while place + head <= end:
            index, size = self.number(place, 2), self.number(place + 8, self.lengths)
            if index == 0:
                return
            yield index, (place + head, size)
            place += head + (size + 7) // 8 * 8


def until_zero(raw: bytes) -> str:
    """The text before the first zero byte."""
    return raw.partition(b"\0")[0].decode("utf-8", "backslashreplace")
