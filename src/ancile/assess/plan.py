"""Which attacks run, in which order, for an effort and an access; each later one sees what still stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ancile.models.model import Access

Effort = Literal["quick", "standard", "thorough"]
EFFORTS: tuple[Effort, ...] = ("quick", "standard", "thorough")  # weakest first


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


# Cheapest decisive attack first. Margin goes before cross entropy: a saturated softmax has no gradient.
WHITE_BOX: dict[Effort, tuple[Step, ...]] = {
    "quick": (step("fgsm"), step("pgd", loss="margin", steps=20), step("square", queries=100)),
    "standard": (
        step("fgsm"),
        step("pgd", loss="margin", steps=20),
        step("pgd", loss="ce", steps=40),
        step("pgd", loss="targets", steps=20),
        step("pgd", loss="margin", steps=50),
        step("square", queries=1000),
    ),
    "thorough": (
        step("fgsm"),
        step("pgd", loss="margin", steps=20),
        step("pgd", loss="ce", steps=40),
        step("pgd", loss="targets", steps=20),
        step("pgd", loss="margin", steps=50),
        step("pgd", loss="targets", steps=50),
        step("pgd", loss="margin", steps=100, restarts=10),
        step("square", queries=5000),
    ),
}

BLACK_BOX: dict[Effort, tuple[Step, ...]] = {
    "quick": (step("square", queries=200),),
    "standard": (step("square", queries=200), step("square", queries=2000)),
    "thorough": (step("square", queries=200), step("square", queries=2000), step("square", queries=10000)),
}


def plan(effort: Effort, access: Access) -> tuple[Step, ...]:
    """The steps for an effort against a model of this access."""
    return (WHITE_BOX if access == "white-box" else BLACK_BOX)[effort]


def curve_step(access: Access) -> Step:
    """The one attack that the accuracy-versus-eps curve runs at each eps."""
    return step("pgd", loss="margin", steps=20) if access == "white-box" else step("square", queries=200)
