"""One arm's climb on some samples: steps along the gradient with momentum, shrinking as a half cosine.

PGD (Madry et al. 2018, arXiv:1706.06083) with momentum as in APGD (Croce and Hein 2020, arXiv:2003.01690).
Every iterate is judged, a sample that is broken leaves the batch at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ancile.attacks.arms import FINISH, Arm
from ancile.attacks.ball import Ball, features, per_sample
from ancile.attacks.losses import SampleLoss, choose, margin, ranked, towards
from ancile.attacks.standing import STANDS, Field, Standing, batches, judged, judgement
from ancile.attacks.starts import DIVERSE_STEPS, corner_start, diverse_start, middle_start, random_start
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch
else:
    torch = needs("torch", "torch")

FINISH_STEPS = 8
TINY = 1e-30  # a divisor at least: float32 holds it and its inverse, and saturated slopes above it point on


def climb(
    here: Field, standing: Standing, arm: Arm, rows: torch.Tensor, *, steps: int, place: int
) -> torch.Tensor | None:
    """(n,) the largest margin that each sample at ``rows`` met, -inf for none; None when told to stop.

    place  of the phase in its plan: draws depend on it, and what is broken is put down to it
    """
    reached = here.x.new_full((len(here.x),), -torch.inf)
    for part in batches(rows, here.batch):
        if not _climb(_Climbers.at(here, standing, arm, part, place), here, standing, arm, steps, reached):
            return None
    if here.coarse:
        near = rows[(reached[rows] >= 0) & (standing.broken_by[rows] == STANDS)]
        if climb_precisely(here, standing, FINISH, near, steps=FINISH_STEPS, place=place) is None:
            return None
    return reached[rows]


def climb_precisely(
    here: Field, standing: Standing, arm: Arm, rows: torch.Tensor, *, steps: int, place: int
) -> torch.Tensor | None:
    """As ``climb``, by the original; what a coarse search form was wrong about is forgotten first.

    Errors that only a coarse form sees would stay the best points, and refuse what is truly more wrong.
    """
    if not here.coarse:
        return climb(here, standing, arm, rows, steps=steps, place=place)
    refused = standing.refused[rows]
    standing.refused[rows] = -torch.inf
    standing.margin[rows] = judged(here.model, standing.point[rows], here.y[rows]).margin
    standing.passes[rows] += 1
    reached = climb(here.plain(), standing, arm, rows, steps=steps, place=place)
    standing.refused[rows] = torch.maximum(refused, standing.refused[rows])
    return reached


@dataclass
class _Climbers:
    """The samples of a batch that still climb."""

    rows: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    velocity: torch.Tensor
    aim: torch.Tensor | None
    ball: Ball[torch.Tensor]
    place: int

    @classmethod
    def at(cls, here: Field, standing: Standing, arm: Arm, rows: torch.Tensor, place: int) -> _Climbers:
        """All of them at the arm's start."""
        ball, y = here.constraint.ball(here.x[rows]), here.y[rows]
        x = _start(here, standing, arm, rows, ball, place)
        aim = ranked(here.search.logits(x), y)[:, arm.rank] if arm.raised == "target" else None
        return cls(rows, x, y, torch.zeros_like(x), aim, ball, place)

    def leave(self, gone: torch.Tensor) -> torch.Tensor:
        """Let some go, by place; (n,) the places that stay."""
        stays = torch.ones(len(self.rows), dtype=torch.bool, device=self.rows.device)
        stays[gone] = False
        kept = stays.nonzero().squeeze(1)
        self.rows, self.x, self.y = self.rows[kept], self.x[kept], self.y[kept]
        self.velocity, self.ball = self.velocity[kept], self.ball.take(kept)
        self.aim = None if self.aim is None else self.aim[kept]
        return kept


def _climb(
    those: _Climbers, here: Field, standing: Standing, arm: Arm, steps: int, reached: torch.Tensor
) -> bool:
    """The climb of one batch, margins into ``reached``; False when told to stop."""
    raised = margin if arm.raised == "target" else choose(arm.raised, here.search.traits.classes).function
    for step in range(steps):
        if here.stopped():
            return False
        logits, gradient = here.search.gradient(those.x, partial(_total, raised, those.y, those.aim))
        broken = _look(those, here, standing, logits, reached)
        if len(broken):
            gradient = gradient[those.leave(broken)]
            if not len(those.rows):
                return True
        size = arm.step * those.ball.eps * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        those.velocity.mul_(arm.momentum).add_(_evened(gradient))
        those.x = _stepped(those.ball, those.x, those.velocity, size)
    _look(those, here, standing, here.search.logits(those.x), reached)
    return True


def _look(
    those: _Climbers, here: Field, standing: Standing, logits: torch.Tensor, reached: torch.Tensor
) -> torch.Tensor:
    """Places in the batch of the samples that are broken now; what is more wrong than before is kept."""
    rows, value = those.rows, judgement(logits, those.y).margin
    standing.passes[rows] += 1
    reached[rows] = torch.maximum(reached[rows], value)
    standing.keep(rows, those.x, value)
    claimed = ((value >= 0) & (value > standing.refused[rows])).nonzero().squeeze(1)
    if not len(claimed):
        return claimed
    held = standing.claim(here, rows[claimed], those.x[claimed], value[claimed], place=those.place)
    return claimed[held]


def _total(
    raised: SampleLoss, y: torch.Tensor, aim: torch.Tensor | None, logits: torch.Tensor
) -> torch.Tensor:
    return (raised(logits, y) if aim is None else towards(logits, y, aim)).sum()


def _evened(gradient: torch.Tensor) -> torch.Tensor:
    """The gradient with a mean size of 1 in each sample, so that momentum adds up directions, not slopes."""
    gradient = gradient.nan_to_num(0.0, 0.0, 0.0)
    size = features(gradient).abs().mean(dim=1).clamp_min(TINY)
    return gradient / per_sample(size, gradient)


def _stepped(ball: Ball[torch.Tensor], x: torch.Tensor, direction: torch.Tensor, size: float) -> torch.Tensor:
    """``x``, written to, after a step of this length; in L2 inside but for rounding, at a tenth of the cost.

    What is claimed is projected exactly.
    """
    if ball.norm != "l2":
        return ball.step_(x, direction, size)
    x = x.add_(ball.ascent(direction), alpha=size).clip_(ball.low, ball.high)
    change = x - ball.around
    unit = None if ball.unit is None else ball.unit.to(change.dtype)
    scaled = change if unit is None else torch.where(unit > 0, change / unit, 0.0)
    shrink = (ball.eps / features(scaled).norm(dim=1).clamp_min(TINY)).clamp_max(1.0)
    return torch.addcmul(ball.around, change, per_sample(shrink, change))


def _start(
    here: Field, standing: Standing, arm: Arm, rows: torch.Tensor, ball: Ball[torch.Tensor], step: int
) -> torch.Tensor:
    """Where the arm begins for each sample."""
    if arm.start == "best":
        return here.constraint.project(standing.point[rows], ball.around)
    rng = here.rng.take(rows.cpu().numpy())
    if arm.start == "corner":
        return corner_start(ball, rng, step=step, purpose="cascade-corner")
    if arm.start == "middle":
        return middle_start(ball, here.constraint, rng, share=arm.share, step=step, purpose="cascade-middle")
    if arm.start == "diverse":
        standing.passes[rows] += DIVERSE_STEPS
        return diverse_start(here.search, ball, rng, step=step, purpose="cascade-diverse")
    return random_start(ball, rng, step=step, purpose="cascade-random")
