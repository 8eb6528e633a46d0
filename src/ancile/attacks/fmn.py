"""Fast minimum-norm attack: Pintor, Roli, Brendel, Biggio, NeurIPS 2021, arXiv:2102.12827, algorithm 1.

A climb in a ball whose radius shrinks after each success and grows after each failure. Deviations, all to the
attacker's gain: the first goal is the class whose edge is nearest by the slopes, not the likeliest (gtsrb,
L2: median 0.375 against 0.407); Linf climbs by signs and L1 by few features; steps are shares of the radius;
a second run comes from the middle of the range, where networks that threshold their input have slopes
(fast_at, Linf: median 0.32 against 0.53); the rest of the steps goes on from the nearer of both; what is
found is moved towards the sample while it fools.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks import few, radii
from ancile.attacks.constraint import Constraint
from ancile.attacks.nearest import Nearest, Room, misread, settled, shortened, value_and_slope
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

STEPS = 30
CLASSES = 3  # whose edges are compared: the nearest is seldom less likely
OVERSHOOT = 1.001  # of the reach: on the very edge of a class rounding would decide
GROWTH = 1.1  # of the radius at least, from step to step while nothing was found
GAMMA = 0.3  # first share by which the radius changes; the paper's 0.05 is for 100 steps and more
SCOUT, FINE = (1.0, 0.3), (0.5, 0.01)  # of the radius a step, and of gamma, first and last: far off, and near
ROUNDS = 7  # of bisection from a far start
POLISH = 5  # of bisection at the end, over the last tenth of the way
SHORT = 0.9
FAR = 8.0  # a middle start that many times farther than what was found is left
PARTS = (0.15, 0.4)  # of the steps: from the sample, from the middle; the rest goes on


class _Search(NamedTuple):
    """What stays the same from run to run."""

    model: GradientModel
    room: Room
    y: torch.Tensor
    found: Nearest
    on_step: Callable[[], bool] | None


def fmn(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    constraint: Constraint,
    rng: Streams,  # noqa: ARG001 - one signature for all attacks
    *,
    steps: int = STEPS,
    classes: int = CLASSES,
    on_step: Callable[[], bool] | None = None,
) -> torch.Tensor:
    """The nearest adversarial example found for each sample, within eps.

    x        (n, *shape), in the data's own units, on the model's device and in its float type
    y        (n,) true labels
    steps    gradients a sample in all
    classes  wrong classes whose edges are compared at the start, the likeliest first
    on_step  asked before every step; True ends the attack with the nearest found so far
    returns  (n, *shape) each inside ball and bounds and misread; a sample for which none was found, or that
             is misread as it is, comes back unchanged

    Draws nothing from ``rng``. Cost: at most steps + classes - 1 forwards and backwards a sample, and
    about 18 forwards.
    """
    if steps < 1 or classes < 1:
        raise AncileError(
            "an attack of no steps or classes",
            value=f"steps={steps}, classes={classes}",
            remedy="give 1 or more of each",
        )
    if not len(x) or constraint.ball(x[:1]).still:
        return x.clone()
    room = Room.of(x, constraint)
    search = _Search(model, room, y, Nearest.of(room), on_step)
    if constraint.norm == "l0":
        _few(search, steps)
    else:
        _shrink(search, steps, classes)
    return settled(model, x, y, constraint, room, search.found)


def _shrink(search: _Search, steps: int, classes: int) -> None:
    """A run from the sample and one from the middle, and a third from the nearer of what they found."""
    model, room, y, found, _ = search
    first, second = (max(1, round(steps * share)) for share in PARTS)
    start = torch.zeros_like(room.least)
    if not _run(search, start, torch.arange(len(y), device=y.device), first, classes=classes):
        return
    place = (found.distance > 0).nonzero().squeeze(1)
    far, wanted = _from_afar(search, place)
    if wanted.any() and not _run(search, far[wanted], place[wanted], second):
        return
    place = (found.distance.isfinite() & (found.distance > 0)).nonzero().squeeze(1)
    if len(place) and steps > first + second:
        if not _run(search, found.change[place], place, steps - first - second, fine=True):
            return
        part, change = room.take(place), found.change[place]
        change = shortened(model, part, y[place], change, rounds=POLISH, least=SHORT)
        found.judge(change, torch.ones_like(place, dtype=torch.bool), part.length(change), place)


def _from_afar(search: _Search, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Changes at the edge of the class on the way to the middle of the range; the middle where that is right.

    With (m,) whether a run from there is worth its steps: nothing was found, or it is not much farther. The
    first alone in L1, where a change of all features is far from the best one of a few.
    """
    model, whole, _, found, _ = search
    room, y = whole.take(place), search.y[place]
    far, seen = (room.least + room.most) / 2, found.distance[place]
    fooled = misread(model.logits(room.point(far)), y)
    if room.norm == "l1":
        fooled = fooled & seen.isinf()
    if fooled.any():
        far[fooled] = shortened(model, room.take(fooled), y[fooled], far[fooled], rounds=ROUNDS)
    return far, seen.isinf() | (fooled & (room.length(far) < FAR * seen))


