"""Which attacks run, in which order, for an effort and an access; each later one sees what still stands."""

from __future__ import annotations

from dataclasses import dataclass

from ancile.core.strength import Effort
from ancile.models.model import Access


@dataclass(frozen=True, kw_only=True)
class Step:
    """One attack of a plan with the settings that decide its strength."""

    attack: str
    settings: tuple[tuple[str, str | int | float], ...] = ()

    @property
    def name(self) -> str:
        """What reports call it: attack and settings."""
        return " ".join((self.attack, *(f"{key}={value}" for key, value in self.settings)))


def step(attack: str, **settings: str | float) -> Step:
    """A step of a plan."""
    return Step(attack=attack, settings=tuple(settings.items()))


BLACK_BOX: dict[Effort, tuple[Step, ...]] = {
    "quick": (step("square", queries=200),),
    "standard": (step("square", queries=200), step("square", queries=2000)),
    "thorough": (step("square", queries=200), step("square", queries=2000), step("square", queries=10000)),
}


def plan(effort: Effort, access: Access) -> tuple[Step, ...]:
    """The steps for an effort against a model of this access; with gradients it is one cascade of its own."""
    return (step("cascade", effort=effort),) if access == "white-box" else BLACK_BOX[effort]


def curve_step(access: Access) -> Step:
    """The one attack that the accuracy-versus-eps curve runs at each eps."""
    return step("pgd", loss="margin", steps=20) if access == "white-box" else step("square", queries=200)
