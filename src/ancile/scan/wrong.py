"""What can be wrong with a pickle, and the places where it is."""

from __future__ import annotations

from enum import Enum

import msgspec

KEPT = 20  # places of one kind that are kept


class Wrong(Enum):
    """What can be wrong; each has a check."""

    UNLISTED_CALL = "unlisted call"
    UNLISTED_NAME = "unlisted name"
    UNKNOWN_CLASS = "unknown class"
    COMPUTED_NAME = "computed name"
    EXTENSION = "extension code"
    FOREIGN_CHANGE = "foreign change"
    PLANTED = "planted method"
    PERSISTENT = "persistent id"
    OUTSIDE_DATA = "data from outside"
    ODD = "odd structure"
    DAMAGED = "damaged"
    EXPANSION = "expansion"
    UNREAD = "not read to its end"


class Place(msgspec.Struct, frozen=True):
    """Where, and what in words."""

    offset: int
    detail: str


class Reading(msgspec.Struct, eq=False):
    """What was found in some bytes.

    wrong     kind to its first places
    counts    kind to how many there are
    packages  packages that an unpickler would need, to be pinned
    streams   offsets of the pickles
    """

    wrong: dict[Wrong, list[Place]] = msgspec.field(default_factory=dict)
    counts: dict[Wrong, int] = msgspec.field(default_factory=dict)
    packages: set[str] = msgspec.field(default_factory=set)
    streams: list[int] = msgspec.field(default_factory=list)
    stop: int = 0

    def note(self, kind: Wrong, offset: int, detail: str) -> None:
        """One more."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        places = self.wrong.setdefault(kind, [])
        if len(places) < KEPT and all(one.detail != detail for one in places):
            places.append(Place(offset, detail))
