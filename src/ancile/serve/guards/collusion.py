"""One search spread over several identities: each query near to another's, which was near to one before it.

A window of one caller sees a k-th of a walk that k keys share. Here the newest queries of all callers of a
model stand beside each other. The distance of a query to the nearest of somebody else's is a p-value, from
how near pairs of reference rows are; as in ``sequence`` the logarithm of a likelihood ratio adds up, but
along the nearest queries: whoever comes near continues the sum of what he came near to, and both have it from
then on, so that it does not matter how many keys there are. Queries that are near to another's stand longer
than others.

Equal rows and forms of which a few values were changed are no evidence, nor passed on: everybody asks what is
popular. Whoever floods the ring asks as many queries as it has slots for each of those that he hides. A
worker sees its own callers alone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.guards.sequence import FEW, HALF, HIGHEST, step
from ancile.serve.verdict import ALLOW, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEWEST, LINKED = 128, 128  # slots: of the last queries of all, and of the last that were near to another's
LOOKED_AT = 2  # requests of which one is looked at, which one only the key tells
NEAR = 0.05  # p-value below which a query continues what it is near to
ROUNDED = 1e-3  # in scaled units: rows that are equal but for their last digits
SHARED = Verdict(
    "flag", "collusion", "queries of several identities follow each other like those of one search"
)


class Pairs(NamedTuple):
    """How near two rows of the reference are to each other.

    table  the smallest distances, sorted
    pairs  how many there are in all
    rows   that they are of
    limit  of a sum
    """

    table: Sequence[float]
    pairs: int
    rows: int
    limit: float

    def rank(self, distance: float, others: int) -> float:
        """How probable it is that one of so many benign queries is as near; 1 where the table ends.

        A near pair is two rows: nothing is known to be rarer than one in half of the rows.
        """
        nearer = bisect_right(self.table, distance)
        if nearer == len(self.table):
            return 1.0
        return min(1.0, max(2.0 / self.rows, others * (nearer + 1) / self.pairs))


class Crowd:
    """The newest queries of all callers of a model; its size does not change.

    A row is a point and minus half its squared norm, as in a window of ``sequence``.
    """

    __slots__ = ("_few", "_linked", "_newest", "_owners", "_point", "_products", "_ring", "_sums")

    def __init__(self, width: int) -> None:
        slots = NEWEST + LINKED
        self._point = np.ones(width + 1, np.float32)
        self._ring = np.zeros((slots, width + 1), np.float32)
        self._ring[:, -1] = -np.inf
        self._products = np.zeros(slots, np.float32)
        self._owners = [0] * slots
        self._sums = [0.0] * slots
        self._newest = self._linked = 0
        self._few = min(FEW, width // 4)

    def add(self, values: NDArray[np.float32], who: int, total: float, known: Pairs) -> tuple[bool, float]:
        """Whether the query of ``who`` is one of several identities' search; and what it adds up to for him.

        What is nearest to a query of his own is for ``sequence`` to judge.

        values  the query as a point
        who     a number of the identity
        total   what his last query added up to
        """
        distance, at = self._nearest(values)
        if distance <= ROUNDED:
            return False, total
        p = known.rank(distance, min(self._newest, NEWEST) + min(self._linked, LINKED))
        sums, gain = self._sums, HALF[step(p)]
        if p >= NEAR:
            sums[at] = max(0.0, sums[at] + gain)
            self._keep(who, 0.0, linked=False)
            return False, max(0.0, total + gain)
        if self._owners[at] == who:
            self._keep(who, total, linked=False)
            return False, total
        if np.count_nonzero(self._ring[at, :-1] != values) <= self._few:
            return False, total
        sums[at] = total = min(max(total, sums[at]) + gain, HIGHEST * known.limit)
        self._keep(who, total, linked=True)
        return total > known.limit, total

    def _nearest(self, values: NDArray[np.float32]) -> tuple[float, int]:
        """Distance to the nearest query and its slot; infinite where there is none."""
        point = self._point
        point[:-1] = values
        point[-1] = 1.0
        products = self._ring.dot(point, self._products)
        at = int(products.argmax())
        norm = float(values.dot(values))
        square = norm - 2.0 * float(products[at])
        point[-1] = -0.5 * norm
        # The difference of large numbers leaves an error of their size times 2^-23.
        return math.sqrt(square) if square > norm * 1e-6 else 0.0, at

    def _keep(self, who: int, total: float, *, linked: bool) -> None:
        if linked:
            at = NEWEST + self._linked % LINKED
            self._linked += 1
        else:
            at = self._newest % NEWEST
            self._newest += 1
        self._ring[at] = self._point
        self._owners[at] = who
        self._sums[at] = total


def collusion(
    values: NDArray[np.float32], who: int, total: float, *, crowd: Crowd, known: Pairs
) -> tuple[Verdict, float]:
    """Whether a query belongs to a search of several identities; and the new sum of this one."""
    shared, total = crowd.add(values, who, total, known)
    return (SHARED if shared else ALLOW), total
