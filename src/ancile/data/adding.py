"""A new version of a data set, from files that are read once."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from ancile.core.text import plain
from ancile.data.cutting import mean_for
from ancile.data.files import Progress, files_of, listed, size_of
from ancile.data.store import DataStore, Kept
from ancile.data.version import (
    LONGEST_NAME,
    Provenance,
    Version,
    is_name,
    parse_spelled,
    require_words,
)


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
    listing = listed(path)
    with store.writing() as writing:
        before = store.latest(name)
        mean = before.version.mean if before else mean_for(size_of(listing))
        files = files_of(path, listing, mean, writing.take, progress)
        if (
            before is not None
            and (before.version.files, before.version.alone) == (files, listing.alone)
            and store.dropped(before.version) is None
        ):
            return Added(before, new=False, grown=0)
        version = Version(
            name=name,
            number=before.version.number + 1 if before else 1,
            mean=mean,
            alone=listing.alone,
            files=files,
            provenance=msgspec.structs.replace(provenance, parents=parents),
            made=now,
        )
        writing.commit(version)
        return Added(Kept(version, None), new=True, grown=writing.pack.size)


def name_of(path: Path, base: Path) -> str:
    """The name of a set that is a path: as it is reached from the project's folder, else its last part."""
    real, root = Path(os.path.realpath(path)), Path(os.path.realpath(base))
    shown = real.relative_to(root) if real.is_relative_to(root) else Path(real.name)
    fit = "".join(one if one.isprintable() and one not in " @" else "_" for one in plain(str(shown), 200))
    name = fit[:LONGEST_NAME]
    return name if is_name(name) else f"_{name[1:]}"
