"""What each part of a run took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ancile.core.report import Cost, Part

if TYPE_CHECKING:
    from ancile.models.model import Model
    from ancile.work.clock import Clock


class Costs:
    """Counts from its making on; ``part`` names what runs inside it."""

    def __init__(self, model: Model, clock: Clock) -> None:
        self._model, self._clock = model, clock
        self._wall, self._start = clock.wall(), self._now()
        self._parts: dict[str, Part] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what runs inside under this name, also where it ends by an exception."""
        before = self._now()
        try:
            yield
        finally:
            self._parts[name] = _sum(self._parts.get(name, Part()), self._now(), before)

    def total(self) -> Cost:
        """All so far, with its parts."""
        spent = _sum(Part(), self._now(), self._start)
        return Cost(
            forwards=spent.forwards,
            backwards=spent.backwards,
            queries=spent.queries,
            cpu_seconds=spent.cpu_seconds,
            wall_seconds=round(self._clock.wall() - self._wall, 3),
            peak_memory_bytes=self._clock.memory(),
            parts=dict(self._parts),
        )

    def _now(self) -> Part:
        usage = self._model.usage
        return Part(
            forwards=usage.forwards,
            backwards=usage.backwards,
            queries=usage.queries,
            cpu_seconds=self._clock.cpu(),
        )


def _sum(so_far: Part, now: Part, before: Part) -> Part:
    return Part(
        forwards=so_far.forwards + now.forwards - before.forwards,
        backwards=so_far.backwards + now.backwards - before.backwards,
        queries=so_far.queries + now.queries - before.queries,
        cpu_seconds=round(so_far.cpu_seconds + now.cpu_seconds - before.cpu_seconds, 3),
    )
