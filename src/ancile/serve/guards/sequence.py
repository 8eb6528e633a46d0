"""Queries that walk: each one nearer to those before it than a benign caller's would be.

The distance of a query to its nearest among the caller's last 256 is ranked among benign distances at the
same fill of the window. The rank is a p-value, and the logarithm of a likelihood ratio against what walks
have adds up (CUSUM, Page 1954): no threshold of distance, so that an attacker who keeps his steps above one
is seen as soon. Two such sums run, one that takes half of the queries for a walk's and one that takes a
seventh, as others may be mixed in. A third looks for queries that are farther apart than benign ones
(PRADA: Juuti et al., 2019, arXiv:1805.02628). Exact repeats are no evidence: retries make them. Whoever
varies one feature of a form at a time walks as well: nearness alone is no reason to deny. With the margin
of the answer it is another matter, see ``search``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.verdict import ALLOW, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOTS = 256  # of a window: what is left of a walk with nine others to each of its queries is 25
FIRST_SLOTS = 16  # of a new window, which doubles as it fills: most callers ask little
FILLS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # from which on a table of ranks holds: a fuller window is nearer
REPEAT = 1e-6  # in scaled units; float32 differences of equal rows are below
CLOSE = 0.5  # rank of a distance below which it is asked in how many values two queries differ
FEW = 2  # values, and a quarter of all at most: a form in which no more were changed is no search
FARTHEST = 6.0  # standard deviations: beyond, a value says no more than that it is far
SHAPE = 0.15  # of a walk's p-values, taken for Beta(SHAPE, 1): their logarithms are -1/SHAPE on average
SHARES = (0.5, 0.15)  # of the queries that are a walk's
QUARTERS = 80  # of a factor of two: p-values below 2^-20 count as that
NEAR, NEAR_THIN, FAR, SEARCH, SEARCH_THIN, MOVED = range(6)
SUMS = 6
WALKS, SEARCHES = (NEAR, NEAR_THIN, FAR), (SEARCH, SEARCH_THIN)
HIGHEST = 2.0  # limits that a sum grows to
WALKING = Verdict("flag", "sequence", "queries follow each other like those of a search")


def _gains(share: float) -> list[float]:
    """Likelihood ratio, in nats, of a p-value between 2^(-k/4) and 2^(-(k+1)/4), by k; the less is said."""
    return [math.log(1 - share + share * SHAPE * 2.0 ** (k / 4 * (1 - SHAPE))) for k in range(QUARTERS + 1)]


HALF, SEVENTH = map(_gains, SHARES)


def step(p: float) -> int:
    """Where in a table of gains a p-value stands."""
    return min(QUARTERS, int(-4.0 * math.log2(p))) if p < 1.0 else 0


class Light(NamedTuple):
    """What it takes to tell images apart whatever their light.

    least  deviation that an image of one colour counts as having
    scale  one over the deviation of all values: how much the light itself counts
    """

    least: float
    scale: float


class Benign(NamedTuple):
    """What benign callers look like, from a reference set.

    centre, weight  of each value of a sample: the reference's mean, and one over its standard deviation
    projection      (32, values) random directions where a sample has more than 64 values, else None; with
                    ``light`` their values sum to 0, and there is one more, of ones
    ranks           sorted nearest distances, one table for each of FILLS
    limits          of the sums, by their number; infinite where nothing was learned
    light           where the values of a sample are of one kind, as an image's are
    """

    centre: NDArray[np.float32]
    weight: NDArray[np.float32]
    projection: NDArray[np.float32] | None
    ranks: tuple[Sequence[float], ...]
    limits: tuple[float, ...]
    light: Light | None = None

    @property
    def width(self) -> int:
        """Values of a point."""
        if self.projection is None:
            return len(self.centre)
        return len(self.projection) + (self.light is not None)

    def seen(self, sample: NDArray[np.floating], out: NDArray[np.float32]) -> None:
        """Write a sample, flat, as a point of the space in which distances are taken to ``out``."""
        if self.projection is None:
            self._scaled(sample, out)
        elif self.light is None:
            self.projection.dot(self._scaled(sample, np.empty_like(self.centre)), out)
        else:
            self._lit(sample.astype(np.float32, copy=False), self.projection, self.light, out)

    def _scaled(self, sample: NDArray[np.floating], out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Each value by its own spread."""
        np.subtract(sample, self.centre, out=out)  # moves all points alike, and keeps float32 exact enough
        np.multiply(out, self.weight, out=out)
        farthest, opposite = _edges(len(out))
        np.minimum(out, farthest, out=out)
        np.maximum(out, opposite, out=out)
        return out

    @staticmethod
    def _lit(
        value: NDArray[np.float32], projection: NDArray[np.float32], light: Light, out: NDArray[np.float32]
    ) -> None:
        """An image less its mean and over its deviation, which count as a value each.

        Dark images would all be near to each other, and a job that sends them together would walk.
        """
        np.dot(projection, value, out=out[:-1])
        mean = float(out[-2]) / len(value)
        deviation = math.sqrt(max(0.0, float(np.dot(value, value)) / len(value) - mean * mean))
        inner = out[:-2]
        np.multiply(inner, 1.0 / max(deviation, light.least), out=inner)
        out[-2], out[-1] = mean * light.scale, deviation * light.scale


