"""How much of a budget is spent: asked between batches, so that work stops with what it has."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ancile.core.budget import Budget


@dataclass(slots=True)
class Meter:
    """Spends a budget; it never raises, whoever works asks ``spent()`` and stops.

    wall  seconds, monotone
    """

    budget: Budget
    wall: Callable[[], float] = time.monotonic
    queries: int = 0
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._since = self.wall()

    def count(self, queries: int) -> None:
        """Samples that went to the model."""
        self.queries += queries

    def seconds(self) -> float:
        """Time since the start."""
        return self.wall() - self._since

    def spent(self) -> str:
        """Which limit is reached, in words; empty while work may go on."""
        limits = self.budget
        if limits.seconds is not None and self.seconds() >= limits.seconds:
            return f"the time of {limits.seconds:g} s is spent"
        if limits.queries is not None and self.queries >= limits.queries:
            return f"the {limits.queries} queries are spent"
        return ""

    def seconds_left(self) -> float | None:
        """Time that is left, at least 0; None without a limit."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self.budget.seconds - self.seconds())

    def queries_left(self) -> int | None:
        """Queries that are left, at least 0; None without a limit."""
        if self.budget.queries is None:
            return None
        return max(0, self.budget.queries - self.queries)
