"""Which attacks run, in which order, for an effort and an access; each later one sees what still stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ancile.attacks.table import Norm
from ancile.core.strength import Effort
from ancile.models.model import Access

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.numeric import np

CURVE_QUERIES = 100  # a sample and eps, of three below or two above the one asked for
MOSTLY = 0.5  # of the samples


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
# Where scores say no more than labels. After 2,000 queries, 50 samples each: traffic signs, Linf 8/255, 60 %
# left by rays, 74 % by square; MNIST, L2 2, 66 % by hopskipjump, 98 % by square
BY_LABELS = {"linf": "rays", "l2": "hopskipjump"}
LABEL_QUERIES: dict[Effort, tuple[int, int]] = {  # of that search, then of square
    "quick": (200, 0),
    "standard": (2000, 500),
    "thorough": (10000, 2000),
}


def plan(effort: Effort, access: Access, norm: Norm, *, flat: bool = False) -> tuple[Step, ...]:
    """The steps for an effort against a model of this access; with gradients it is one cascade of its own.

    flat  the model's scores say no more than its labels
    """
    if access == "white-box":
        return (step("cascade", effort=effort),)
    if norm not in BY_LABELS or not (flat or access == "labels"):
        return BLACK_BOX[effort]
    most, more = LABEL_QUERIES[effort]
    return (_by_labels(norm, most), *((step("square", queries=more),) if more else ()))


def curve_step(access: Access, norm: Norm) -> Step:
    """The one attack that the accuracy-versus-eps curve runs at each eps."""
    if access == "white-box":
        return step("pgd", loss="margin", steps=20)
    labels = access == "labels" and norm in BY_LABELS
    return _by_labels(norm, CURVE_QUERIES) if labels else step("square", queries=CURVE_QUERIES)


def _by_labels(norm: Norm, queries: int) -> Step:
    return step(BY_LABELS[norm], queries=queries, goal="inside")


def flat(scores: NDArray[np.float64]) -> bool:
    """Whether most scores (n, classes) are 1 for a class and 0 for all others, as labels are."""
    bare = ((scores == 0) | (scores == 1)).all(axis=1)
    return bool(len(scores)) and float(bare.mean()) > MOSTLY
