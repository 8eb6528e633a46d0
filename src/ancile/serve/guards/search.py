"""Queries that walk along a decision boundary: near to those before, with answers that are unsure.

Either happens to benign callers, who vary a form or have hard cases; both together, again and again, are
what a search for the boundary needs, however it chooses its steps. The gateway sees the margin where the
caller gets a label alone. Several neighbours that differ in a value or two are a form that somebody fills
in: they do no more than flag, as ``sequence`` does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ancile.serve.guards.sequence import MOVED, SEARCHES, WALKING, Benign, Near, Window
from ancile.serve.ranks import Ranks
from ancile.serve.scores import unsureness
from ancile.serve.verdict import ALLOW, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.numeric import np

SEARCHING = Verdict("degrade", "search", "queries search the boundary between two classes")


def search(
    scores: NDArray[np.floating], near: Sequence[Near], window: Window, *, benign: Benign, ranks: Ranks
) -> Verdict:
    """Whether the caller searches: ``scores`` (rows, classes) answer the queries that were so near."""
    said = ALLOW
    for one, value in zip(near, unsureness(scores), strict=True):
        window.answered(one, sureness(value, ranks))
        if window.over(benign, (MOVED,)):
            said = SEARCHING
        elif said is ALLOW and window.over(benign, SEARCHES):
            said = WALKING
    return said


def sureness(value: float, ranks: Ranks) -> float:
    """Which share of benign answers is as unsure; ``value`` is minus the margin."""
    return (len(ranks.table) - bisect_left(ranks.table, value) + 1) / (len(ranks.table) + 1)
