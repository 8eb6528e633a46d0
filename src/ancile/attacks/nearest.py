"""What searches for the nearest adversarial example share: the room around each sample, and what was found.

Changes are counted in units of distance, so that scales, bounds and features that cannot move need no further
thought: a feature without room has 0 as its least and its greatest change.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks.constraint import Constraint
from ancile.attacks.losses import margin
from ancile.attacks.vectors import features
from ancile.attacks.windows import Grid
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.attacks.ball import Norm
    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

STRETCHES = (1.0, 1.0001, 1.01)  # a point at the edge may be right again in another batch: rounding


class Room(NamedTuple):
    """How far each sample of a batch may go, in the float type of the samples.

    around           (n, *shape) the samples
    low, high        (n, *shape) least and greatest value of each feature
    least, most      (n, features) the same as changes from the sample, in units of distance
    unit             length of one unit, broadcastable to a sample, None for 1
    spots            what L0 counts
    """

    norm: Norm
    around: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    least: torch.Tensor
    most: torch.Tensor
    unit: torch.Tensor | None
    spots: Grid

    @classmethod
    def of(cls, x: torch.Tensor, constraint: Constraint) -> Room:
        """The room of the constraint's ball and bounds; of the ball alone in Linf."""
        ball = constraint.ball(x)
        unit = None if ball.unit is None else ball.unit.to(x.dtype)
        least, most = (ball.scaled(edge).to(x.dtype) for edge in (ball.low, ball.high))
        return cls(ball.norm, x, ball.low, ball.high, least, most, unit, ball.spots)

    def take(self, chosen: torch.Tensor) -> Room:
        """The room of the chosen samples, by mask or number."""
        low, high = self.low[chosen], self.high[chosen]
        least, most = self.least[chosen], self.most[chosen]
        return Room(self.norm, self.around[chosen], low, high, least, most, self.unit, self.spots)

    def point(self, change: torch.Tensor) -> torch.Tensor:
        """(n, *shape) the samples changed by (n, features) units, inside the bounds."""
        moved = change.reshape(self.around.shape)
        moved = self.around + (moved if self.unit is None else moved * self.unit)
        return torch.minimum(torch.maximum(moved, self.low), self.high)

    def slope(self, gradient: torch.Tensor) -> torch.Tensor:
        """(n, features) a gradient on the input as one on the change; 0 where it is not a number."""
        scaled = gradient if self.unit is None else gradient * self.unit
        return features(torch.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0))

    def cut(self, change: torch.Tensor) -> torch.Tensor:
        """A change brought inside the bounds."""
        return torch.minimum(torch.maximum(change, self.least), self.most)

    def places(self, change: torch.Tensor) -> torch.Tensor:
        """(n, places) sums over what L0 counts as one."""
        if self.spots.channels == 1:
            return change
        return self.spots.planes(change.reshape(self.around.shape)).sum(dim=1)

    def spread(self, places: torch.Tensor) -> torch.Tensor:
        """(n, features) of (n, places): each feature has the value of its place."""
        if self.spots.channels == 1:
            return places
        shape = (len(places), self.spots.channels, self.spots.places)
        return features(self.spots.samples(places[:, None].expand(shape), tuple(self.around.shape[1:])))

    def length(self, change: torch.Tensor) -> torch.Tensor:
        """(n,) the distances of changes (n, features)."""
        if not change.shape[1]:
            return change.sum(dim=1)
        if self.norm == "linf":
            return change.abs().amax(dim=1)
        if self.norm == "l0":
            return (self.places(change.abs()) != 0).sum(dim=1).to(change.dtype)
        length: torch.Tensor = torch.linalg.vector_norm(change, 2 if self.norm == "l2" else 1, dim=1)
        return length

    def farthest(self) -> torch.Tensor:
        """(n,) the distance of the farthest corner."""
        return self.length(torch.maximum(self.most, -self.least))


class Nearest(NamedTuple):
    """The nearest adversarial example of each sample so far; the tensors are written to.

    change    (n, features) in units of distance
    distance  (n,) infinite where none was found
    """

    change: torch.Tensor
    distance: torch.Tensor

    @classmethod
    def of(cls, room: Room) -> Nearest:
        """Nothing found yet."""
        return cls(torch.zeros_like(room.least), room.least.new_full((len(room.least),), math.inf))

    def others(self, fooled: torch.Tensor) -> torch.Tensor:
        """Places of the samples that are not misread as they are; the rest is at distance 0."""
        self.distance[fooled] = 0.0
        return (~fooled).nonzero().squeeze(1)

    def judge(
        self, change: torch.Tensor, fooled: torch.Tensor, length: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """Keep what fools and is nearer than before; (m,) whether it was, for the samples at ``rows``."""
        nearer = fooled & (length < self.distance[rows])
        where = rows[nearer]
        self.change[where] = change[nearer]
        self.distance[where] = length[nearer]
        return nearer


def misread(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(n,) whether the decision is wrong; logits that are not finite decide nothing."""
    return torch.isfinite(logits.sum(dim=1)) & (logits.argmax(dim=1) != y)


def value_and_slope(
    model: GradientModel, room: Room, change: torch.Tensor, y: torch.Tensor, aim: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(n,) margins, (n,) whether misread, (n, features) the margin's slope.

    aim  (n,) the class whose margin over the right one is meant, the likeliest wrong one where not given
    """

    def value(logits: torch.Tensor) -> torch.Tensor:
        if aim is None:
            return margin(logits, y)
        picked = logits.gather(1, torch.stack([aim, y], dim=1))
        return picked[:, 0] - picked[:, 1]

    logits, gradient = model.gradient(room.point(change), lambda out: value(out).sum())
    return torch.nan_to_num(value(logits)), misread(logits, y), room.slope(gradient)


def along(room: Room, change: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """The way from the samples (share 0) to the changes (share 1), on which the distance grows evenly.

    Linf caps every feature; L2 and L1 go straight. L0 is no such way: see ``few.thinned``.
    """
    if room.norm == "linf":
        cap = (share * room.length(change))[:, None]
        return torch.minimum(torch.maximum(change, -cap), cap)
    return change * share[:, None]


def shortened(
    model: GradientModel,
    room: Room,
    y: torch.Tensor,
    change: torch.Tensor,
    *,
    rounds: int,
    least: float = 0.0,
) -> torch.Tensor:
    """Changes that fool, brought to the edge of the class along their way by bisection.

    least  share of the way below which is not looked: where little is to be gained, few rounds suffice
    Cost: ``rounds`` forwards a sample.
    """
    low, high = change.new_full((len(change),), least), change.new_ones(len(change))
    for _ in range(rounds):
        middle = (low + high) / 2
        fooled = misread(model.logits(room.point(along(room, change, middle))), y)
        low, high = torch.where(fooled, low, middle), torch.where(fooled, middle, high)
    return along(room, change, high)


def settled(
    model: GradientModel, x: torch.Tensor, y: torch.Tensor, constraint: Constraint, room: Room, found: Nearest
) -> torch.Tensor:
    """(n, *shape) what was found, in ball and bounds without tolerance; the sample where that fools no more.

    Cost: 1 forward a found sample; 2 more where rounding at the edge of the class made a point right again.
    """
    result = x.clone()
    left = (found.distance.isfinite() & (found.distance > 0)).nonzero().squeeze(1)
    for stretch in STRETCHES:
        if not len(left):
            break
        part = room.take(left)
        points = part.point(part.cut(found.change[left] * stretch))
        points = constraint.project(points, part.around)
        fooled = misread(model.logits(points), y[left])
        result[left[fooled]] = points[fooled]
        left = left[~fooled]
    return result
