"""Which inputs an identity sent before, in two kilobytes: a table of tags that later ones overwrite."""

from __future__ import annotations

from array import array

SLOTS = 256
TAG = (1 << 63) - 1  # two different inputs have equal tags once in 2^63


class Seen:
    """Inputs by their keyed digests, the newest of each slot.

    A tag's lowest bit says whether the input was answered as exactly as the role has it.
    """

    __slots__ = ("_tags",)

    def __init__(self) -> None:
        self._tags = array("Q", bytes(8 * SLOTS))

    def before(self, number: int) -> bool:
        """Whether the input was sent before."""
        return self._tags[number % SLOTS] >> 1 == (number >> 8) & TAG

    def plainly(self, number: int) -> bool:
        """Whether it was answered, and exactly."""
        return self.before(number) and bool(self._tags[number % SLOTS] & 1)

    def add(self, number: int, *, plain: bool) -> None:
        """Remember an input with how it is answered."""
        self._tags[number % SLOTS] = ((number >> 8) & TAG) << 1 | plain
