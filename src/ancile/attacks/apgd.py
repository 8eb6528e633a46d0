"""Auto-PGD: Croce and Hein, ICML 2020, arXiv:2003.01690, algorithm 1; in L1 theirs of 2021, arXiv:2103.01208.

A climb without a step size to tune: it is halved where the loss stalls, and the climb goes on from the best
point. Two deviations, both to the attacker's gain: every iterate inside the ball is judged, not only the
last, and a sample that is broken leaves the batch at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks.apgd_points import Begun, Points, checkpoints, halve, sparsify
from ancile.attacks.ball import Ball
from ancile.attacks.constraint import Constraint
from ancile.attacks.counts import require_some
from ancile.attacks.found import Found
from ancile.attacks.losses import choose, choose_targeted, ranked
from ancile.attacks.pgd import TARGETS
from ancile.attacks.starts import Start, start_at
from ancile.attacks.stop import OnStep, stopped
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

# Radii in L1, as times eps, each with its share of the steps: arXiv:2103.01208, section 4.2
LARGER = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))
FEWEST = 5  # steps for which more than one radius is worth it


def apgd(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    constraint: Constraint,
    rng: Streams,
    *,
    steps: int = 100,
    restarts: int | None = None,
    loss: str = "dlr",
    start: Start = "random",
    on_step: OnStep = None,
) -> torch.Tensor:
    """The most wrong point found by a climb whose step halves as it stalls, for each sample.

    x         (n, *shape), in the data's own units, on the model's device and in its float type
    y         (n,) true labels
    restarts  1 where not given; with ``targets`` one for each wrong class, at most 9
    loss      ``ce``, ``margin``, ``dlr`` (below three classes, where it is not defined, margin); or
              ``targets``: a restart for each wrong class, the likeliest first, that raises the targeted DLR
              (below four classes the target's logit over the right one). ``losses`` names what is used
    start     ``random``, ``corner``, ``middle``, ``diverse``, or ``sample`` itself
    on_step   asked before every step; True ends the attack with the best found so far
    returns   (n, *shape) inside the ball: an adversarial iterate where one was met, else the one of the
              largest margin; whether it fools the model is the caller's to judge

    In L1 the climb begins in a ball three times as large, and only points inside the asked one are judged.
    Defined for Linf, L2 and L1. Draws the starts from ``rng``. Cost: at most steps + 1 forwards and steps
    backwards a sample and restart; one forward more with ``targets``, two of each with a ``diverse`` start.
    Where eps is 0 the samples come back as they are.
    """
    classes = model.traits.classes
    if restarts is None:
        restarts = min(classes - 1, TARGETS) if loss == "targets" else 1
    require_some(steps=steps, restarts=restarts)
    if constraint.norm == "l0":
        raise AncileError("apgd is not defined in l0", value="norm=l0", remedy="give pgd or square")
    raised = _aimed(classes) if loss == "targets" else _free(loss, classes)
    if constraint.eps == 0 or not len(x):
        return x.clone()
    here = _Here(model, constraint, raised, _radii(constraint, steps), on_step)
    aims = ranked(model.logits(x), y) if loss == "targets" else None
    found = Found.of(x)
    for restart in range(restarts):
        left = found.left()
        if not len(left):
            break
        around, streams = x[left], rng.take(left.cpu().numpy())
        first = constraint.at(constraint.eps * here.radii[0][0]).ball(around)
        point = start_at(start, model, first, constraint, streams, step=restart, purpose="apgd")
        aim = None if aims is None else aims[left, restart % (classes - 1)]
        if not _restart(here, Begun(around, point, y[left], aim, left), found):
            break
    return found.x


Raised = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor | None"], "torch.Tensor"]


class _Here(NamedTuple):
    """What stays the same from step to step and from restart to restart."""

    model: GradientModel
    constraint: Constraint
    raised: Raised
    radii: tuple[tuple[float, int], ...]
    on_step: OnStep

    def total(self, y: torch.Tensor, aim: torch.Tensor | None, logits: torch.Tensor) -> torch.Tensor:
        return self.raised(logits, y, aim).sum()

    def value(self, logits: torch.Tensor, y: torch.Tensor, aim: torch.Tensor | None) -> torch.Tensor:
        """(n,) the loss, -inf where it is not a number."""
        value = self.raised(logits, y, aim)
        return torch.where(value.isfinite(), value, -torch.inf)


def _restart(here: _Here, left: Begun, found: Found) -> bool:
    """One climb through all radii; False when told to stop."""
    ball = here.constraint.ball(left.around)
    for times, steps in here.radii:
        last = times == 1.0
        if not last:
            wide = here.constraint.at(here.constraint.eps * times).ball(left.around)
            points = _climbed(here, left._replace(x=wide.project(left.x)), wide, steps, None)
        else:
            points = _climbed(here, left._replace(x=ball.project(left.x)), ball, steps, found)
        if points is None:
            return False
        left = left._replace(x=points.best)
    return True


def _climbed(
    here: _Here, left: Begun, ball: Ball[torch.Tensor], steps: int, found: Found | None
) -> Points | None:
    """A climb of so many steps in one ball; None when told to stop.

    Without ``found`` nothing is judged, and the last step is the next ball's projection.
    """
    if stopped(here.on_step):
        return None
    logits, gradient = here.model.gradient(left.x, partial(here.total, left.y, left.aim))
    points = Points.begin(left, ball, gradient, here.value(logits, left.y, left.aim))
    if found is not None and not points.keep(found.judge(points.x, logits, points.y, points.rows)):
        return points
    looks, since = checkpoints(steps, ball.norm), 0
    for step in range(1, steps + 1 if found is not None else steps):
        if step > 1 and stopped(here.on_step):
            return None
        points.move(first=step == 1)
        if step < steps:
            logits, gradient = here.model.gradient(points.x, partial(here.total, points.y, points.aim))
        else:
            logits, gradient = here.model.logits(points.x), points.gradient
        points.note(gradient, here.value(logits, points.y, points.aim))
        if found is not None and not points.keep(found.judge(points.x, logits, points.y, points.rows)):
            return points
        if step in looks:
            sparsify(points) if ball.norm == "l1" else halve(points, step - since)
            since = step
    return points


def _radii(constraint: Constraint, steps: int) -> tuple[tuple[float, int], ...]:
    """Times eps and steps of each ball in turn; one but in L1."""
    if constraint.norm != "l1" or steps < FEWEST:
        return ((1.0, steps),)
    early = [(times, math.ceil(share * steps)) for times, share in LARGER[:-1]]
    return (*early, (LARGER[-1][0], steps - sum(count for _, count in early)))


def _free(loss: str, classes: int) -> Raised:
    function = choose(loss, classes).function

    def raised(logits: torch.Tensor, y: torch.Tensor, aim: torch.Tensor | None) -> torch.Tensor:  # noqa: ARG001 - no target
        return function(logits, y)

    return raised


def _aimed(classes: int) -> Raised:
    function = choose_targeted(classes).function

    def raised(logits: torch.Tensor, y: torch.Tensor, aim: torch.Tensor | None) -> torch.Tensor:
        return function(logits, y, y if aim is None else aim)

    return raised
