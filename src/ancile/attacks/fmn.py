"""Fast minimum-norm attack: Pintor, Roli, Brendel, Biggio, NeurIPS 2021, arXiv:2102.12827, algorithm 1.

A climb in a ball whose radius shrinks after each success and grows after each failure. Deviations, all to the
attacker's gain: it begins at the nearest edge of a class by the slopes and within the bounds, where a linear
model has its optimum; Linf climbs by signs and L1 by few features; steps are shares of the radius;
a second run comes from the middle of the range, where networks that threshold their input have slopes
(fast_at, Linf: median 0.32 against 0.53); the rest of the steps goes on from the nearer of both; what is
found is moved towards the sample while it fools.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks import few, radii
from ancile.attacks.constraint import Constraint
from ancile.attacks.counts import require_some
from ancile.attacks.nearest import Nearest, Room, misread, settled, shortened, value_and_slope
from ancile.attacks.stop import OnStep, stopped
from ancile.attacks.streams import Streams
from ancile.attacks.tangent import ahead
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

STEPS = 25
CLASSES = 9  # whose edges are compared at most
OVERSHOOT = 1.001  # of the reach: on the very edge of a class rounding would decide
GROWTH = 1.1  # of the radius at least, from step to step while nothing was found
GAMMA = 0.3  # first share by which the radius changes; the paper's 0.05 is for 100 steps and more
SCOUT, FINE = (1.0, 0.3), (0.5, 0.01)  # of the radius a step, and of gamma, first and last: far off, and near
ROUNDS = 7  # of bisection from a far start
POLISH = 5  # of bisection at the end, over the last tenth of the way
SHORT = 0.9  # of the way to a found example, where the last bisection begins: see POLISH
FAR = 8.0  # a middle start that many times farther than what was found is left
PARTS = (0.15, 0.4)  # of the steps: from the sample, from the middle; the rest goes on


class _Search(NamedTuple):
    """What stays the same from run to run."""

    model: GradientModel
    room: Room
    y: torch.Tensor
    found: Nearest
    on_step: OnStep


def fmn(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    constraint: Constraint,
    rng: Streams,  # noqa: ARG001 - one signature for all attacks
    *,
    steps: int = STEPS,
    classes: int = CLASSES,
    on_step: OnStep = None,
) -> torch.Tensor:
    """The nearest adversarial example found for each sample, within eps.

    x        (n, *shape), in the data's own units, on the model's device and in its float type
    y        (n,) true labels
    steps    gradients a sample in all
    classes  wrong classes whose edges are compared at most at the start, the likeliest first
    on_step  asked before every step; True ends the attack with the nearest found so far
    returns  (n, *shape) each inside ball and bounds and misread; a sample for which none was found, or that
             is misread as it is, comes back unchanged

    Draws nothing from ``rng``. Cost: at most steps + classes forwards and backwards a sample, and
    about 18 forwards.
    """
    require_some(steps=steps, classes=classes)
    if not len(x) or constraint.ball(x[:1]).still:
        return x.clone()
    room = Room.of(x, constraint)
    search = _Search(model, room, y, Nearest.of(room), on_step)
    if constraint.norm == "l0":
        _few(search, steps, classes)
    else:
        _shrink(search, steps, classes)
    return settled(model, x, y, constraint, room, search.found)


def _shrink(search: _Search, steps: int, classes: int) -> None:
    """A run from the sample and one from the middle, and a third from the nearer of what they found."""
    model, room, y, found, _ = search
    first, second = (max(1, round(steps * share)) for share in PARTS)
    if stopped(search.on_step):
        return
    edge = ahead(model, room, y, classes)
    rows = found.others(edge.fooled)
    if not _run(search, edge.step[rows], rows, first, goal=edge.goal[rows]):
        return
    rows = (found.distance > 0).nonzero().squeeze(1)
    if not len(rows):
        return
    far, wanted = _from_afar(search, rows)
    if wanted.any() and not _run(search, far[wanted], rows[wanted], second):
        return
    rows = (found.distance.isfinite() & (found.distance > 0)).nonzero().squeeze(1)
    if len(rows) and steps > first + second:
        if not _run(search, found.change[rows], rows, steps - first - second, fine=True):
            return
        part, change = room.take(rows), found.change[rows]
        change = shortened(model, part, y[rows], change, rounds=POLISH, least=SHORT)
        found.judge(change, torch.ones_like(rows, dtype=torch.bool), part.length(change), rows)


def _from_afar(search: _Search, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Changes at the edge of the class on the way to the middle of the range; the middle where that is right.

    With (m,) whether a run from there is worth its steps: nothing was found, or it is not much farther.
    """
    model, whole, _, found, _ = search
    room, y = whole.take(rows), search.y[rows]
    far, seen = (room.least + room.most) / 2, found.distance[rows]
    fooled = misread(model.logits(room.point(far)), y)
    if fooled.any():
        far[fooled] = shortened(model, room.take(fooled), y[fooled], far[fooled], rounds=ROUNDS)
    return far, seen.isinf() | (fooled & (room.length(far) < FAR * seen))


