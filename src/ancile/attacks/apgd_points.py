"""The points of one climb of Auto-PGD, and the rules by which its step shrinks: see ``apgd``."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks.ball import Ball, Norm, features, per_sample
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch
else:
    torch = needs("torch", "torch")

MOMENTUM = 0.75  # alpha: arXiv:2003.01690, section 3.1
FIRST_STEP = 2.0  # of eps, halved when progress stalls: the same
RISING = 0.75  # of the steps since the last look must raise the loss: rho, the same
FIRST_LOOK, SOONER, SHORTEST = 0.22, 0.03, 0.06  # of all steps: p_1 and the recursion for p_j, the same
ROUNDED = 9  # digits: 0.57 * 100 is 57.00000000000001
L1_LOOK = 0.04  # of all steps: arXiv:2103.01208, appendix, and the authors' code, as the four below
L1_FIRST_STEP = 1.0  # of eps
L1_SHRINKS, L1_SMALLEST = 1.5, 0.1  # the step's divisor at a look, and the least step, of eps
L1_FIRST_SHARE = 0.2  # of the features, at most, that the first steps change
L1_FEWER = 0.95  # of the features changed at the last look: then the step is long again


class Begun(NamedTuple):
    """The samples that a climb begins with: starts, labels, targets, and which samples they are."""

    around: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    aim: torch.Tensor | None
    rows: torch.Tensor


@dataclass(kw_only=True, eq=False)
class Points:
    """Where each sample that stands is and was.

    x, before, best  (n, *shape) points; the gradients are those at x and at best
    value            (n,) loss at x
    size             (n,) length of the next step, in units of distance
    top, changed     (n,) in L1: features that a step changes; features that the best point had changed
    rises            (n,) steps since the last look that raised the loss
    halved, seen     (n,) at the last look: whether the step was halved, the best loss
    """

    ball: Ball[torch.Tensor]
    rows: torch.Tensor
    y: torch.Tensor
    aim: torch.Tensor | None
    x: torch.Tensor
    before: torch.Tensor
    gradient: torch.Tensor
    value: torch.Tensor
    best: torch.Tensor
    best_gradient: torch.Tensor
    best_value: torch.Tensor
    size: torch.Tensor
    top: torch.Tensor
    changed: torch.Tensor
    rises: torch.Tensor
    halved: torch.Tensor
    seen: torch.Tensor

    @classmethod
    def begin(
        cls, left: Begun, ball: Ball[torch.Tensor], gradient: torch.Tensor, value: torch.Tensor
    ) -> Points:
        """At the starts."""
        x, first = left.x, L1_FIRST_STEP if ball.norm == "l1" else FIRST_STEP
        changed = _changed(x, ball)
        most = max(1.0, L1_FIRST_SHARE * ball.around[0].numel())
        return cls(
            ball=ball, rows=left.rows, y=left.y, aim=left.aim,
            x=x, before=x, gradient=gradient, value=value,
            best=x.clone(), best_gradient=gradient.clone(), best_value=value.clone(),
            size=torch.full_like(value, first * ball.eps),
            top=(changed / L1_SHRINKS).clamp(1.0, most) if changed.any() else torch.full_like(value, most),
            changed=changed,
            rises=torch.zeros_like(value), halved=torch.zeros_like(value, dtype=torch.bool),
            seen=value.clone(),
        )  # fmt: skip

    def keep(self, stands: torch.Tensor) -> bool:
        """Let those go that no longer stand; whether any is left."""
        if not stands.all():
            for one in fields(self):
                held = getattr(self, one.name)
                if held is not None:
                    setattr(self, one.name, held.take(stands) if one.name == "ball" else held[stands])
        return len(self.x) > 0

    def move(self, *, first: bool) -> None:
        """One step along the gradient, with momentum but for the first and in L1."""
        ball, x, size = self.ball, self.x, per_sample(self.size, self.x)
        if ball.norm == "l1":
            new = ball.project(x + size * ball.ascent(ball.open(x, self.gradient), top=self.top))
        else:
            new = ball.project_(x + size * ball.ascent(self.gradient))
            if not first:
                new = ball.project_(x + MOMENTUM * (new - x) + (1.0 - MOMENTUM) * (x - self.before))
        self.before, self.x = x, new

    def note(self, gradient: torch.Tensor, value: torch.Tensor) -> None:
        """What the model answered at x."""
        self.rises += value > self.value
        self.gradient, self.value = gradient, value
        better = (value > self.best_value).nonzero().squeeze(1)
        self.best[better], self.best_gradient[better] = self.x[better], gradient[better]
        self.best_value[better] = value[better]

    def back(self, chosen: torch.Tensor) -> None:
        """Go on from the best point."""
        wide = per_sample(chosen, self.x)
        self.x = torch.where(wide, self.best, self.x)
        self.gradient = torch.where(wide, self.best_gradient, self.gradient)


def checkpoints(steps: int, norm: Norm) -> frozenset[int]:
    """The steps after which to look at progress: arXiv:2003.01690, section 3.1; in L1 at equal distances."""
    if norm == "l1":
        return frozenset(range(0, steps, max(1, int(L1_LOOK * steps)))[1:])
    last, now, looks = 0.0, FIRST_LOOK, []
    while now <= 1.0:
        looks.append(math.ceil(round(now * steps, ROUNDED)))
        last, now = now, now + max(now - last - SOONER, SHORTEST)
    return frozenset(looks)


def halve(points: Points, since: int) -> None:
    """Halve the step and go back to the best point where the climb stalls.

    That is where the loss rose in too few of the steps since the last look, or where neither step nor best
    loss changed between two looks: conditions 1 and 2 of the paper.
    """
    stalled = points.rises <= RISING * since
    idle = ~points.halved & (points.best_value <= points.seen)
    points.halved = stalled | idle
    points.seen = points.best_value.clone()
    points.rises = torch.zeros_like(points.rises)
    points.size = torch.where(points.halved, points.size / 2, points.size)
    points.back(points.halved)


def sparsify(points: Points) -> None:
    """In L1: change fewer features a step as the best point gets sparser; else shorten the step."""
    now, eps = _changed(points.best, points.ball), points.ball.eps
    fewer = now < L1_FEWER * points.changed
    points.top = (now / L1_SHRINKS).clamp_min(1.0)
    shorter = (points.size / L1_SHRINKS).clamp_min(L1_SMALLEST * eps)
    points.size = torch.where(fewer, L1_FIRST_STEP * eps, shorter)
    points.changed = now
    points.back(fewer)


def _changed(x: torch.Tensor, ball: Ball[torch.Tensor]) -> torch.Tensor:
    """(n,) how many features are not the sample's."""
    return features(x != ball.around).sum(dim=1).to(x.dtype)
