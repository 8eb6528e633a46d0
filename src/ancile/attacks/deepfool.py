"""DeepFool: Moosavi-Dezfooli, Fawzi, Frossard, CVPR 2016, arXiv:1511.04599, algorithm 2 and section 2.3.

Deviations, to the attacker's gain: each step is the shortest one within the bounds, where the paper's is cut
by them afterwards; classes are compared in the first step and followed by likelihood then; a sample that is
broken leaves the batch; what is found is turned to the foot of the sample on the tangent of the class's edge,
as in SuperDeepFool (arXiv:2303.12481), and moved towards the sample while it fools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.attacks.constraint import Constraint
from ancile.attacks.counts import require_some
from ancile.attacks.feet import turn_back
from ancile.attacks.nearest import Nearest, Room, misread, settled, value_and_slope
from ancile.attacks.stop import OnStep, stopped
from ancile.attacks.streams import Streams
from ancile.attacks.tangent import ahead, crossing
from ancile.core.errors import AncileError
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

OVERSHOOT = 0.02  # section 2.3
TURNS = 1  # to it at the end: 3 come 5 % nearer and cost a third more


def deepfool(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    constraint: Constraint,
    rng: Streams,  # noqa: ARG001 - one signature for all attacks
    *,
    steps: int = 50,
    classes: int = 9,
    turns: int = TURNS,
    on_step: OnStep = None,
) -> torch.Tensor:
    """A near adversarial example for each sample, by steps to the nearest edge of a linear model, within eps.

    x        (n, *shape), in the data's own units, on the model's device and in its float type
    y        (n,) true labels
    steps    most steps a sample
    classes  wrong classes whose edges are compared at most in the first step, the likeliest first
    turns    to the foot at the end; with 0, and 1 class, it takes half the time and ends farther off
    on_step  asked before every step; True ends the attack with what was found so far
    returns  (n, *shape) each inside ball and bounds and misread; a sample for which none was found, or that
             is misread as it is, comes back unchanged

    Linf and L2. Draws nothing from ``rng``. Cost: a forward and a backward a step and for each class more
    than the first; a backward and 14 forwards to come nearer.
    """
    require_some(steps=steps, classes=classes)
    if turns < 0:
        raise AncileError("turns are fewer than none", value=f"turns={turns}", remedy="give 0 or more")
    if not len(x) or constraint.ball(x[:1]).still:
        return x.clone()
    if constraint.norm not in ("linf", "l2"):
        raise AncileError(
            "deepfool is not defined in this norm", value=f"norm={constraint.norm}", remedy="give linf or l2"
        )
    whole = Room.of(x, constraint)
    found = Nearest.of(whole)
    if _over_edges(model, whole, y, found, steps, classes, on_step):
        turn_back(model, whole, y, found, turns=turns)
    return settled(model, x, y, constraint, whole, found)


def _over_edges(
    model: GradientModel,
    room: Room,
    y: torch.Tensor,
    found: Nearest,
    steps: int,
    classes: int,
    on_step: OnStep,
) -> bool:
    """Steps until a sample is misread; False when told to stop."""
    rows, change = torch.arange(len(y), device=y.device), torch.zeros_like(room.least)
    for step in range(steps):
        if stopped(on_step):
            return False
        if step == 0:
            value, fooled, slope = ahead(model, room, y, classes)[:3]
        else:
            value, fooled, slope = value_and_slope(model, room, change, y)
        found.judge(change, fooled, room.length(change), rows)
        left = ~fooled
        if not left.any():
            return True
        if not left.all():
            rows, room, y, change, value, slope = (
                rows[left], room.take(left), y[left], change[left], value[left], slope[left],
            )  # fmt: skip
        change = room.cut(change + (1 + OVERSHOOT) * crossing(room, change, value.abs(), slope))
    found.judge(change, misread(model.logits(room.point(change)), y), room.length(change), rows)
    return True
