"""Rules by which verdicts become incidents: data that come with ancile, changed in ancile.toml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

Shared = Literal["who", "role", "model", "guard"]
Severity = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
MOST_COUNT = 1_000_000


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When verdicts that have something in common are an incident.

    guards, other_than  whose verdicts count: those of these guards, or of all but those; allowed requests
                        without a guard's word never do
    by                  what the verdicts of one incident share
    count               verdicts within the window, of each identity; 0 switches the rule off
    identities          that must have so many
    window_seconds      and after so many without a further verdict the incident is over
    """

    title: str
    severity: Severity = "medium"
    guards: tuple[str, ...] = ()
    other_than: tuple[str, ...] = ()
    by: tuple[Shared, ...] = ()
    count: int
    identities: int = 1
    window_seconds: float
    advice: str = ""
    refs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.guards) == bool(self.other_than):
            raise ValueError("a rule of incidents names guards, or with other_than those that it leaves out")
        if not (0 <= self.count <= MOST_COUNT and 1 <= self.identities <= 1000):
            raise ValueError("count is 0 to 1000000, identities 1 to 1000")
        if not 0 < self.window_seconds <= 86_400:
            raise ValueError("window_seconds are up to a day")

    def concerns(self, guard: str) -> bool:
        """Whether a verdict of this guard counts."""
        return guard in self.guards if self.guards else guard not in self.other_than


@cache
def shipped_rules() -> dict[str, Rule]:
    """Rules that come with ancile, by name."""
    text = files("ancile.serve.incidents").joinpath("rules.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=dict[str, Rule])


def rules_of(changes: Mapping[str, Rule]) -> dict[str, Rule]:
    """The rules in force: the shipped ones under those of a configuration."""
    return shipped_rules() | dict(changes)
