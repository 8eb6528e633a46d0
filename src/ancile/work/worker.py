"""A process with a model, wherever it runs: a child of this process or one on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ancile.work.child import Question
from ancile.work.confine import Confined
from ancile.work.frames import Block, Frame


class Worker(Protocol):
    """Answers as ``work.child.Child`` does; what each of these gives stands there."""

    confined: Confined

    def ask(
        self,
        word: str,
        body: bytes = b"\xc0",
        blocks: Sequence[Block] = (),
        *,
        seconds: float,
        limit_bytes: int,
        then: Callable[[Frame], Question] | None = None,
    ) -> Frame:
        """The answer, or an AncileError."""
        ...

    def has_died(self) -> bool:
        """Whether the process ended by itself."""
        ...

    def cpu_seconds(self) -> float:
        """What it took so far."""
        ...

    def peak_bytes(self) -> int:
        """What it held at most."""
        ...
