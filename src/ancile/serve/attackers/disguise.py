"""How an attacker hides: rows of others between his own, and no query that looks near to him.

After OARS (Feng et al., CCS 2023, arXiv:2303.06280): proposals are drawn again until they pass, steps are
held above what is noticed. Where OARS learns that from refusals, this author reads the detector: he has a
window and a reference set of his own, and asks them first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ancile.numeric import np
from ancile.serve.guards.sequence import Benign, Window, bucket

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rank = Callable[["NDArray[np.float32]", bool], float]  # a sample's, and whether it joins those before it


class Disguise:
    """None, unless it is given something to hide with.

    rank     among benign queries of how near a sample is to those before it; as the attacker reckons it
    least    rank below which a query is not asked
    rows     benign ones to mix in, ``mixed`` of them to each query
    """

    def __init__(
        self,
        *,
        rank: Rank | None = None,
        least: float = 0.0,
        rows: NDArray[np.floating] | None = None,
        mixed: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._rank, self._least = rank, least
        self._rows, self._mixed = rows, mixed
        self._rng = np.random.default_rng(0) if rng is None else rng
        self.adaptive = rank is not None

    def passes(self, sample: NDArray[np.float32]) -> bool:
        """Whether a query would be asked."""
        return self._rank is None or self._rank(sample, False) >= self._least

    def sent(self, sample: NDArray[np.float32]) -> None:
        """A query is asked, and noticed as far as the attacker knows."""
        if self._rank is not None:
            self._rank(sample, True)

    def padding(self) -> Iterator[NDArray[np.float32]]:
        """Benign rows to be asked before the next query; a whole number of them on average as was set."""
        if self._rows is None:
            return
        count = int(self._mixed + self._rng.random())
        for at in self._rng.integers(len(self._rows), size=count):
            row = np.asarray(self._rows[at], np.float32)
            self.sent(row)
            yield row


def reader(benign: Benign) -> Rank:
    """The rank as the gateway reckons it, by a window and a reference set of the attacker's own."""
    window = Window(benign.width)

    def rank(sample: NDArray[np.float32], joins: bool) -> float:
        distance, _ = window.nearest(sample, benign)
        filled = window.filled
        if joins:
            window.keep()
        if not filled:
            return 1.0
        table = benign.ranks[bucket(filled)]
        return bisect_left(table, distance) / len(table)

    return rank
