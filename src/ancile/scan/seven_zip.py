"""Archives of 7-Zip: what their members hold."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import examine
from ancile.formats.seven_zip import SevenZip, SevenZipError, read_seven_zip, unpack_folder
from ancile.formats.seven_zip import is_seven_zip as begins_as_seven_zip
from ancile.scan.archive_checks import ARCHIVE_CHECKS, ArchiveFacts, leaves
from ancile.scan.neighbours import in_archive
from ancile.scan.part import Formatted, Part, Spent
from ancile.scan.places import Place


def is_seven_zip(part: Part) -> bool:
    """Whether this begins as such an archive."""
    return begins_as_seven_zip(part.head)


def examine_seven_zip(part: Part) -> Iterator[Formatted | Part]:
    """What its members hold; whatever does not unpack is told, and searched as it stands."""
    damaged: list[Place] = []
    unread: list[Place] = []
    inner: list[Part] = []
    archive = SevenZip((), (), len(part.data))
    try:
        archive = read_seven_zip(part.data)
        _take_members(part, archive, inner, damaged=damaged, unread=unread)
    except SevenZipError as reason:
        (unread if reason.unread else damaged).append(Place(str(reason), 0))
    except Spent as reason:
        unread.append(Place(str(reason), 0))
    outside = tuple(Place(name, 0) for name in archive.names if leaves(name, 0))
    facts = ArchiveFacts(part, leaving=outside, damaged=tuple(damaged), unread=tuple(unread))
    yield Formatted("7z", examine(ARCHIVE_CHECKS, facts))
    yield from inner


def _take_members(
    part: Part,
    archive: SevenZip,
    inner: list[Part],
    *,
    damaged: list[Place],
    unread: list[Place],
) -> None:
    rest = bytes(part.data[archive.end :])
    if rest.strip(b"\0"):
        inner.append(part.inner("(behind it)", rest))
    names = iter(archive.names)
    every = (size for folder in archive.folders for size in folder.sizes)
    sizes = dict.fromkeys(archive.empties, 0) | dict(zip(archive.names, every, strict=False))
    inner += [part.inner(name, b"") for name in archive.empties]
    for folder in archive.folders:
        part.allowance.take(folder.size, packed=folder.packed_bytes)
        try:
            held = unpack_folder(part.data, folder)
        except SevenZipError as reason:
            (unread if reason.unread else damaged).append(Place(str(reason), folder.start))
            held = b""
        pos = 0
        for size in folder.sizes:
            name = next(names, "(without a name)")
            if held or not size:
                inner.append(part.inner(name, held[pos : pos + size], neighbours=in_archive(sizes, name)))
            pos += size
