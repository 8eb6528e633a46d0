"""Rows that stand in a table more than once, in memory that does not grow with it."""

from __future__ import annotations

from typing import NamedTuple

from ancile.data.checking.hashing import Words
from ancile.data.rows import Integers
from ancile.numeric import np

HELD = 1 << 21  # hashes held at once, 32 MiB with their places; tables of fewer rows are counted exactly
LARGEST = 20  # groups of equal rows that are named
NAMED = 5  # rows of a group that are named


class Repeated(NamedTuple):
    """Rows that are equal: the first of them, and how many there are."""

    rows: tuple[int, ...]
    times: int


class Repeats(NamedTuple):
    """How many rows repeat an earlier one.

    share    of the rows looked at
    looked   rows that the share is of: all, or those whose hash is small enough
    repeats  of them that repeat an earlier one
    exact    whether all rows were looked at
    largest  groups of equal rows, the most frequent first
    """

    looked: int
    repeats: int
    exact: bool
    largest: tuple[Repeated, ...]

    @property
    def share(self) -> float:
        """Of the rows that were looked at."""
        return self.repeats / self.looked if self.looked else 0.0


class Repeating:
    """Looks for equal rows among those whose hash is below a bound, which falls as the table grows.

    Equal rows have equal hashes, so that all of a group are held or none is: a fair draw of different rows.
    """

    def __init__(self) -> None:
        self._bound = np.uint64(2**64 - 1)
        self._hashes: list[Words] = []
        self._places: list[Integers] = []
        self._held = self._seen = 0

    def take(self, hashes: Words) -> None:
        """Look at the next rows."""
        chosen = np.flatnonzero(hashes <= self._bound)
        self._hashes.append(hashes[chosen])
        self._places.append(chosen.astype(np.int64) + self._seen)
        self._held += chosen.size
        self._seen += len(hashes)
        while self._held > HELD and int(self._bound) > 1:
            self._bound >>= np.uint64(1)
            whole, places = np.concatenate(self._hashes), np.concatenate(self._places)
            kept = whole <= self._bound
            self._hashes, self._places, self._held = [whole[kept]], [places[kept]], int(kept.sum())

    def found(self) -> Repeats:
        """What was found."""
        if not self._hashes:
            return Repeats(0, 0, exact=True, largest=())
        whole, places = np.concatenate(self._hashes), np.concatenate(self._places)
        order = np.argsort(whole, kind="stable")
        whole, places = whole[order], places[order]
        starts = np.flatnonzero(np.append(True, whole[1:] != whole[:-1])) if whole.size else np.zeros(0, int)
        counts = np.diff(np.append(starts, whole.size))
        some = np.argsort(-counts, kind="stable")[:LARGEST]
        largest = tuple(
            Repeated(
                tuple(places[starts[at] : starts[at] + min(NAMED, counts[at])].tolist()), int(counts[at])
            )
            for at in some
            if counts[at] > 1
        )
        exact = int(self._bound) == 2**64 - 1
        return Repeats(int(whole.size), int(whole.size - starts.size), exact=exact, largest=largest)
