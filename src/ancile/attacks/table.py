"""The attacks there are and what each needs: what a planner reads, and what every general test runs over."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs

Needs = Literal["gradients", "scores", "labels"]
Norm = Literal["linf", "l2", "l1", "l0"]
NORMS: tuple[Norm, ...] = ("linf", "l2", "l1", "l0")


class Row(NamedTuple):
    """One attack.

    function  module and name
    needs     the least access that it works with; one that needs scores takes one-hot labels for them
    norms     in which it is defined
    random    whether it draws from its streams
    nearest   whether it looks for the nearest example and returns the sample itself where it finds none
    company   whether effort goes by rank, so that a sample's result depends on the others of its batch
    """

    name: str
    function: str
    needs: Needs
    norms: tuple[Norm, ...]
    random: bool
    company: bool = False
    nearest: bool = False

    def load(self) -> Callable[..., Any]:
        """The attack itself, or the error that names the missing extra."""
        if self.needs == "gradients":
            needs("torch", "torch")
        module, _, name = self.function.partition(":")
        found: Callable[..., Any] = getattr(import_module(module), name)
        return found


ATTACKS: tuple[Row, ...] = (
    Row("fgsm", "ancile.attacks.fgsm:fgsm", "gradients", NORMS, random=False),
    Row("pgd", "ancile.attacks.pgd:pgd", "gradients", NORMS, random=True),
    Row("apgd", "ancile.attacks.apgd:apgd", "gradients", ("linf", "l2", "l1"), random=True),
    Row("cascade", "ancile.attacks.cascade:cascade", "gradients", NORMS, random=True, company=True),
    Row("fmn", "ancile.attacks.fmn:fmn", "gradients", NORMS, random=False, nearest=True),
    Row(
        "deepfool",
        "ancile.attacks.deepfool:deepfool",
        "gradients",
        ("linf", "l2"),
        random=False,
        nearest=True,
    ),
    Row("cw", "ancile.attacks.cw:cw", "gradients", ("l2",), random=False, nearest=True),
    Row("square", "ancile.attacks.square:square", "labels", NORMS, random=True),
    Row(
        "hopskipjump",
        "ancile.attacks.hopskipjump:hopskipjump",
        "labels",
        ("linf", "l2"),
        random=True,
        nearest=True,
    ),
    Row("rays", "ancile.attacks.rays:rays", "labels", ("linf",), random=False, nearest=True),
)


def row(name: str) -> Row:
    """The attack of this name."""
    for one in ATTACKS:
        if one.name == name:
            return one
    raise AncileError(
        "no such attack", value=name, remedy=f"give one of {', '.join(one.name for one in ATTACKS)}"
    )
