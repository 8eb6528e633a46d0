"""Where the members of an archive stand that are stored as they are."""

from __future__ import annotations

from ancile.formats.beginnings import is_zip
from ancile.formats.zip_entries import STORED, read_archive
from ancile.scan import tars
from ancile.scan.part import Part


def starts_at(part: Part, place: int) -> bool:
    """Whether a stored member of a tar or a zip begins there: it is judged as that member."""
    if is_zip(part.head):
        return any(one.start == place and one.method == STORED for one in read_archive(part.data).entries)
    if not tars.is_tar(part):
        return False
    try:
        return any(one.isreg() and one.offset_data == place for one in tars.tar_members(part.data))
    except tars.TAR_ERRORS:
        return False