def _run(
    search: _Search,
    change: torch.Tensor,
    place: torch.Tensor,
    steps: int,
    *,
    classes: int = 0,
    fine: bool = False,
) -> bool:
    """Steps for the samples at ``place`` from these changes; False when told to stop.

    classes  head for the nearest of so many until the end; 0 for the likeliest in each step
    fine     the radius and point are nearly right, steps begin at half their length
    """
    model, whole, _, found, on_step = search
    fades = FINE if fine else SCOUT
    room, y = whole.take(place), search.y[place]
    radius, most = room.length(change), room.farthest()
    goal: torch.Tensor | None = None
    sparse = radius.new_full((len(radius),), radii.SPARSE * change.shape[1])
    for step in range(steps):
        if on_step is not None and on_step():
            return False
        if classes and step == 0:
            value, fooled, slope, goal = radii.aimed(model, room, change, y, classes)
        else:
            value, fooled, slope = value_and_slope(model, room, change, y, goal)
        length = room.length(change)
        found.judge(change, fooled, length, place)
        if classes and step == 0 and fooled.any():
            stay = ~fooled
            goal = None if goal is None else goal[stay]
            place, room, y, radius, most, sparse = (
                place[stay], room.take(stay), y[stay], radius[stay], most[stay], sparse[stay],
            )  # fmt: skip
            change, value, slope, fooled, length = (
                change[stay], value[stay], slope[stay], fooled[stay], length[stay],
            )  # fmt: skip
            if not len(place):
                return True
        cosine = (1 + math.cos(math.pi * step / steps)) / 2
        fade = fades[1] + (fades[0] - fades[1]) * cosine
        best = found.distance[place]
        ahead = torch.maximum(OVERSHOOT * (length + radii.reach(room, value, slope)), radius * GROWTH)
        radius = torch.where(
            fooled,
            torch.minimum(radius, best) * (1 - GAMMA * fade),
            torch.where(best.isfinite(), torch.minimum(radius * (1 + GAMMA * fade), best), ahead),
        )
        radius = torch.minimum(radius, most)
        change = radii.moved(room, change, slope, radius, fade, sparse)
        sparse = (change != 0).sum(dim=1) * radii.SPARSE
    found.judge(change, misread(model.logits(room.point(change)), y), room.length(change), place)
    return True


def _few(search: _Search, steps: int) -> None:
    """A run that begins with a single feature and one with a quarter of all; then the idle are put back."""
    model, room, y, found, on_step = search
    worth = torch.zeros_like(room.places(room.least))
    half = max(1, steps // 2)
    place = torch.arange(len(y), device=y.device)
    for first, share in ((1.0, half), (worth.shape[1] / 4, steps - half)):
        if not len(place) or not share:
            break
        if not few.search(
            model, room.take(place), y[place], place, found, worth, first=first, steps=share, on_step=on_step
        ):
            return
        place = (found.distance > 1).nonzero().squeeze(1)
    place = (found.distance.isfinite() & (found.distance > 1)).nonzero().squeeze(1)
    if len(place):
        part = room.take(place)
        change = few.thinned(model, part, y[place], found.change[place], worth[place], rounds=POLISH)
        found.judge(change, torch.ones_like(place, dtype=torch.bool), part.length(change), place)
