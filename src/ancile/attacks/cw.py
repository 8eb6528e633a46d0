"""Carlini and Wagner's L2 attack: IEEE S&P 2017, arXiv:1608.04644, sections V and VI.

Adam on the squared distance and c times the margin's shortfall, under a search for the least c that succeeds.
Deviations, to the attacker's gain: c and the first point are what a linear model would want; a round goes on
from the best of those before, and every other one heads for the class whose edge is nearest by the slopes;
the bounds are kept by cutting, not by tanh; what is found is turned to the sample's foot.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks.constraint import Constraint
from ancile.attacks.counts import require_some
from ancile.attacks.feet import turn_back
from ancile.attacks.nearest import Nearest, Room, misread, settled, value_and_slope
from ancile.attacks.stop import OnStep, stopped
from ancile.attacks.streams import Streams
from ancile.attacks.tangent import TINY, ahead
from ancile.core.errors import AncileError
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

FAR = 0.02  # of the widest range: longest first step; the paper's 0.01 is for 1,000 steps and more
NEAR = 0.5  # of the mean change of a feature at the distance in view: the first step
LAST = 0.03  # of the first step
BETA = (0.9, 0.999)  # Kingma and Ba 2015, arXiv:1412.6980
FEET = 3  # turns to it at the end
TENFOLD = 10.0  # c after a round without success, as in the paper's code


class _Weight(NamedTuple):
    """(n,) c now, the largest that failed and the least that succeeded."""

    now: torch.Tensor
    failed: torch.Tensor
    succeeded: torch.Tensor

    def after(self, success: torch.Tensor) -> _Weight:
        """The weight of the next round: between both, or tenfold while none has succeeded."""
        failed = torch.where(success, self.failed, torch.maximum(self.failed, self.now))
        succeeded = torch.where(success, torch.minimum(self.succeeded, self.now), self.succeeded)
        between = torch.where(succeeded.isinf(), self.now * TENFOLD, (failed + succeeded) / 2)
        return _Weight(between, failed, succeeded)


def cw(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    constraint: Constraint,
    rng: Streams,  # noqa: ARG001 - one signature for all attacks
    *,
    steps: int = 40,
    rounds: int = 6,
    classes: int = 9,
    on_step: OnStep = None,
) -> torch.Tensor:
    """The nearest adversarial example in L2 that descent on distance and margin finds, within eps.

    x        (n, *shape), in the data's own units, on the model's device and in its float type
    y        (n,) true labels
    steps    of descent in each round
    rounds   of the search for the weight of the margin
    classes  wrong classes whose edges are compared at most for the first round, the likeliest first
    on_step  asked before every step; True ends the attack with the nearest found so far
    returns  (n, *shape) each inside ball and bounds and misread; a sample for which none was found, or that
             is misread as it is, comes back unchanged

    Draws nothing from ``rng``. Cost: a forward and a backward for each step of each round and each class;
    3 backwards and 26 forwards more.
    """
    require_some(steps=steps, rounds=rounds, classes=classes)
    if constraint.norm != "l2":
        raise AncileError("cw is not defined in this norm", value=f"norm={constraint.norm}", remedy="give l2")
    if not len(x) or constraint.eps == 0:
        return x.clone()
    whole = Room.of(x, constraint)
    found = Nearest.of(whole)
    if stopped(on_step):
        return x.clone()
    edge = ahead(model, whole, y, classes)
    rows = found.others(edge.fooled)
    if len(rows):
        room, steep = whole.take(rows), edge.slope[rows].square().sum(dim=1).clamp_min(TINY)
        first = 2 * edge.value[rows].abs() / steep
        weight = _Weight(first, torch.zeros_like(first), torch.full_like(first, math.inf))
        begin = edge.step[rows]
        away = room.length(begin)
        for turn in range(rounds):
            aim = None if turn % 2 else edge.goal[rows]
            best = found.distance[rows].isfinite()
            start = torch.where(best[:, None], found.change[rows], begin)
            success = _descend(
                model, room, y[rows], rows, aim, found, weight.now, away, start, steps, on_step
            )
            if success is None:
                break
            weight, begin = weight.after(success), (room.least + room.most) / 2
            away = found.distance[rows]
        turn_back(model, whole, y, found, turns=FEET)
    return settled(model, x, y, constraint, whole, found)


def _descend(
    model: GradientModel,
    room: Room,
    y: torch.Tensor,
    rows: torch.Tensor,
    aim: torch.Tensor | None,
    found: Nearest,
    weight: torch.Tensor,
    away: torch.Tensor,
    change: torch.Tensor,
    steps: int,
    on_step: OnStep,
) -> torch.Tensor | None:
    """(m,) whether the later half of a round fooled, for the samples at ``rows``; None when told to stop.

    away  (m,) the distance in view, by the slopes or as it was found
    """
    success = torch.zeros_like(rows, dtype=torch.bool)
    mean, square = torch.zeros_like(change), torch.zeros_like(change)
    width = (room.most - room.least).amax(dim=1, keepdim=True) * FAR
    first = torch.minimum(NEAR * away[:, None] / math.sqrt(max(1, change.shape[1])), width)
    for step in range(steps):
        if stopped(on_step):
            return None
        _, fooled, slope = value_and_slope(model, room, change, y, aim)
        found.judge(change, fooled, room.length(change), rows)
        success |= fooled & (2 * step >= steps)
        pull = 2 * change - torch.where(fooled, 0.0, weight)[:, None] * slope
        mean, square = mean.lerp(pull, 1 - BETA[0]), square.lerp(pull.square(), 1 - BETA[1])
        centred, spread = mean / (1 - BETA[0] ** (step + 1)), (square / (1 - BETA[1] ** (step + 1))).sqrt()
        fade = LAST + (1 - LAST) * (1 + math.cos(math.pi * step / steps)) / 2
        change = room.cut(change - fade * first * centred / spread.clamp_min(TINY))
    fooled = misread(model.logits(room.point(change)), y)
    found.judge(change, fooled, room.length(change), rows)
    return success | fooled
