"""Queries that walk: each one nearer to those before it than a benign caller's would be.

The distance of a query to its nearest among the caller's last 64 is ranked among benign distances at the same
fill of the window, and the logarithms of these ranks add up (CUSUM, Page 1954): no threshold of distance,
so that an attacker who keeps his steps above one is seen as soon. Exact repeats are no evidence: retries make
them.
Whoever varies one feature of a form at a time walks as well: nearness alone is no reason to deny.
"""

from __future__ import annotations

import math
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

    centre, scale  of each value of a sample
    projection     (values, 32) where a sample has more than 64 values, else None
    ranks          sorted nearest distances, one table for each of FILLS
    limit          of the sum; at most one benign caller in a hundred comes above it in 600 queries
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    projection: NDArray[np.float32] | None
    ranks: tuple[NDArray[np.float32], ...]
    limit: float

    def seen(self, rows: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, *shape) samples as (n, values) points of the space in which distances are taken."""
        flat = rows.reshape(len(rows), -1).astype(np.float32, copy=False)
        points: NDArray[np.float32] = np.clip((flat - self.centre) / self.scale, -6.0, 6.0)
        return points if self.projection is None else points @ self.projection


class Window:
    """The last queries of one caller, and what they add up to."""

    __slots__ = ("_filled", "_norms", "_ring", "total")

    def __init__(self, width: int) -> None:
        self._ring = np.zeros((SLOTS, width), np.float32)
        self._norms = np.full(SLOTS, np.inf, np.float32)
        self._filled = 0
        self.total = 0.0

    def nearest(self, point: NDArray[np.float32]) -> tuple[float, int]:
        """Distance to the nearest of the last queries, and how many there were; the point joins them."""
        norm, filled = float(point @ point), self._filled
        square = float((self._norms - 2.0 * (self._ring @ point)).min()) + norm
        at = filled % SLOTS
        self._ring[at], self._norms[at] = point, norm
        self._filled = filled + 1
        # The difference of large numbers leaves an error of their size times 2^-23.
        return (math.sqrt(square) if square > norm * 1e-6 else 0.0), min(filled, SLOTS)

    def add(self, point: NDArray[np.float32], benign: Benign) -> float:
        """The sum after this query."""
        distance, filled = self.nearest(point)
        if filled and distance > REPEAT:
            table = benign.ranks[bucket(filled)]
            rank = (int(table.searchsorted(distance, "right")) + 1) / (len(table) + 1)
            self.total = max(0.0, self.total - math.log(rank) - DRIFT)
        return self.total


def bucket(filled: int) -> int:
    """Which table of ranks holds for a window with so many queries, at least one."""
    return min(filled.bit_length(), len(FILLS)) - 1


def sequence(rows: NDArray[np.floating], window: Window, benign: Benign) -> Verdict:
    """Whether the caller's queries, these samples the last of them, walk."""
    total = 0.0
    for point in benign.seen(rows):
        total = max(total, window.add(point, benign))
    if total > benign.limit:
        return Verdict("throttle", "sequence", "queries follow each other like those of a search")
    return ALLOW
