"""Pictures, sounds and films beside a model are data; what follows them is judged for itself."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import examine
from ancile.formats.media import kind_of, read_media
from ancile.scan.hidden import search_numbers
from ancile.scan.part import Formatted, Part
from ancile.scan.plain_data import DATA_CHECKS, DataFacts


def is_media(part: Part) -> bool:
    """Whether this begins as a picture, a sound or a film."""
    return bool(kind_of(part.head))


def examine_media(part: Part) -> Iterator[Formatted | Part]:
    """That it is one, and what stands behind it."""
    found = read_media(part.data)
    yield Formatted(found.kind, examine(DATA_CHECKS, DataFacts(part, unknown=found.fault)))
    yield search_numbers(part, found.kind, [(0, found.stop)])
    rest = bytes(part.data[found.stop :])
    if rest.strip(b"\0\r\n"):
        yield part.inner("(behind it)", rest)
