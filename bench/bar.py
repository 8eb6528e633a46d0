"""What every bar gives: a claim, what was measured, what was wanted, and whether it is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bar:
    """One line of the results; all but ``met`` are text for people.

    raw  name to the runs behind the figures, in their order
    """

    claim: str
    measured: str
    wanted: str
    met: bool
    raw: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.claim} | {self.measured} | {self.wanted} | {'met' if self.met else 'NOT MET'}"
