"""What was found, turned to the foot of the sample on the tangent of the class's edge, and moved towards it.

SuperDeepFool: Abdolahpourrostam, Abroshan, Moosavi-Dezfooli 2023, arXiv:2303.12481, section 3. Deviation: the
foot, which on a bent edge does not fool, is tried at nearly the distance of what it would replace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.attacks import radii
from ancile.attacks.nearest import Nearest, Room, misread, shortened, value_and_slope
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

ROUNDS = (8, 4)  # of bisection: a 256th of the way, then what is left of the overshoot
FEET = 3  # turns
SHARES = (
    1.0,
    0.5,
)  # of the way to the foot, then out again until it is nearly as far as what it would replace
NEARER = 0.99


def turn_back(model: GradientModel, whole: Room, y: torch.Tensor, found: Nearest) -> None:
    """Move what was found towards the samples: along its way, then to the foot on the tangent, in turn."""
    place = (found.distance.isfinite() & (found.distance > 0)).nonzero().squeeze(1)
    if not len(place):
        return
    room, y = whole.take(place), y[place]
    everyone = torch.ones_like(place, dtype=torch.bool)
    for turn in range(FEET + 1):
        change = shortened(model, room, y, found.change[place], rounds=ROUNDS[min(turn, 1)])
        found.judge(change, everyone, room.length(change), place)
        if turn == FEET:
            break
        value, _, slope = value_and_slope(model, room, change, y)
        onto = ((change * slope).sum(dim=1) - value).clamp_min(0)
        foot = radii.crossing(room, torch.zeros_like(change), onto, slope)
        length = NEARER * room.length(change)
        for share in SHARES:
            tried = change + share * (foot - change)
            tried = room.cut(tried * (length / room.length(tried).clamp_min(radii.TINY))[:, None])
            found.judge(tried, misread(model.logits(room.point(tried)), y), room.length(tried), place)