def _run(
    search: _Search,
    change: torch.Tensor,
    rows: torch.Tensor,
    steps: int,
    *,
    goal: torch.Tensor | None = None,
    fine: bool = False,
) -> bool:
    """Steps for the samples at ``rows`` from these changes; False when told to stop.

    goal  (m,) the class to head for; the likeliest in each step where not given
    fine  the radius and point are nearly right, steps begin at half their length
    """
    if not len(rows):
        return True
    model, whole, _, found, _ = search
    fades = FINE if fine else SCOUT
    room, y = whole.take(rows), search.y[rows]
    radius, most = room.length(change), room.farthest()
    sparse = radius.new_full((len(radius),), radii.SPARSE * change.shape[1])
    for step in range(steps):
        if stopped(search.on_step):
            return False
        value, fooled, slope = value_and_slope(model, room, change, y, goal)
        length = room.length(change)
        found.judge(change, fooled, length, rows)
        cosine = (1 + math.cos(math.pi * step / steps)) / 2
        fade = fades[1] + (fades[0] - fades[1]) * cosine
        best = found.distance[rows]
        beyond = torch.maximum(OVERSHOOT * (length + radii.reach(room, value, slope)), radius * GROWTH)
        radius = torch.where(
            fooled,
            torch.minimum(radius, best) * (1 - GAMMA * fade),
            torch.where(best.isfinite(), torch.minimum(radius * (1 + GAMMA * fade), best), beyond),
        )
        radius = torch.minimum(radius, most)
        change = radii.moved(room, change, slope, radius, fade, sparse)
        sparse = (change != 0).sum(dim=1) * radii.SPARSE
    found.judge(change, misread(model.logits(room.point(change)), y), room.length(change), rows)
    return True


def _few(search: _Search, steps: int, classes: int) -> None:
    """A run that begins with the places that cross an edge by the slopes and one with a quarter of all.

    Then the idle are put back.
    """
    model, room, y, found, on_step = search
    if stopped(search.on_step):
        return
    edge = ahead(model, room, y, classes)
    worth = torch.zeros_like(room.places(room.least))
    half = max(1, steps // 2)
    rows = found.others(edge.fooled)
    many = few.extremes(room, edge.slope, torch.full_like(edge.value, max(1.0, worth.shape[1] / 4)))
    for start, share in ((edge.step, half), (many, steps - half)):
        if not len(rows) or not share:
            break
        if not few.search(
            model, room.take(rows), y[rows], rows, found, worth,
            start=start[rows], slope=edge.slope[rows], steps=share, on_step=on_step,
        ):  # fmt: skip
            return
        rows = (found.distance > 1).nonzero().squeeze(1)
    rows = (found.distance.isfinite() & (found.distance > 1)).nonzero().squeeze(1)
    if len(rows):
        part = room.take(rows)
        change = few.thinned(model, part, y[rows], found.change[rows], worth[rows], rounds=POLISH)
        found.judge(change, torch.ones_like(rows, dtype=torch.bool), part.length(change), rows)
