"""What was found, turned to the foot of the sample on the tangent of the class's edge, and moved towards it.

SuperDeepFool: Abdolahpourrostam, Abroshan, Moosavi-Dezfooli 2023, arXiv:2303.12481, section 3. Deviation: the
foot, which on a bent edge does not fool, is tried at nearly the distance of what it would replace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.attacks.nearest import Nearest, Room, misread, shortened, value_and_slope
from ancile.attacks.tangent import TINY, crossing
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

ROUNDS = (5, 3)  # of bisection: a 32nd of the way, then what is left of the overshoot
SHARES = (
    1.0,
    0.5,
)  # of the way to the foot, then out again until it is nearly as far as what it would replace
NEARER = 0.99


def turn_back(model: GradientModel, whole: Room, y: torch.Tensor, found: Nearest, *, turns: int) -> None:
    """Move what was found towards the samples: along its way, then to the foot on the tangent, in turn.

    turns  at most: a sample that the last one brought no nearer is left alone
    Cost: at most a backward and 6 forwards a turn, and 5 forwards.
    """
    rows = (found.distance.isfinite() & (found.distance > 0)).nonzero().squeeze(1)
    for turn in range(turns + 1):
        if not len(rows):
            return
        room, right = whole.take(rows), y[rows]
        change = shortened(model, room, right, found.change[rows], rounds=ROUNDS[min(turn, 1)])
        found.judge(change, torch.ones_like(rows, dtype=torch.bool), room.length(change), rows)
        if turn < turns:
            rows = rows[_turned(model, room, right, change, found, rows)]


def _turned(
    model: GradientModel,
    room: Room,
    y: torch.Tensor,
    change: torch.Tensor,
    found: Nearest,
    rows: torch.Tensor,
) -> torch.Tensor:
    """(m,) which of the samples at ``rows`` a turn to the foot brought nearer."""
    value, _, slope = value_and_slope(model, room, change, y)
    onto = ((change * slope).sum(dim=1) - value).clamp_min(0)
    foot = crossing(room, torch.zeros_like(change), onto, slope)
    length = NEARER * room.length(change)
    nearer = torch.zeros_like(rows, dtype=torch.bool)
    for share in SHARES:
        left = (~nearer).nonzero().squeeze(1)
        part, tried = room.take(left), change[left] + share * (foot[left] - change[left])
        tried = part.cut(tried * (length[left] / part.length(tried).clamp_min(TINY))[:, None])
        fooled = misread(model.logits(part.point(tried)), y[left])
        nearer[left] = found.judge(tried, fooled, part.length(tried), rows[left])
    return nearer
