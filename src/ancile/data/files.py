"""The files at a path as files of a version: read once each, in chunks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ancile.data.cutting import sizes_of
from ancile.data.reading import Chunk, read_chunks
from ancile.data.version import DataFile, Piece
from ancile.work.listing import Entry, Listing, after_the_tick, changed, files_below

Progress = Callable[[int, int], None]


def listed(path: Path) -> Listing:
    """The files to read, once any further write to them will show."""
    found = files_below(path)
    after_the_tick(found.files.values())
    return found


def size_of(listing: Listing) -> int:
    """Bytes of all files."""
    return sum(entry.seen.size for entry in listing.files.values())


def files_of(
    path: Path,
    listing: Listing,
    mean: int,
    take: Callable[[Chunk], None],
    progress: Progress | None,
) -> tuple[DataFile, ...]:
    """The files of a listing of ``path``, each chunk of which ``take`` gets.

    progress  is told bytes read and bytes in all
    AncileError where one cannot be read, or the files are others meanwhile.
    """
    total, done = size_of(listing), 0

    def told(length: int) -> None:
        nonlocal done
        done += length
        if progress is not None:
            progress(done, total)

    files = tuple(_file(name, entry, mean, take, told) for name, entry in listing.files.items())
    if files_below(path) != listing:
        raise changed(str(path))
    return files


def _file(
    name: str, entry: Entry, mean: int, take: Callable[[Chunk], None], told: Callable[[int], None]
) -> DataFile:
    pieces: list[Piece] = []

    def taken(chunk: Chunk) -> None:
        take(chunk)
        pieces.append(Piece(chunk.digest, len(chunk.data)))

    found = read_chunks(entry, sizes_of(mean), taken, told=told)
    return DataFile(path=name, digest=found.digest, size=found.size, chunks=tuple(pieces))
