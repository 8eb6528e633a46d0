"""What every bar gives: a claim, what was measured, what was wanted, and whether it is met."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """One line of the results; all but ``met`` are text for people."""

    claim: str
    measured: str
    wanted: str
    met: bool

    def __str__(self) -> str:
        return f"{self.claim} | {self.measured} | {self.wanted} | {'met' if self.met else 'NOT MET'}"
