"""A small network taught on a model's answers, and climbed on in its place: what fools it may fool the model.

Practical black-box attacks (Papernot et al., AsiaCCS 2017, arXiv:1602.02697), with climbs for the
augmentation: each round the student learns what the model says to the points that fooled the student. One
learns answers alone, since a model may lend scores whose slopes are not those of what it decides; another
learns the scores, where votes or ranks tell more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ancile.assess.run import BATCH, Job, State, predicted, step_seed
from ancile.attacks.losses import ranked, towards
from ancile.attacks.starts import corner_start, random_start
from ancile.attacks.streams import Streams
from ancile.core.extras import needs
from ancile.core.strength import Effort
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from ancile.assess.strike import Found
    from ancile.attacks.ball import Ball
else:
    torch = needs("torch", "torch")

ROUNDS: dict[Effort, int] = {"quick": 4, "standard": 12, "thorough": 30}
FARS = (0.5, 1.0, 2.0, 3.0)  # of eps: how far off the first points lie
AROUND = 16  # points a sample at each of these distances, half of them in corners
LARGEST_BYTES = 192 << 20  # of all points, half of them from around the samples; larger ones are not learnt
WIDTH, RATE, DRAWN = 128, 2e-3, 256  # of the two hidden layers; of Adam; samples for each of its steps
SMALL = 2.0  # times the spread of all features: with smaller inputs it is smoother
FIRST_EPOCHS, EPOCHS = 20, 5
STEPS, FIRST_STEP = 12, 0.3  # of a climb on the student; of eps


class Climb(NamedTuple):
    """One climb of a round: so far, in eps, towards the class of this rank."""

    far: float
    rank: int


CLIMBS = (Climb(1.0, 0), Climb(1.5, 0), Climb(1.0, 0), Climb(1.5, 1))  # beyond eps one learns, and no more


def taught(job: Job, state: State, *, effort: Effort, pupil: int = 0) -> Found:
    """A search that learns from the samples of the job and from what was found for them so far.

    pupil  tells one student from another: each begins with other weights and hears of other points; those of
           odd number learn scores, the others answers
    """
    seed = step_seed(job.seed, -160 - pupil)

    def found(x: NDArray[np.float32], y: NDArray[np.int64], streams: Streams) -> NDArray[np.float32]:
        if x.nbytes * len(CLIMBS) * 2 > LARGEST_BYTES:
            return x.copy()
        student = _Student(job, torch.Generator().manual_seed(seed >> 1), soft=bool(pupil % 2))
        some = slice(0, min(BATCH, 1 + LARGEST_BYTES // (len(FARS) * AROUND * job.samples.x[0].nbytes)))
        student.hear(job.samples.x[some])
        student.hear(state.x_adv[some])
        for points in _neighbours(job, job.samples.x[some], Streams(seed, job.samples.ids[some])):
            if student.share_of_room > 0.5:
                break
            student.hear(points)
        search = _Search(job, student, x.copy(), np.ones(len(x), dtype=np.bool_))
        for rounds in range(ROUNDS[effort]):
            if job.stop() or not search.stands.any() or not student.told or student.share_of_room > 1:
                break
            student.learn(EPOCHS if rounds else FIRST_EPOCHS)
            for place, climb in enumerate(CLIMBS):
                search.climb(x, y, streams, climb, place=rounds * len(CLIMBS) + place)
        return search.found

    return found


def _neighbours(job: Job, x: NDArray[np.float32], streams: Streams) -> Iterator[NDArray[np.float32]]:
    """Points around the samples, of several balls and their corners."""
    inputs = torch.from_numpy(x)
    for far in FARS:
        ball = _ball(job, inputs, far)
        for step in range(AROUND // 2):
            for start in (random_start, corner_start):
                yield start(ball, streams, step=step, purpose=f"student-{far}").numpy()


def _ball(job: Job, x: torch.Tensor, far: float) -> Ball[torch.Tensor]:
    eps = far * job.constraint.eps
    return job.constraint.at(min(eps, job.constraint.reach) if job.constraint.norm == "linf" else eps).ball(x)


@dataclass
class _Search:
    """Points of the samples that the model misreads, and which samples stand."""

    job: Job
    student: _Student
    found: NDArray[np.float32]
    stands: NDArray[np.bool_]

    def climb(
        self, x: NDArray[np.float32], y: NDArray[np.int64], streams: Streams, how: Climb, *, place: int
    ) -> None:
        """Climb on the student, ask the model about where that ends and about a point on the way there."""
        rows = np.flatnonzero(self.stands)
        if not len(rows):
            return
        inputs, drawn = torch.from_numpy(x[rows]), streams.take(rows)
        at = self.student.climbed(
            _ball(self.job, inputs, how.far), torch.from_numpy(y[rows]), drawn, how, place
        )
        answers = self.student.hear(at.numpy())
        share = torch.from_numpy(drawn.uniform("student-way", 1, step=place)).to(at)
        self.student.hear((inputs + share.reshape(-1, *(1,) * (at.ndim - 1)) * (at - inputs)).numpy())
        if how.far > 1:
            return
        fooled = (answers >= 0) & (answers != y[rows])
        self.found[rows] = at.numpy()
        self.stands[rows[fooled]] = False


@dataclass
class _Student:
    """A network of two hidden layers, and what it has heard so far."""

    job: Job
    random: torch.Generator
    soft: bool
    points: list[NDArray[np.float32]] = field(default_factory=list)
    shares: list[NDArray[np.float32]] = field(default_factory=list)
    weights: list[torch.Tensor] = field(default_factory=list)

    @property
    def share_of_room(self) -> float:
        """What it has heard, as a share of what it may keep."""
        return sum(one.nbytes for one in self.points) / LARGEST_BYTES

    @property
    def told(self) -> bool:
        """Whether there is anything to learn: some answers, and not all the same."""
        return any(map(len, self.shares)) and bool(np.concatenate(self.shares).std(axis=0).any())

    def hear(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """(n,) what the model answers; -1 where it gives none, of which nothing is learnt."""
        scores = predicted(self.job.model, x)
        finite = np.isfinite(scores).all(axis=1)
        answers = np.where(finite, scores.argmax(axis=1), -1)
        self.points.append(x.reshape(len(x), -1)[finite])
        self.shares.append(self._shares(scores[finite]))
        return answers

    def _shares(self, scores: NDArray[np.float64]) -> NDArray[np.float32]:
        """(n, classes) what it is to learn of these scores."""
        if not self.soft:
            return np.asarray(np.eye(scores.shape[1], dtype=np.float32)[scores.argmax(axis=1)])
        if self.job.model.traits.output != "probabilities":
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """(n, classes) its own."""
        centre, scale, *layers = self.weights
        h = (x.flatten(1) - centre) / scale
        for place in range(0, len(layers), 2):
            h = h @ layers[place] + layers[place + 1]
            h = torch.nn.functional.gelu(h) if place + 2 < len(layers) else h
        return h

    def learn(self, epochs: int) -> None:
        """So many times through all that it has heard."""
        x, y = (torch.from_numpy(np.concatenate(one)) for one in (self.points, self.shares))
        if not self.weights:
            self._begin(x)
        layers = self.weights[2:]
        adam = torch.optim.Adam(layers, lr=RATE)
        for _ in range(epochs):
            if self.job.stop():
                return
            for part in torch.split(torch.randperm(len(x), generator=self.random), DRAWN):
                with torch.enable_grad():
                    loss = torch.nn.functional.cross_entropy(self.logits(x[part]), y[part])
                    slopes = torch.autograd.grad(loss, layers)
                for layer, slope in zip(layers, slopes, strict=True):
                    layer.grad = slope
                adam.step()

    def _begin(self, x: torch.Tensor) -> None:
        """Weights as small as layers begin with elsewhere: a student that is smooth goes further astray."""
        unit = np.broadcast_to(self.job.constraint.unit, self.job.samples.x.shape[1:]).reshape(-1)
        scale = torch.from_numpy(np.where(unit > 0, unit, 1.0)).to(x)
        spread = (x / scale).std(dim=0).square().mean().sqrt().clamp_min(torch.finfo(x.dtype).tiny)
        self.weights = [x.mean(dim=0), scale * (SMALL * spread)]
        sizes = (x.shape[1], WIDTH, WIDTH, self.job.model.traits.classes)
        for wide, narrow in itertools.pairwise(sizes):
            for shape in ((wide, narrow), (narrow,)):
                drawn = (2 * torch.rand(shape, generator=self.random) - 1) / wide**0.5
                self.weights.append(drawn.requires_grad_())

    def climbed(
        self, ball: Ball[torch.Tensor], y: torch.Tensor, streams: Streams, how: Climb, place: int
    ) -> torch.Tensor:
        """Where climbs on the student end, inside the ball."""
        at = random_start(ball, streams, step=place, purpose="student-climb")
        with torch.no_grad():
            others = ranked(self.logits(ball.around), y)
        aim = others[:, min(how.rank, others.shape[1] - 1)]
        for step in range(STEPS):
            with torch.enable_grad():
                leaf = at.detach().clone().requires_grad_()
                logits = self.logits(leaf)
                (gradient,) = torch.autograd.grad(_raised(logits, y, aim, how).sum(), leaf)
            left = 1.0 - step / STEPS
            at = ball.step_(at, gradient, FIRST_STEP * ball.eps * left, left=left)
        return ball.project(at)


def _raised(logits: torch.Tensor, y: torch.Tensor, aim: torch.Tensor, how: Climb) -> torch.Tensor:
    """(n,) the likeliest wrong class at every step, or the one that was aimed at."""
    return towards(logits, y, aim if how.rank else ranked(logits, y)[:, 0])
