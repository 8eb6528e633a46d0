"""How long a model's answer is waited for: a time for each, and less where a run's own time is spent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GRACE_SECONDS = 10.0  # for an answer under way when the time is spent: a batch takes most models less
SLOWER = 4.0  # times the longest so far, which may have been a smaller batch


class Waiting:
    """Counts from the first answer that is waited for, on the clock of whoever makes it.

    seconds  for one answer
    budget   for all of them, None for any time; an answer under way at its end is waited for still, so that
             an honest model is not ended, but not for ever
    longest  seconds that an answer took so far
    """

    def __init__(
        self, seconds: float, *, budget: float | None, longest: float, now: Callable[[], float]
    ) -> None:
        self._seconds, self._budget, self._longest, self._now = seconds, budget, longest, now
        self._began: float | None = None

    @contextmanager
    def answer(self, more: float = 0.0) -> Iterator[float]:
        """The seconds, a whole number of them, that the next answer may take, ``more`` than others do."""
        began = self._now()
        self._began = began if self._began is None else self._began
        allowed = self._seconds + more
        if self._budget is not None:
            left = max(0.0, self._began + self._budget - began)
            allowed = min(allowed, left + GRACE_SECONDS + SLOWER * self._longest + more)
        yield float(math.ceil(allowed))
        self._longest = max(self._longest, self._now() - began)
