"""Tar archives: POSIX.1-1988 ustar and what came after."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

from ancile.core.check import examine
from ancile.formats import beginnings
from ancile.formats.held import Held, is_blank, piece
from ancile.scan.archive_checks import ARCHIVE_CHECKS, ArchiveFacts, leaves
from ancile.scan.neighbours import in_archive
from ancile.scan.part import PARTS, Formatted, Part
from ancile.scan.places import Place

BLOCK = 512
CUT_OFF = "unexpected end of data"  # tarfile's words
TAR_ERRORS = (tarfile.TarError, ValueError, OSError, EOFError)


def is_tar(part: Part) -> bool:
    """Whether this is a tar archive."""
    return beginnings.is_tar(part.head)


def examine_tar(part: Part) -> Iterator[Formatted | Part]:
    """What its members hold; links and devices are told, not followed."""
    leaving: list[Place] = []
    end = 0
    held: list[tarfile.TarInfo] = []
    facts = ArchiveFacts(part)
    try:
        for one in tar_members(part.data):
            if one.issym() or one.islnk() or one.isdev() or leaves(one.name, 0):
                leaving.append(Place(f"{one.name} {one.linkname}".strip(), one.offset))
            if one.isreg():
                held.append(one)
            end = one.offset_data + (-(-one.size // BLOCK) * BLOCK if one.isreg() else 0)
            if len(held) + len(leaving) > PARTS:
                facts = facts._replace(unread=(Place(f"more than {PARTS} members", 0),))
                break
    except TAR_ERRORS as reason:
        place = (Place(str(reason), 0),)
        facts = facts._replace(unread=place) if str(reason) == CUT_OFF else facts._replace(damaged=place)
    facts = facts._replace(leaving=tuple(leaving))
    yield Formatted("tar", examine(ARCHIVE_CHECKS, facts))
    sizes = {one.name: one.size for one in held}
    for one in held:
        content = piece(part.data, one.offset_data, one.offset_data + one.size)
        yield part.inner(one.name, content, neighbours=in_archive(sizes, one.name))
    if not facts.unread and not is_blank(part.data, end, len(part.data)):
        yield part.inner("(behind it)", piece(part.data, end, len(part.data)))


def tar_members(data: Held) -> Iterator[tarfile.TarInfo]:
    """What a tar lists, as far as it goes; where it breaks, one of ``TAR_ERRORS``."""
    with tarfile.open(fileobj=_Stream(data), mode="r:") as archive:
        yield from archive


class _Stream(io.RawIOBase):
    """Bytes as a file, which they are not copied for."""

    def __init__(self, data: Held) -> None:
        self._data = data
        self._pos = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._pos = offset + (0, self._pos, len(self._data))[whence]
        return self._pos

    def tell(self) -> int:
        return self._pos

    def read(self, size: int = -1, /) -> bytes:
        stop = len(self._data) if size < 0 else self._pos + size
        found = bytes(self._data[self._pos : stop])
        self._pos += len(found)
        return found
