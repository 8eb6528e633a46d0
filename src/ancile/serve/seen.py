"""Which inputs an identity sent before, in two kilobytes: a table of tags that later ones overwrite."""

from __future__ import annotations

from array import array

SLOTS = 256
TAG = (1 << 62) - 1  # two different inputs have equal tags once in 2^62
SENT, EXACT, COARSE, TURNED = range(
    4
)  # not answered yet, how it was, or that it was refused before the model
ANSWERED = 3  # the bits of a tag that say so


class Seen:
    """Inputs by their keyed digests, the newest of each slot."""

    __slots__ = ("_tags",)

    def __init__(self) -> None:
        self._tags = array("Q", bytes(8 * SLOTS))

    def before(self, number: int) -> int | None:
        """How the input was answered when it was sent before; None where it was not."""
        tag = self._tags[number % SLOTS]
        return tag & ANSWERED if tag >> 2 == (number >> 8) & TAG else None

    def add(self, number: int, how: int) -> None:
        """Remember an input with how it is answered."""
        self._tags[number % SLOTS] = ((number >> 8) & TAG) << 2 | how
