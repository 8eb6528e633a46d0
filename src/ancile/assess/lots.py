"""Climbs on what a model that draws lots does on average, to the points that mislead most of its passes.

Expectation over transformation (Athalye et al., ICML 2018, arXiv:1802.00420, section 4.2): every step follows
the mean gradient of several passes. Several climbs, since none is best everywhere: on the mean margin, on
that of the passes that are near to another answer, and on the mean cross entropy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from ancile.assess.passes import HALF, SURE, rights
from ancile.assess.run import BATCH, UNBROKEN, Effect, Job, State, predicted, spending, step_seed
from ancile.attacks.ball import features, per_sample
from ancile.attacks.losses import cross_entropy, margin
from ancile.attacks.starts import random_start
from ancile.attacks.streams import Streams
from ancile.core.extras import needs
from ancile.core.strength import Effort
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from ancile.models.model import GradientModel, Loss
else:
    torch = needs("torch", "torch")

MEMORY = 0.75  # of the heading that is kept from step to step
FIRST = 0.5  # of eps: the first step, the last is nearly 0
JUDGED = 16  # passes by which two points are compared
ASKED = 8  # samples that a network is asked about twice, to see whether it draws lots at all


class Course(NamedTuple):
    """One climb: what it raises in each pass, and where it begins."""

    raised: Literal["margin", "near", "ce"]
    start: Literal["sample", "random", "best"]


class Plan(NamedTuple):
    """So many steps, each along the gradients of so many passes, on every course."""

    steps: int
    draws: int
    courses: tuple[Course, ...]


FIRST_TWO = (Course("margin", "sample"), Course("near", "random"))
ALL = (*FIRST_TWO, Course("ce", "random"), Course("near", "best"))
PLANS: dict[Effort, Plan] = {
    "quick": Plan(30, 6, FIRST_TWO),
    "standard": Plan(40, 8, ALL),
    "thorough": Plan(100, 20, (*ALL, *ALL[1:])),
}


class Ground(NamedTuple):
    """What is climbed on, as reports call it: the model itself, or another form of it.

    lots  whether the model draws lots; else a single pass of it is the whole truth
    """

    name: str
    search: GradientModel
    lots: bool


@dataclass
class _Worst:
    """The points that mislead most passes so far: ``share`` of them is still right."""

    x: NDArray[np.float32]
    share: NDArray[np.float64]

    def keep(self, places: NDArray[np.intp], x: NDArray[np.float32], share: NDArray[np.float64]) -> None:
        """Take of these what misleads more."""
        better = share < self.share[places]
        self.x[places[better]], self.share[places[better]] = x[better], share[better]


def misled(job: Job, state: State, rows: NDArray[np.intp], on: Ground, *, effort: Effort) -> None:
    """Put in place of what was found for these samples what misleads more passes of ``job.model``."""
    effect = Effect(name=f"doubt: {on.name}", blind=False, tried=len(rows))
    state.log.append(effect)
    with spending(job, effect):
        for start in range(0, len(rows), BATCH):
            _misled(job, state, rows[start : start + BATCH], on, PLANS[effort])


def _misled(job: Job, state: State, rows: NDArray[np.intp], on: Ground, plan: Plan) -> None:
    judged = JUDGED if on.lots else 1
    drawn = on.lots and not _steady(on.search, job.samples.x[rows[:ASKED]])
    around, y = job.samples.x[rows], job.samples.y[rows]
    worst = _Worst(state.x_adv[rows], rights(job.model, state.x_adv[rows], y, passes=judged).mean(axis=0))
    for place, course in enumerate(plan.courses):
        # In company that changes a sample is another one: there all climb together
        left = np.flatnonzero(worst.share > HALF) if on.lots else np.arange(len(rows))
        if not len(left) or job.stop():
            break
        begin = worst.x if course.start == "best" else around
        streams = Streams(step_seed(job.seed, -130 - place), job.samples.ids[rows[left]])
        climb = _Climb(job, on.search, plan.steps, plan.draws if drawn else 1)
        got = climb.on(course, around[left], y[left], begin[left], streams)
        share = rights(job.model, got, y[left], passes=judged).mean(axis=0)
        worst.keep(left, got, np.where(job.constraint.holds(got, around[left]), share, np.inf))
    _claim(job, state, rows, worst)


def _claim(job: Job, state: State, rows: NDArray[np.intp], worst: _Worst) -> None:
    """Take over what misleads: by what was broken before and is now done better, it stays put down."""
    new = worst.share < SURE
    state.x_adv[rows[new]] = worst.x[new]
    if new.any():
        state.scores[rows[new]] = predicted(job.model, worst.x[new])
    fresh = rows[new & (state.broken_by[rows] == UNBROKEN)]
    state.broken_by[fresh] = len(state.log) - 1


class _Climb(NamedTuple):
    job: Job
    search: GradientModel
    steps: int
    draws: int

    def on(
        self,
        course: Course,
        around: NDArray[np.float32],
        y: NDArray[np.int64],
        begin: NDArray[np.float32],
        streams: Streams,
    ) -> NDArray[np.float32]:
        """Where the course ends: steps shrink as a half cosine, which averages the last of them."""
        job, search = self.job, self.search
        inputs, at = (
            torch.from_numpy(one).to(device=search.device, dtype=search.dtype) for one in (around, begin)
        )
        labels, ball = torch.from_numpy(y).to(search.device), job.constraint.ball(inputs)
        at = random_start(ball, streams, purpose="lots-random") if course.start == "random" else at.clone()
        heading, scale = torch.zeros_like(at), torch.zeros(len(at), dtype=at.dtype, device=at.device)
        for step in range(self.steps):
            if job.stop():
                break
            slope, scale = self._slope(course, at, labels, scale)
            heading = MEMORY * heading + _evened(slope)
            left = 1.0 - step / self.steps
            size = FIRST * ball.eps * 0.5 * (1.0 + math.cos(math.pi * (1.0 - left)))
            at = ball.step_(at, heading, size, left=left)
        return job.constraint.project(at.cpu().numpy().astype(np.float32), around)

    def _slope(
        self, course: Course, at: torch.Tensor, labels: torch.Tensor, scale: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean gradient of some passes, and the mean size (n,) of their margins."""
        raised = _raised(course, labels, scale)
        total, sizes = torch.zeros_like(at), torch.zeros_like(scale)
        for _ in range(self.draws):
            logits, gradient = self.search.gradient(at, raised)
            total += gradient.nan_to_num(0.0, 0.0, 0.0)
            sizes += margin(logits, labels).abs().to(sizes).nan_to_num(0.0, 0.0, 0.0)
        return total / self.draws, sizes / self.draws


def _raised(course: Course, labels: torch.Tensor, scale: torch.Tensor) -> Loss:
    """What is raised in each pass: near, those count that lie within the margins of the step before."""
    if course.raised == "ce":
        return lambda logits: cross_entropy(logits, labels).sum()
    if course.raised == "margin" or not bool((scale > 0).all()):
        return lambda logits: margin(logits, labels).sum()
    return lambda logits: torch.tanh(margin(logits, labels) / scale.to(logits)).sum()


def _evened(gradient: torch.Tensor) -> torch.Tensor:
    """With a mean size of 1 in each sample, so that the heading adds up directions, not slopes."""
    size = features(gradient).abs().mean(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
    return gradient / per_sample(size, gradient)


def _steady(search: GradientModel, x: NDArray[np.float32]) -> bool:
    """Whether two passes agree: another form of a network may draw no lots."""
    inputs = torch.from_numpy(x).to(device=search.device, dtype=search.dtype)
    return bool(torch.equal(search.logits(inputs), search.logits(inputs)))