@lru_cache(maxsize=64)
def _edges(width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of the space: as arrays they cost half of what numbers do."""
    edge = np.full(width, FARTHEST, np.float32)
    return edge, -edge


class Near(NamedTuple):
    """One query beside those before it.

    rank   of its distance to the nearest, among benign ones; 1 for a repeat and for the first
    moved  False for a repeat, and where it differs from a close one in a few values, as a form does
    """

    rank: float
    moved: bool


REPEATED, FIRST = Near(1.0, moved=False), Near(1.0, moved=True)


class Window:
    """The last queries of one caller, and what they add up to.

    A row of the ring is a point and minus half its squared norm, so that one product with (point, 1) tells
    which is nearest: |p - q|^2 = |q|^2 - 2 (p.q - |p|^2 / 2).

    Whoever leaves before his answer has not had it looked at: a query like that is no repeat when it comes
    again, and stands in the window once.

    last  how near each sample of the last request was
    sums  what they add up to
    """

    __slots__ = ("_few", "_filled", "_open", "_point", "_products", "_ring", "_values", "last", "sums")

    def __init__(self, width: int) -> None:
        self._point = np.ones(width + 1, np.float32)
        self._values = self._point[:-1]
        self._ring = np.zeros((0, width + 1), np.float32)
        self._products = np.zeros(0, np.float32)
        self._filled, self._few = 0, min(FEW, width // 4)
        self._open: set[int] = set()  # slots of queries that nobody has seen the answer to
        self._grow(FIRST_SLOTS)
        self.sums = [0.0] * SUMS
        self.last: list[Near] = []

    def _grow(self, slots: int) -> None:
        ring = np.zeros((slots, self._ring.shape[1]), np.float32)
        ring[:, -1] = -np.inf
        ring[: len(self._ring)] = self._ring
        self._ring, self._products = ring, np.zeros(slots, np.float32)

    def nearest(self, sample: NDArray[np.floating], benign: Benign) -> tuple[float, int]:
        """Distance to the nearest of the last queries, and which it is; this one joins with ``keep``."""
        point, values = self._point, self._values
        benign.seen(sample, values)
        point[-1] = 1.0
        norm = float(values.dot(values))  # a third of the cost of @ on so few values
        products = self._ring.dot(point, self._products)
        at = int(products.argmax())
        square = norm - 2.0 * float(products[at])
        # The difference of large numbers leaves an error of their size times 2^-23.
        distance = math.sqrt(square) if square > norm * 1e-6 else 0.0
        point[-1] = -0.5 * norm
        return distance, at

    def keep(self) -> None:
        """What was looked for last joins the others."""
        self._ring[self._filled % SLOTS] = self._point
        self._open.discard(self._filled % SLOTS)
        self._filled += 1
        if self._filled == len(self._ring) < SLOTS:
            self._grow(2 * len(self._ring))

    @property
    def filled(self) -> int:
        """How many queries there are to be near to."""
        return min(self._filled, SLOTS)

    def point(self, back: int) -> NDArray[np.float32]:
        """One of the last queries as a point, the last with 0; it stays as it is until as many follow."""
        return self._ring[(self._filled - 1 - back) % SLOTS, :-1]

    @property
    def count(self) -> int:
        """How many queries have joined so far: the number of the next."""
        return self._filled

    def unanswered(self, first: int) -> None:
        """The queries from this number on are yet to be answered."""
        if first == self._filled - 1:
            self._open.add(first % SLOTS)
            return
        self._open.update(number % SLOTS for number in range(max(first, self._filled - SLOTS), self._filled))

    def judged(self, first: int, many: int) -> None:
        """The answers to so many from this number on were looked at."""
        for number in range(max(first, self._filled - SLOTS), first + many):
            self._open.discard(number % SLOTS)

    def add(self, sample: NDArray[np.floating], benign: Benign) -> Near:
        """The query beside those before it, which it joins; the sums that need no answer grow."""
        distance, at = self.nearest(sample, benign)
        filled, again = self.filled, False
        while distance <= REPEAT and at in self._open:
            self._open.discard(at)
            self._ring[at, -1] = -np.inf  # it takes another place
            distance, at = self.nearest(sample, benign)
            again = True
        found = REPEATED if filled else FIRST
        if filled and distance > REPEAT:
            table = benign.ranks[bucket(filled)]
            rank = (bisect_right(table, distance) + 1) / (len(table) + 1)
            few = rank < CLOSE and np.count_nonzero(self._ring[at, :-1] != self._values) <= self._few
            found = Near(rank, moved=not few)
            if not again:
                self._walk(rank)
        self.keep()
        return found

    def _walk(self, rank: float) -> None:
        sums, k = self.sums, step(rank)
        far = step(1.0 - rank + 1e-6)
        sums[NEAR] = max(0.0, sums[NEAR] + HALF[k])
        sums[NEAR_THIN] = max(0.0, sums[NEAR_THIN] + SEVENTH[k])
        sums[FAR] = max(0.0, sums[FAR] + HALF[far])

    def answered(self, near: Near, sureness: float) -> None:
        """The answer to a query has this rank of its margin among benign ones: small is unsure.

        Both are unsuspicious or the larger counts: the square of the larger of two p-values is one.
        """
        if near.rank >= 1.0:
            return
        sums, k = self.sums, step(max(near.rank, sureness) ** 2)
        sums[SEARCH] = max(0.0, sums[SEARCH] + HALF[k])
        sums[SEARCH_THIN] = max(0.0, sums[SEARCH_THIN] + SEVENTH[k])
        if near.moved:
            sums[MOVED] = max(0.0, sums[MOVED] + HALF[k])

    def over(self, benign: Benign, sums: Sequence[int]) -> bool:
        """Whether one of these sums is above its limit; one that is far above comes down in bounded time."""
        mine, limits, above = self.sums, benign.limits, False
        for one in sums:
            if mine[one] > limits[one]:
                above = True
                mine[one] = min(mine[one], HIGHEST * limits[one])
        return above


def bucket(filled: int) -> int:
    """Which table of ranks holds for a window with so many queries, at least one."""
    return min(filled.bit_length(), len(FILLS)) - 1


def sequence(rows: NDArray[np.floating], window: Window, benign: Benign) -> Verdict:
    """Whether the caller's queries walk, these samples the last of them.

    How near each was stays in ``window.last``.
    """
    found, walks = [], False
    for sample in (rows.reshape(-1),) if len(rows) == 1 else rows.reshape(len(rows), -1):
        found.append(window.add(sample, benign))
        walks = window.over(benign, WALKS) or walks
    window.last = found
    return WALKING if walks else ALLOW


def new_rows(
    rows: NDArray[np.floating], near: Sequence[Near] | None, *, least: float = 0.0
) -> NDArray[np.floating]:
    """Those that are no repeats and no forms of which a few values were changed; all where nobody looked.

    least  rank of the distance below which a row is not new either
    """
    if near is None:
        return rows
    if len(near) == 1:  # at a tenth of the cost
        return rows if near[0].moved and near[0].rank >= least else rows[:0]
    return rows[[one.moved and one.rank >= least for one in near]]
