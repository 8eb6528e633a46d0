"""Compressed files: what they unpack to is looked at in turn, by content."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import examine
from ancile.formats.compressed import kind_of, unpack
from ancile.formats.held import is_blank
from ancile.scan.archive_checks import ARCHIVE_CHECKS, ArchiveFacts
from ancile.scan.part import RATIO, RATIO_FREE_BYTES, Formatted, Part, Spent
from ancile.scan.places import Place

PROBED_BYTES = 5 << 20  # more than the longest block of lz4


def is_compressed(part: Part) -> bool:
    """Whether this is a compressed stream that unpacks to anything."""
    return bool(kind_of(part.head)) and bool(unpack(bytes(part.data[:PROBED_BYTES]), limit_bytes=1).data)


def examine_compressed(part: Part) -> Iterator[Formatted | Part]:
    """What it unpacks to."""
    # One more than what is a bomb, so that it is told for one
    limit = min(part.allowance.unpacked_bytes, max(RATIO_FREE_BYTES, RATIO * len(part.data)) + 1)
    found = unpack(part.data, limit_bytes=limit)
    facts = ArchiveFacts(part, damaged=(Place(found.fault, 0),) if found.fault else ())
    inner: list[Part] = []
    if found.cut:
        facts = facts._replace(unread=(Place(f"more than {limit} bytes when unpacked", 0),))
    try:
        # Who unpacks it has what it holds in the same place, beside the same files
        held = part.inner(f"({found.kind})", found.data, packed=len(part.data), neighbours=part.neighbours)
        inner.append(held)
        if not is_blank(found.rest, 0, len(found.rest)):
            inner.append(part.inner("(behind it)", found.rest))
    except Spent as reason:
        facts = facts._replace(unread=(Place(str(reason), 0),))
    yield Formatted(found.kind, examine(ARCHIVE_CHECKS, facts))
    yield from inner
