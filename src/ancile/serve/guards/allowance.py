"""What an identity may learn of a model in a day: bits of its answers, and privacy loss of noisy ones.

Bits of a label are log2(classes); of scores, digits x log2(10) for each that is free. An answer that came
before tells nothing new, and one that is near to others less. In-distribution extraction looks like use: only
this bounds what leaks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ancile.serve.budgets import Budgets, Unavailable
from ancile.serve.config import Role
from ancile.serve.guards.quota import DAY_SECONDS
from ancile.serve.guards.sequence import REPEATED, Near
from ancile.serve.verdict import ALLOW, Verdict

LOG2_10 = math.log2(10)
LEAST_NEW = 0.25  # of an answer, however near the query
SEPARATOR = "\x1f"  # in no name of an identity or a model


class Allowance:
    """What is left of a day's block for one caller, model and kind of budget."""

    __slots__ = ("_day", "_left", "_name")

    def __init__(self, kind: str, model: str, who: str) -> None:
        self._name = SEPARATOR.join((kind, model, who))
        self._day = self._left = 0

    def spend(self, count: int, *, limit: int, day: int, budgets: Budgets) -> bool:
        """Whether there were ``count`` left of the day's ``limit``; if not, nothing is spent."""
        if self._day != day:
            if self._left:
                budgets.give(self._name, self._day, unspent=self._left)
            self._day, self._left = day, 0
        while self._left < count:
            taken = budgets.take(self._name, day, limit=limit)
            if not taken:
                return False
            self._left += taken
        self._left -= count
        return True


def bits_of(role: Role, *, classes: int, other: int = 0) -> float:
    """Of one sample's answer, in the precision that the role has it.

    classes  columns of the scores, 0 for none
    other    numbers beside them
    """
    if role.labels_only:
        return math.log2(max(classes, 2))
    digits = role.digits * LOG2_10
    if not 0 < role.top < classes:
        return digits * (max(classes - 1, 0) + other)
    shown = role.top * digits + math.log2(math.comb(classes, role.top) * math.factorial(role.top))
    return shown + digits * other


def novelty(near: Sequence[Near]) -> float:
    """How many answers' worth a request tells: a repeat nothing, what is near to a query before it less.

    Full from the median of benign distances on, and never below a quarter: a caller who stays near to himself
    gets four times as many answers, of which each tells little that the others did not.
    """
    return sum(0.0 if one is REPEATED else min(1.0, max(LEAST_NEW, 2.0 * one.rank)) for one in near)


def allowed(
    guard: str, allowance: Allowance, count: int, *, limit: int, time: float, budgets: Budgets
) -> Verdict:
    """Whether the day has that many left; ``time`` in seconds of Unix time."""
    day = int(time // DAY_SECONDS)
    try:
        if allowance.spend(count, limit=limit, day=day, budgets=budgets):
            return ALLOW
    except Unavailable:
        return Verdict("throttle", guard, "what is left for today cannot be told now", 5.0)
    return Verdict("throttle", guard, "nothing more is told today", (day + 1) * DAY_SECONDS - time)
