"""Inputs that take the model much longer than others do: sponge examples (Shumailov et al., EuroS&P 2021).

Compared with the last answers to all callers of the same number of samples, so that nothing is learned before
and a slow hour moves the table with it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from ancile.serve.ranks import FLAGGED, QUERIES, Ranks, added, limit_of
from ancile.serve.verdict import ALLOW, Verdict

KEPT = 256
LEAST = 128  # times below which nothing is said
SLOW = 3.0  # times the median; what is less is the machine's


class Times:
    """The last times of one model and size of request, in order and sorted."""

    def __init__(self) -> None:
        self._last: deque[float] = deque()
        self._sorted: list[float] = []
        self._ranks = Ranks(self._sorted, limit_of(QUERIES, FLAGGED))

    def judge(self, seconds: float, total: float) -> tuple[Verdict, float]:
        """Whether a caller's requests, this the last of them, take too long; and the new sum."""
        kept = self._sorted
        if len(kept) >= LEAST:
            slow = seconds > SLOW * kept[len(kept) // 2]
            total = added(total, [seconds if slow else 0.0], self._ranks)
            if total > self._ranks.limit:  # what a suspect adds would move the table his way
                return Verdict("flag", "timing", "inputs that take the model long"), total
        insort(kept, seconds)
        self._last.append(seconds)
        if len(self._last) > KEPT:
            del kept[bisect_left(kept, self._last.popleft())]
        return ALLOW, total
