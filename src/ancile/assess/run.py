"""The attacks of a plan on the samples that still stand, each claim confirmed on a fresh pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ancile.assess.plan import Step
from ancile.attacks.launch import launch
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.assess.watch import Watched
    from ancile.attacks.constraint import Constraint
    from ancile.models.model import Model, Usage

BATCH = 250  # samples a call: the unit in which a budget is looked at and a run is saved
FAULTS = 3  # batches on which a model may raise before the run ends
UNBROKEN = -1  # in ``State.broken_by``: no attack has broken this sample


@dataclass(kw_only=True)
class State:
    """How far a run is: enough to go on from, and nothing that cannot be checked again.

    x_adv       (n, *shape) the adversarial example where one was found, else the sample itself
    scores      (n, classes) of that example when it was confirmed, NaN where there is none
    broken_by   (n,) place in the plan of the attack that broke it, ``UNBROKEN`` where none has
    next_step   first step of the plan that is not finished
    next_batch  first batch of that step that is not finished
    costs       a step's place to what it took
    faults      what the model raised, one a batch that was given up
    """

    x_adv: NDArray[np.float32]
    scores: NDArray[np.float64]
    broken_by: NDArray[np.int64]
    next_step: int = 0
    next_batch: int = 0
    costs: dict[int, StepCost] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def fresh(cls, x: NDArray[np.float32], classes: int) -> State:
        """Nothing done yet."""
        unknown = np.full((len(x), classes), np.nan)
        return cls(x_adv=x.copy(), scores=unknown, broken_by=np.full(len(x), UNBROKEN, dtype=np.int64))


@dataclass(kw_only=True)
class StepCost:
    """What one step of the plan took, and on how many samples it was tried."""

    tried: int = 0
    forwards: int = 0
    backwards: int = 0
    queries: int = 0
    cpu_seconds: float = 0.0
    moved: int = 0
    unconfirmed: int = 0
    not_finite: int = 0


class Samples(NamedTuple):
    """What is attacked; ids name rows of the data set, and draws depend on them, not on the sampling."""

    ids: NDArray[np.int64]
    x: NDArray[np.float32]
    y: NDArray[np.int64]


class Job(NamedTuple):
    """What stays the same throughout a run.

    stop     asked between steps of an attack: whether time or queries are spent
    cpu      seconds so far
    settled  told after every batch
    """

    model: Watched
    samples: Samples
    constraint: Constraint
    plan: tuple[Step, ...]
    seed: int
    stop: Callable[[], bool]
    cpu: Callable[[], float]
    settled: Callable[[State], None]


def predicted(model: Model, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores (n, classes) batch by batch; a model that answers in another shape is refused."""
    parts = [np.asarray(model.scores(part), dtype=np.float64) for part in _batches(x)]
    scores = np.concatenate(parts)
    if scores.shape != (len(x), model.traits.classes):
        raise AncileError(
            "the model answers in another shape than it declared",
            value=f"{scores.shape} for {len(x)} samples and {model.traits.classes} classes",
            remedy="return one row of scores for each sample",
        )
    return scores


def _batches(x: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(x), BATCH):
        yield x[start : start + BATCH]


def wrong(scores: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where the model decides for another class; scores that are not finite decide nothing."""
    return np.asarray(np.isfinite(scores).all(axis=1) & (scores.argmax(axis=1) != y))


def attack_plan(job: Job, state: State, correct: NDArray[np.bool_]) -> bool:
    """Run what is left of the plan on what still stands, updating ``state``; True when all of it was done.

    Ctrl-C and ``job.stop`` end the run between steps of an attack; what was found until then is kept. A model
    that raises costs the batch that it raised on; after ``FAULTS`` of them the run ends.
    """
    n = len(job.samples.y)
    try:
        while state.next_step < len(job.plan):
            standing = np.flatnonzero(correct & (state.broken_by == UNBROKEN))
            for start in range(state.next_batch * BATCH, n, BATCH):
                chosen = standing[(standing >= start) & (standing < start + BATCH)]
                try:
                    _attack_batch(job, state, chosen)
                except AncileError as fault:
                    state.faults.append(plain(str(fault)))
                if job.stop() or len(state.faults) >= FAULTS:
                    return False
                state.next_batch += 1
                job.settled(state)
            state.next_step, state.next_batch = state.next_step + 1, 0
    except KeyboardInterrupt:
        return False
    return True


def _attack_batch(job: Job, state: State, chosen: NDArray[np.intp]) -> None:
    if not len(chosen):
        return
    one, model = job.plan[state.next_step], job.model
    cost = state.costs.setdefault(state.next_step, StepCost())
    before, cpu, bad = _usage(model.usage), job.cpu(), model.not_finite
    x, y = job.samples.x[chosen], job.samples.y[chosen]
    streams = Streams(step_seed(job.seed, state.next_step), job.samples.ids[chosen])
    settings = dict(one.settings)
    found = launch(one.attack, model, x, y, job.constraint, streams, settings=settings, stop=job.stop)
    scores = predicted(model, found)
    claimed = wrong(scores, y)
    kept = claimed & job.constraint.holds(found, x)
    state.x_adv[chosen[kept]] = found[kept]
    state.scores[chosen[kept]] = scores[kept]
    state.broken_by[chosen[kept]] = state.next_step
    after = _usage(model.usage)
    cost.tried += len(chosen)
    cost.forwards += after[0] - before[0]
    cost.backwards += after[1] - before[1]
    cost.queries += after[2] - before[2]
    cost.cpu_seconds += job.cpu() - cpu
    cost.moved += int((found != x).reshape(len(x), -1).any(axis=1).sum())
    cost.not_finite += model.not_finite - bad
    cost.unconfirmed += int((claimed & ~kept).sum())


def step_seed(seed: int, place: int) -> int:
    """A seed of 64 bits for a step of the plan, so that two steps of one attack draw different starts."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{place}".encode()).digest()[:8], "little")


def _usage(usage: Usage) -> tuple[int, int, int]:
    return usage.forwards, usage.backwards, usage.queries
