"""Queries that walk: each one nearer to those before it than a benign caller's would be.

The distance of a query to its nearest among the caller's last 64 is ranked among benign distances at the same
fill of the window, and the logarithms of these ranks add up (CUSUM, Page 1954): no threshold of distance,
so that an attacker who keeps his steps above one is seen as soon. Exact repeats are no evidence: retries make
them.
Whoever varies one feature of a form at a time walks as well: nearness alone is no reason to deny.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.verdict import ALLOW, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOTS = 64  # of a window
FILLS = (
    1,
    2,
    4,
    8,
    16,
    32,
    64,
)  # from which on a table of ranks holds: a fuller window has nearer neighbours
REPEAT = 1e-6  # in scaled units; float32 differences of equal rows are below
DRIFT = 2.0  # nats a query: benign ranks are uniform, -log of them is 1 on average


class Benign(NamedTuple):
    """What benign callers look like, from a reference set.

    centre, weight  of each value of a sample: the reference's mean, and one over its standard deviation
    projection      (32, values), weights included, where a sample has more than 64 values, else None
    ranks           sorted nearest distances, one table for each of FILLS
    limit           of the sum; at most one benign caller in a hundred comes above it in 600 queries
    """

    centre: NDArray[np.float32]
    weight: NDArray[np.float32]
    projection: NDArray[np.float32] | None
    ranks: tuple[Sequence[float], ...]
    limit: float

    @property
    def width(self) -> int:
        """Values of a point."""
        return len(self.centre) if self.projection is None else self.projection.shape[0]

    def seen(self, sample: NDArray[np.floating], out: NDArray[np.float32]) -> None:
        """Write a sample, flat, as a point of the space in which distances are taken to ``out``."""
        if self.projection is not None:
            np.dot(self.projection, sample.astype(np.float32, copy=False), out=out)
            return
        np.subtract(sample, self.centre, out=out)  # moves all points alike, and keeps float32 exact enough
        np.multiply(out, self.weight, out=out)


class Window:
    """The last queries of one caller, and what they add up to.

    A row of the ring is a point and minus half its squared norm, so that one product with (point, 1) tells
    which is nearest: |p - q|^2 = |q|^2 - 2 (p.q - |p|^2 / 2).
    """

    __slots__ = ("_filled", "_point", "_products", "_ring", "_values", "total")

    def __init__(self, width: int) -> None:
        self._ring = np.zeros((SLOTS, width + 1), np.float32)
        self._ring[:, -1] = -np.inf
        self._point = np.ones(width + 1, np.float32)
        self._values = self._point[:-1]
        self._products = np.zeros(SLOTS, np.float32)
        self._filled = 0
        self.total = 0.0

    def nearest(self, sample: NDArray[np.floating], benign: Benign) -> tuple[float, int]:
        """Distance to the nearest of the last queries, and how many there were; this one joins them."""
        point, values, filled = self._point, self._values, self._filled
        benign.seen(sample, values)
        norm = float(np.dot(values, values))  # dot and reduce: half the cost of @ and max() on so few values
        square = norm - 2.0 * float(np.maximum.reduce(np.dot(self._ring, point, out=self._products)))
        place = self._ring[filled % SLOTS]
        place[:] = point
        place[-1] = -0.5 * norm
        self._filled = filled + 1
        # The difference of large numbers leaves an error of their size times 2^-23.
        return (math.sqrt(square) if square > norm * 1e-6 else 0.0), min(filled, SLOTS)

    def add(self, sample: NDArray[np.floating], benign: Benign) -> float:
        """The sum after this query."""
        distance, filled = self.nearest(sample, benign)
        if filled and distance > REPEAT:
            table = benign.ranks[bucket(filled)]
            rank = (bisect_right(table, distance) + 1) / (len(table) + 1)
            self.total = max(0.0, self.total - math.log(rank) - DRIFT)
        return self.total


def bucket(filled: int) -> int:
    """Which table of ranks holds for a window with so many queries, at least one."""
    return min(filled.bit_length(), len(FILLS)) - 1


def sequence(rows: NDArray[np.floating], window: Window, benign: Benign) -> Verdict:
    """Whether the caller's queries, these samples the last of them, walk."""
    if len(rows) == 1:
        total = window.add(rows.ravel(), benign)
    else:
        total = max(window.add(sample, benign) for sample in rows.reshape(len(rows), -1))
    if total > benign.limit:
        return Verdict("throttle", "sequence", "queries follow each other like those of a search")
    return ALLOW
