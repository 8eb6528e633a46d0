"""A new version of a data set, from files that are read once."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from ancile.core.text import plain
from ancile.data.cutting import mean_for, sizes_of
from ancile.data.reading import Chunk, read_chunks
from ancile.data.store import DataStore, Kept, Writing
from ancile.data.version import DataFile, Piece, Provenance, Version, parse_spelled, require_words
from ancile.work.listing import Entry, after_the_tick, changed, files_below

Progress = Callable[[int, int], None]


class Added(NamedTuple):
    """What became of an addition.

    kept   the version; the one there was where nothing changed
    new    whether it is a new one
    grown  bytes by which the store grew
    """

    kept: Kept
    new: bool
    grown: int


def add_version(
    store: DataStore,
    path: Path,
    *,
    name: str,
    provenance: Provenance,
    now: datetime,
    progress: Progress | None = None,
) -> Added:
    """The files of ``path`` as the next version of the set ``name``; none where they are those of the latest.

    path        a folder or a file; each file is read once
    provenance  its parents must be there
    progress    is told bytes read and bytes in all
    AncileError where a file cannot be read or changes meanwhile, or the disk is full: nothing is kept then.
    """
    parse_spelled(f"{name}@1")
    require_words(provenance)
    parents = tuple(store.find(parse_spelled(one)).version.spelled for one in provenance.parents)
    listed = files_below(path)
    after_the_tick(listed.files.values())
    total = sum(entry.seen.size for entry in listed.files.values())
    with store.writing() as writing:
        before = store.latest(name)
        mean = before.version.mean if before else mean_for(total)
        done = 0

        def told(length: int) -> None:
            nonlocal done
            done += length
            if progress is not None:
                progress(done, total)

        files = tuple(_file(one, entry, mean, writing, told) for one, entry in listed.files.items())
        if files_below(path) != listed:
            raise changed(str(path))
        if before is not None and (before.version.files, before.version.alone) == (files, listed.alone):
            return Added(before, new=False, grown=0)
        version = Version(
            name=name,
            number=before.version.number + 1 if before else 1,
            mean=mean,
            alone=listed.alone,
            files=files,
            provenance=msgspec.structs.replace(provenance, parents=parents),
            made=now,
        )
        writing.commit(version)
        return Added(Kept(version, None), new=True, grown=writing.pack.size)


def _file(name: str, entry: Entry, mean: int, writing: Writing, told: Callable[[int], None]) -> DataFile:
    pieces: list[Piece] = []

    def take(chunk: Chunk) -> None:
        pieces.append(writing.take(chunk))

    found = read_chunks(entry, sizes_of(mean), take, told=told)
    return DataFile(path=name, digest=found.digest, size=found.size, chunks=tuple(pieces))


def name_of(path: Path, base: Path) -> str:
    """The name of a set that is a path: as it is reached from the project's folder, else its last part."""
    real, root = Path(os.path.realpath(path)), Path(os.path.realpath(base))
    shown = real.relative_to(root) if real.is_relative_to(root) else Path(real.name)
    fit = (one if one.isprintable() and one not in " @" else "_" for one in plain(str(shown), 200))
    return "".join(fit) or "_"
