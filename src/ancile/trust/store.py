"""The storage seam: all that the ledger asks of a database, so that another one can stand in its place.

A store keeps leaves, bodies, tiles and checkpoints. It knows nothing of hashes: the ledger computes, the
store makes durable. What a reader hands out may have been changed by anyone who can write the file, so a
value of a wrong type comes back as None and never as an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import msgspec

from ancile.trust.tiles import Tile


class Row(NamedTuple):
    """An entry on its way in."""

    leaf: bytes
    salt: bytes
    body: bytes


class Stored(msgspec.Struct, frozen=True):
    """An entry as found.

    leaf      None: what stands there is no blob
    salt      None: no body is kept for this entry, or its salt is no blob
    body      None: no body is kept, or it cannot be read; ``trouble`` then says why
    trouble   "" when nothing is odd
    """

    index: int
    leaf: bytes | None
    salt: bytes | None
    body: bytes | None
    trouble: str


class StoredCheckpoint(NamedTuple):
    """A checkpoint as found; ``note`` is None where it is no text."""

    size: int
    note: str | None


class Reader(Protocol):
    """Reads of one state of the ledger."""

    def size(self) -> int:
        """Number of entries, taken from the highest index."""
        ...

    def tile(self, tile: Tile) -> bytes:
        """A tile's hashes; empty where it is absent or no blob."""
        ...

    def tiles(self) -> Iterator[tuple[Tile, bytes | None]]:
        """Every tile by level and number; None where it is no blob."""
        ...

    def entries(self, start: int, stop: int) -> Iterator[Stored]:
        """Entries with start <= index < stop that exist, in order."""
        ...

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Every checkpoint by size, largest first."""
        ...

    def oddities(self) -> list[str]:
        """What stands in the store that ancile did not put there, or is missing from it, in words."""
        ...


class Transaction(Protocol):
    """One writer's changes: all of them become durable, or none."""

    def size(self) -> int:
        """Number of entries, as the last writer left it."""
        ...

    def tile(self, tile: Tile) -> bytes:
        """A tile's hashes; empty where it is absent."""
        ...

    def append(self, first: int, rows: Sequence[Row]) -> None:
        """Adds entries from index ``first`` on."""
        ...

    def put_tiles(self, tiles: Mapping[Tile, bytes]) -> None:
        """Replaces the content of tiles."""
        ...

    def erase_body(self, index: int) -> None:
        """Removes salt and body of an entry."""
        ...

    def put_checkpoint(self, size: int, *, note: str, time_ms: int) -> None:
        """Keeps a checkpoint; one of the same size is replaced (it may have gained cosignatures)."""
        ...


class Store(Reader, Protocol):
    """A ledger's storage. Its own reads see the newest state, each for itself."""

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Reads that all see one state, however long they take."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Writers queue here; durable when the block ends, undone when it raises."""
        ...

    def forget(self) -> None:
        """Makes what was erased unrecoverable from the store's own files."""
        ...

    def close(self) -> None:
        """Gives back every resource."""
        ...
