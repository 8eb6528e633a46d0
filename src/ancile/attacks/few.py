"""The nearest adversarial example in L0: which features, all taken to a bound, and how few of them.

Iterative hard thresholding (Blumensath and Davies 2009, arXiv:0805.0510) with the budget of Pintor et al.
2021: the features that gain most by the mean of recent slopes are set, fewer after a success, more after a
failure. A change that must fool by few features is worth most at a bound, so values are not searched.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ancile.attacks.nearest import Nearest, Room, misread, value_and_slope
from ancile.attacks.stop import OnStep, stopped
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

MEMORY = 0.8  # of the slopes so far: 0.5 to 0.9 are alike, none leaves the search jumping between two sets
GAMMA = (0.3, 0.02)  # share by which the budget changes, first and last


def search(
    model: GradientModel,
    room: Room,
    y: torch.Tensor,
    rows: torch.Tensor,
    found: Nearest,
    worth: torch.Tensor,
    *,
    start: torch.Tensor,
    slope: torch.Tensor,
    steps: int,
    on_step: OnStep,
) -> bool:
    """Fewer and fewer features for the samples at ``rows``; False when told to stop.

    room, y  of those samples
    worth    (all, places) written to: what each changed place of the best so far gained there
    start    (m, features) the changes to begin with
    slope    (m, features) at the samples
    """
    change, budget = start, room.length(start).clamp_min(1.0)
    mean = slope / torch.linalg.vector_norm(slope, dim=1, keepdim=True).clamp_min(1e-12)
    places = room.spots.places
    for step in range(steps):
        if stopped(on_step):
            return False
        _, fooled, slope = value_and_slope(model, room, change, y)
        nearer = found.judge(change, fooled, room.length(change), rows)
        worth[rows[nearer]] = room.places(slope * change)[nearer]
        cosine = (1 + math.cos(math.pi * step / steps)) / 2
        gamma = GAMMA[1] + (GAMMA[0] - GAMMA[1]) * cosine
        best = found.distance[rows]
        held = torch.minimum(budget, best)
        fewer = torch.minimum(held - 1, (held * (1 - gamma)).floor())
        more = torch.maximum(budget + 1, (budget * (1 + gamma)).floor())
        budget = torch.minimum(torch.where(fooled, fewer, more), best - 1).clamp(1, places)
        norm = torch.linalg.vector_norm(slope, dim=1, keepdim=True)
        mean = MEMORY * mean + slope / norm.clamp_min(1e-12)
        change = extremes(room, mean, budget)
    return True


def extremes(room: Room, slope: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """The changes to the better bound of so many places (n,) that gain most."""
    edge = torch.where(slope > 0, room.most, room.least)
    gain = room.places(slope * edge)
    count = count.long()
    order = gain.topk(int(count.max()), dim=1).values
    chosen = (gain >= order.gather(1, count[:, None] - 1)) & (gain > 0)
    return edge * room.spread(chosen)


def thinned(
    model: GradientModel,
    room: Room,
    y: torch.Tensor,
    change: torch.Tensor,
    worth: torch.Tensor,
    *,
    rounds: int,
) -> torch.Tensor:
    """Changes that fool, without as many of the places of least worth as bisection finds to be idle.

    Cost: ``rounds`` forwards a sample.
    """
    changed = room.places(change.abs()) != 0
    rank = worth.masked_fill(~changed, math.inf).argsort(dim=1).argsort(dim=1)
    idle, needed = torch.zeros_like(worth[:, 0]), changed.sum(dim=1).to(worth.dtype)
    for _ in range(rounds):
        middle = ((idle + needed) / 2).floor()
        tried = change * room.spread(rank >= middle[:, None])
        fooled = misread(model.logits(room.point(tried)), y)
        idle, needed = torch.where(fooled, middle, idle), torch.where(fooled, needed, middle)
    return change * room.spread(rank >= idle[:, None])
