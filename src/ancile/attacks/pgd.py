"""Projected gradient descent: Madry et al., ICLR 2018, arXiv:1706.06083, section 2.1.

Two deviations, both to the attacker's gain: every iterate is judged, not only the last, and a sample that is
broken leaves the batch at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ancile.attacks import starts
from ancile.attacks.ball import Ball
from ancile.attacks.constraint import Constraint
from ancile.attacks.counts import require_some
from ancile.attacks.found import Found
from ancile.attacks.losses import SampleLoss, choose, margin, ranked, towards
from ancile.attacks.stop import OnStep, stopped
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

Schedule: TypeAlias = float | Sequence[float] | Callable[[int], float]

STEP = 2.5  # of eps / steps: Madry et al. 2018, appendix; the border is reached from anywhere in the ball
L1_STEP = 0.5  # of eps: of 200 MNIST images, hardened network, eps 12, 67 % stay right; by 0.06 eps 85 %
TARGETS = 9  # as in AutoAttack: Croce and Hein 2020, arXiv:2003.01690, section 4


def pgd(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    constraint: Constraint,
    rng: Streams,
    *,
    steps: int = 20,
    restarts: int | None = None,
    step_size: Schedule | None = None,
    eps_share: Schedule = 1.0,
    random_start: bool = True,
    loss: str = "margin",
    on_step: OnStep = None,
) -> torch.Tensor:
    """The most wrong point found by climbing the loss from random starts in the ball, for each sample.

    x          (n, *shape), in the data's own units, on the model's device and in its float type
    y          (n,) true labels
    step_size  length of a step in the constraint's units of distance: one number, one for each step, or a
               function of the step from 0; 2.5 eps / steps where not given, in L1 eps / 2, which the steepest
               features share, a fifth of all at first and one at the end. In L0 a number of features
    eps_share  share of eps in force at a step, from 0 to 1, likewise: a ball that shrinks or grows
    restarts   1 where not given; with ``targets`` one for each wrong class, at most 9
    loss       ``ce``, ``margin``, ``dlr``; or ``targets``: a restart for each wrong class, the likeliest
               first, that raises its logit over the right one (on linear models in Linf this is exact)
    on_step    asked before every step; True ends the attack with the best found so far
    returns    (n, *shape) inside the ball: an adversarial iterate where one was met, else the one of the
               largest margin; whether it fools the model is the caller's to judge

    Draws the starts from ``rng``. Cost: at most steps + 1 forwards and steps backwards a sample and restart,
    with ``targets`` one forward more. Where eps is 0 the samples come back as they are.
    """
    classes = model.traits.classes
    if restarts is None:
        restarts = min(classes - 1, TARGETS) if loss == "targets" else 1
    require_some(steps=steps, restarts=restarts)
    if constraint.eps == 0 or not len(x):
        return x.clone()
    usual = L1_STEP if constraint.norm == "l1" else STEP / steps
    sizes = _unrolled("step_size", usual * constraint.eps if step_size is None else step_size, steps)
    shares = _unrolled("eps_share", eps_share, steps)
    raised = margin if loss == "targets" else choose(loss, classes).function
    climb = _Climb(model, constraint, raised, sizes, shares, on_step)
    aims = ranked(model.logits(x), y) if loss == "targets" else None
    found = Found.of(x)
    ball = constraint.ball(x)
    for restart in range(restarts):
        left = found.left()
        if not len(left):
            break
        around = ball if len(left) == len(x) else ball.take(left)
        start = around.around.clone()
        if random_start:
            start = starts.random_start(around, rng.take(left.cpu().numpy()), step=restart, purpose="pgd")
        aim = None if aims is None else aims[left, restart % (classes - 1)]
        if not _climb(climb, start, y[left], aim, around, left, found):
            break
    return found.x


class _Climb(NamedTuple):
    """What stays the same from step to step and from restart to restart."""

    model: GradientModel
    constraint: Constraint
    raised: SampleLoss
    sizes: Sequence[float]
    shares: Sequence[float]
    on_step: OnStep


def _climb(
    climb: _Climb,
    x: torch.Tensor,
    y: torch.Tensor,
    aim: torch.Tensor | None,
    ball: Ball[torch.Tensor],
    rows: torch.Tensor,
    found: Found,
) -> bool:
    """One restart on the samples at ``rows``, from ``x``, which is written to; False when told to stop."""
    share = 1.0
    for step, (size, wanted) in enumerate(zip(climb.sizes, climb.shares, strict=True)):
        if stopped(climb.on_step):
            return False
        logits, gradient = climb.model.gradient(x, partial(_total, climb.raised, y, aim))
        stands = found.judge(x, logits, y, rows).nonzero().squeeze(1)
        if len(stands) < len(x):
            x, y, rows, gradient = x[stands], y[stands], rows[stands], gradient[stands]
            aim, ball = None if aim is None else aim[stands], ball.take(stands)
            if not len(x):
                return True
        if wanted != share:
            share, ball = wanted, climb.constraint.at(wanted * climb.constraint.eps).ball(ball.around)
        x = ball.step_(x, gradient, size, left=1.0 - step / len(climb.sizes))
    found.judge(x, climb.model.logits(x), y, rows)
    return True


def _total(
    raised: SampleLoss, y: torch.Tensor, aim: torch.Tensor | None, logits: torch.Tensor
) -> torch.Tensor:
    return (raised(logits, y) if aim is None else towards(logits, y, aim)).sum()


def _unrolled(name: str, schedule: Schedule, steps: int) -> tuple[float, ...]:
    """The value for each step, finite and not negative, and at most 1 where it is a share."""
    if callable(schedule):
        values = tuple(float(schedule(step)) for step in range(steps))
    elif isinstance(schedule, Sequence):
        values = tuple(float(value) for value in schedule)
    else:
        values = (float(schedule),) * steps
    highest = 1.0 if name == "eps_share" else math.inf
    if len(values) != steps or not all(math.isfinite(v) and 0 <= v <= highest for v in values):
        raise AncileError(
            f"{name} does not fit the steps",
            value=plain(f"{len(values)} values for {steps} steps: {values}"),
            remedy="give one value for each step: a length of 0 or more, a share from 0 to 1",
        )
    return values
