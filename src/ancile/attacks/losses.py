"""What an attack raises: functions of logits and labels, one number a sample, larger is more wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch
else:
    torch = needs("torch", "torch")

SampleLoss = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
TargetLoss = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]

TINY = 1e-12  # keeps the DLR's denominator from 0, as in AutoAttack's own code


def cross_entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(n,) cross entropy; its gradient vanishes where the softmax is saturated."""
    return torch.nn.functional.cross_entropy(logits, y, reduction="none")


def margin(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(n,) best wrong logit less the right one: above 0 it is misread. Carlini and Wagner 2017, f6."""
    right = y.unsqueeze(1)
    wrong = logits.scatter(1, right, float("-inf")).max(dim=1).values
    return wrong - logits.gather(1, right).squeeze(1)


def dlr(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(n,) difference of logits ratio, blind to their scale: Croce and Hein 2020, arXiv:2003.01690, eq. 6.

    Needs three classes or more: its denominator is the first less the third largest logit.
    """
    ordered = logits.topk(3, dim=1).values
    return margin(logits, y) / (ordered[:, 0] - ordered[:, 2] + TINY)


def towards(logits: torch.Tensor, y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """(n,) logit of a target class less the right one: Gowal et al. 2019, arXiv:1910.09338, equation 5."""
    return (logits.gather(1, target.unsqueeze(1)) - logits.gather(1, y.unsqueeze(1))).squeeze(1)


def targeted_dlr(logits: torch.Tensor, y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """(n,) ``towards`` as a ratio, blind to the logits' scale: Croce and Hein 2020, arXiv:2003.01690, eq. 7.

    Needs four classes or more: its denominator is the first less the mean of the third and fourth logit.
    """
    first, _, third, fourth = logits.topk(4, dim=1).values.unbind(dim=1)
    return towards(logits, y, target) / (first - (third + fourth) / 2 + TINY)


def ranked(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(n, classes - 1) the wrong classes of each sample, the likeliest first."""
    without = logits.scatter(1, y.unsqueeze(1), float("-inf"))
    return without.argsort(dim=1, descending=True, stable=True)[:, : logits.shape[1] - 1]


class Chosen(NamedTuple):
    """A loss and what reports call it, with the reason where it is not the one that was asked for."""

    name: str
    function: SampleLoss


def choose(name: str, classes: int) -> Chosen:
    """The loss ``ce``, ``margin`` or ``dlr`` for so many classes; below three, dlr becomes margin.

    Targets in turn are no loss of logits and labels alone: see ``choose_targeted``.
    """
    if name == "ce":
        return Chosen("ce", cross_entropy)
    if name == "dlr" and classes >= 3:
        return Chosen("dlr", dlr)
    if name == "dlr":
        return Chosen(f"margin, as dlr needs 3 classes and there are {classes}", margin)
    if name == "margin":
        return Chosen("margin", margin)
    raise AncileError(
        "no such loss", value=f"loss={name}", remedy="give ce, margin or dlr, or to pgd and apgd targets"
    )


class ChosenTargeted(NamedTuple):
    """A loss that is told a target class, and what reports call it."""

    name: str
    function: TargetLoss


def choose_targeted(classes: int) -> ChosenTargeted:
    """Targeted DLR; below four classes, where it is not defined, the target's logit over the right one."""
    if classes >= 4:
        return ChosenTargeted("targeted dlr", targeted_dlr)
    name = f"targeted margin, as targeted dlr needs 4 classes and there are {classes}"
    return ChosenTargeted(name, towards)
