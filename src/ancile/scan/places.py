"""Places in a part that a check tells: the first few of them, or a pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ancile.core.check import Remark, error, fail, ok
from ancile.core.text import plain
from ancile.scan.part import Part

TOLD = 20  # places of one kind in one part


class Place(NamedTuple):
    """What is wrong, in words, and where it begins; no offset where the format knows none."""

    detail: str
    offset: int | None = None


def failed(part: Part, places: Sequence[Place]) -> Iterator[Remark]:
    """A fault for each place."""
    for place in _first(places):
        yield fail(place.detail, where=part.where(place.offset))
    if not places:
        yield ok()


def unread(part: Part, places: Sequence[Place]) -> Iterator[Remark]:
    """For each place that nothing is known of it."""
    for place in _first(places):
        yield error(place.detail, where=part.where(place.offset))
    if not places:
        yield ok()


def _first(places: Sequence[Place]) -> list[Place]:
    one_each = list(dict.fromkeys(place._replace(detail=plain(place.detail)) for place in places))
    return one_each[:TOLD]
