"""Containers that end as a zip does, mostly because a zip is the last thing that they hold.

Readers of zip go by the last bytes of a file, so whatever ends as one is one to them. A tar whose member it
is shows them nothing else than that member. What a stream or a 7z holds as it stands cannot be told from what
only a reader of zip sees, so both readings are judged.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ancile.formats.beginnings import LOCAL, zip_end
from ancile.formats.zip_entries import read_archive
from ancile.scan import archives, seven_zip, streams, tars
from ancile.scan.part import Formatted, Part


def is_held(part: Part) -> bool:
    """Whether what ends as a zip is just what another container holds, so that no reader of zip sees more."""
    if tars.is_tar(part):
        return _in_member(part)
    return seven_zip.is_seven_zip(part) or streams.is_compressed(part)


def _in_member(part: Part) -> bool:
    """Whether all that a reader of zip would look at lies in one member of a tar."""
    archive = read_archive(part.data)
    start = min((one.header for one in archive.entries), default=0)
    stop = len(part.data)
    for first, last in archive.strays:
        start = max(start, last) if first == 0 else start
        stop = first if last == len(part.data) else stop
    stop = max([stop, *(one.start + one.packed_bytes for one in archive.entries)])
    try:
        return any(
            one.isreg() and one.offset_data <= start and stop <= one.offset_data + one.size
            for one in tars.tar_members(part.data)
        )
    except tars.TAR_ERRORS:
        return False


def examine_compressed(part: Part) -> Iterator[Formatted | Part]:
    """What it unpacks to, and what a reader of zip sees in it."""
    yield from streams.examine_compressed(part)
    yield from _ending(part)


def examine_seven_zip(part: Part) -> Iterator[Formatted | Part]:
    """What its members hold, and what a reader of zip sees in it."""
    yield from seven_zip.examine_seven_zip(part)
    yield from _ending(part)


def _ending(part: Part) -> Iterator[Part]:
    """Members that a reader of zip finds in a stream: none whose own header is not where it should be.

    That is so of most when an archive stands in the blocks of a stream, with lengths in between.
    """
    if zip_end(part.data) >= 0:
        archive = read_archive(part.data)
        there = (one for one in archive.entries if part.data[one.header : one.header + 4] == LOCAL)
        archive = msgspec.structs.replace(archive, entries=tuple(there), strays=())
        yield from (one.part for one in archives.zip_members(part, archive))
