"""What comes out of a sealed file: all files, one, a range of bytes, or some row groups of a Parquet file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.data.files import Progress
from ancile.data.sealing import NewFile, new_file, unwritten, write_all
from ancile.data.unsealing import Member, Sealed, SealedFile
from ancile.data.version import path_of

RANGE = re.compile(r"(?P<start>[0-9]{1,15})[:-](?P<end>[0-9]{1,15})")
GROUPS = re.compile(r"[0-9]{1,9}(,[0-9]{1,9}){0,999}")


class Wanted(NamedTuple):
    """What is asked of a sealed file; all of it where nothing is said.

    file    percent-encoded path of one file
    range   first byte, and the first that is not wanted
    groups  numbers of row groups
    """

    file: str | None = None
    range: tuple[int, int] | None = None
    groups: tuple[int, ...] = ()

    @property
    def part(self) -> str:
        """In words, for evidence."""
        if self.range is not None:
            return f"bytes {self.range[0]} to {self.range[1] - 1}"
        return f"row groups {', '.join(map(str, self.groups))}" if self.groups else "whole"


def parse_range(text: str) -> tuple[int, int]:
    """FIRST:END, END not included."""
    found = RANGE.fullmatch(text)
    if found is None or int(found["start"]) >= int(found["end"]):
        raise AncileError("no range of bytes", value=plain(text, 60), remedy="give FIRST:END, as in 0:4096")
    return int(found["start"]), int(found["end"])


def parse_groups(text: str) -> tuple[int, ...]:
    """Numbers of row groups, divided by commas."""
    if not GROUPS.fullmatch(text):
        raise AncileError("no row groups", value=plain(text, 60), remedy="give numbers from 0, as in 0,3,4")
    return tuple(dict.fromkeys(int(one) for one in text.split(",")))


def require_there(sealed: Sealed, wanted: Wanted) -> None:
    """AncileError where the sealed file has not what is wanted of it; no file in it is read for that."""
    if wanted == Wanted():
        return
    one = sealed.member(wanted.file)
    if wanted.range is not None and wanted.range[1] > one.size:
        raise AncileError(
            "the file ends before that range",
            value=f"{one.size} bytes, asked for {wanted.range[0]}:{wanted.range[1]}",
            remedy="ask for a range within it",
        )


def take(sealed: Sealed, wanted: Wanted, to: Path, progress: Progress | None = None) -> int:
    """Write what is wanted to the new file or folder ``to``; its bytes.

    Files that come out whole are compared with what the sealer signed; ranges rest on the data key alone.
    """
    try:
        if wanted.groups:
            return _groups(sealed.member(wanted.file), sealed, wanted.groups, to)
        if wanted.range is not None:
            start, end = wanted.range
            one = sealed.member(wanted.file)
            with new_file(to) as file:
                sealed.give(one.start + start, end - start, lambda piece: write_all(file, piece))
            return end - start
        if wanted.file is not None or sealed.index.alone:
            return _whole(sealed, (sealed.member(wanted.file),), [to], progress)
        return _folder(sealed, to, progress)
    except OSError as reason:
        raise unwritten(to, reason) from reason


def _folder(sealed: Sealed, to: Path, progress: Progress | None) -> int:
    members = tuple(sealed.members())
    places = [to / path_of(one.path) for one in members]
    to.mkdir(mode=0o700)
    for folder in dict.fromkeys(place.parent for place in places):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _whole(sealed, members, places, progress)


def _whole(
    sealed: Sealed, members: Sequence[Member], places: Sequence[Path], progress: Progress | None
) -> int:
    done, total = 0, sum(one.size for one in members)
    for one, place in zip(members, places, strict=True):
        with new_file(place) as file:

            def write(piece: memoryview, file: NewFile = file) -> None:
                nonlocal done
                write_all(file, piece)
                done += len(piece)
                if progress is not None:
                    progress(done, total)

            sealed.whole(one, write)
    return done


def _groups(one: Member, sealed: Sealed, groups: Sequence[int], to: Path) -> int:
    parquet, arrow = needs("pyarrow.parquet", "tables"), needs("pyarrow", "tables")
    try:
        # pyarrow reads the footer and the pages of these groups, and nothing else
        with parquet.ParquetFile(SealedFile(sealed, one), pre_buffer=False) as source:
            count = source.metadata.num_row_groups
            missing = [number for number in groups if number >= count]
            if missing:
                raise AncileError(
                    "no such row group", value=str(missing[0]), remedy=f"it has row groups 0 to {count - 1}"
                )
            with new_file(to):
                pass
            with parquet.ParquetWriter(str(to), source.schema_arrow) as target:
                for number in groups:
                    target.write_table(source.read_row_group(number))
    except arrow.ArrowException as reason:
        raise AncileError(
            "this is no Parquet file with row groups",
            value=plain(f"{one.path}: {reason}", 120),
            remedy="ask for --bytes, or for the whole file",
        ) from reason
    with to.open("rb") as written:
        os.fsync(written.fileno())
    return to.stat().st_size
