"""What identities have left of a day: counted in one place, taken from there in blocks.

A worker takes a block of an identity's quota and spends it by itself, so that the place is asked once for
many requests, and nobody can spend more than there is. What a killed worker had taken and not spent is lost
to the identity until the day is over: a block at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

BLOCKS = 100  # a day's quota is taken in: each is a hundredth of it, or what is left


class Unavailable(Exception):  # noqa: N818 - a state that passes, told to the client as 503
    """The place that counts does not answer now."""


class Budgets(Protocol):
    """Where requests of a day are counted; plain methods, asked once for a block."""

    def take(self, who: str, day: int, *, limit: int) -> int:
        """How many requests of ``day`` (days of Unix time) are ``who``'s to spend now: a block, or 0.

        limit  of the day, in all; Unavailable is raised where nothing can be said.
        """

    def give(self, who: str, day: int, *, unspent: int) -> None:
        """Take back what was not spent; it may be lost, and never raises."""

    def close(self) -> None:
        """Give back what is held."""


class Cells(NamedTuple):
    """Requests of a rate that may be made within a second, or after how many seconds one may."""

    granted: int
    wait: float


class Rates(Protocol):
    """Where several hosts count requests a second."""

    def cells(self, who: str, *, rate: float, burst: int, want: int) -> Cells:
        """Requests of the rate, at most ``want``; Unavailable where nothing can be said."""


class Spent(NamedTuple):
    """What is known of an identity: the latest day, and what was taken of it."""

    day: int
    taken: int

    def at(self, day: int) -> Spent:
        """The same, as of ``day``.

        A clock that was set back by up to a day starts no new one; one that is further back was mended.
        """
        return self if 0 <= self.day - day <= 1 else Spent(day, 0)


def block(limit: int, *, taken: int) -> int:
    """Requests of the next block."""
    return max(0, min(-(-limit // BLOCKS), limit - taken))


class Counts:
    """Budgets that end with the process."""

    def __init__(self) -> None:
        self._spent: dict[str, Spent] = {}

    def take(self, who: str, day: int, *, limit: int) -> int:
        """A block."""
        known = _known(self._spent, who, day)
        granted = block(limit, taken=known.taken)
        self._spent[who] = Spent(known.day, known.taken + granted)
        return granted

    def give(self, who: str, day: int, *, unspent: int) -> None:
        """Of the day that is counted now; another's is over."""
        known = self._spent.get(who)
        if known is not None and known.day == day:
            self._spent[who] = Spent(day, max(0, known.taken - unspent))

    def close(self) -> None:
        """Nothing is held."""


def _known(spent: Mapping[str, Spent], who: str, day: int) -> Spent:
    return spent.get(who, Spent(day, 0)).at(day)
