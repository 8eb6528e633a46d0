"""The attacks of a plan on the samples that still stand, each claim confirmed on a fresh pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ancile.assess.plan import Step
from ancile.attacks.launch import launch
from ancile.attacks.streams import Streams
from ancile.attacks.table import row
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.assess.watch import Watched
    from ancile.attacks.constraint import Constraint
    from ancile.models.model import Model

BATCH = 250  # samples a call: the unit in which a budget is looked at and a run is saved
FAULTS = 3  # batches on which a model may raise before the run ends
UNBROKEN = -1  # in ``State.broken_by``: no attack has broken this sample


@dataclass(kw_only=True)
class Effect:
    """What one attack, or one phase of a cascade, was tried on, did and took.

    blind      whether it asked for scores or labels alone
    set_aside  samples that stood and on which no effort was spent, since others were nearer to an error
    moved      samples that it changed
    """

    name: str
    blind: bool
    tried: int = 0
    set_aside: int = 0
    forwards: int = 0
    backwards: int = 0
    queries: int = 0
    cpu_seconds: float = 0.0
    moved: int = 0
    unconfirmed: int = 0
    not_finite: int = 0


@dataclass(kw_only=True)
class State:
    """How far a run is: enough to go on from, and nothing that cannot be checked again.

    x_adv       (n, *shape) the adversarial example where one was found, else the sample itself
    scores      (n, classes) of that example when it was confirmed, NaN where there is none
    broken_by   (n,) place in ``log`` of what broke it, ``UNBROKEN`` where nothing has
    log         what was done so far
    done        steps of the plan, or phases of the cascade, that are finished, of ``total``
    next_batch  first batch of the step under way that is not finished
    unresolved  (n,) samples that stand and that got no effort beyond what all got
    inner       what a cascade under way gave to be kept
    faults      what the model raised, one a batch that was given up
    """

    x_adv: NDArray[np.float32]
    scores: NDArray[np.float64]
    broken_by: NDArray[np.int64]
    unresolved: NDArray[np.bool_]
    log: list[Effect] = field(default_factory=list)
    done: int = 0
    total: int = 1
    next_batch: int = 0
    inner: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def fresh(cls, x: NDArray[np.float32], classes: int) -> State:
        """Nothing done yet."""
        return cls(
            x_adv=x.copy(),
            scores=np.full((len(x), classes), np.nan),
            broken_by=np.full(len(x), UNBROKEN, dtype=np.int64),
            unresolved=np.zeros(len(x), dtype=np.bool_),
        )


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
    """Scores (n, classes) batch by batch."""
    return np.concatenate([np.asarray(model.scores(part), dtype=np.float64) for part in _batches(x)])


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
    n, state.total = len(job.samples.y), len(job.plan)
    try:
        while state.done < len(job.plan):
            one = job.plan[state.done]
            if len(state.log) == state.done:
                state.log.append(Effect(name=one.name, blind=row(one.attack).needs != "gradients"))
            standing = np.flatnonzero(correct & (state.broken_by == UNBROKEN))
            for start in range(state.next_batch * BATCH, n, BATCH):
                chosen = standing[(standing >= start) & (standing < start + BATCH)]
                try:
                    attack_batch(job, state, one, chosen, place=state.done)
                except AncileError as fault:
                    state.faults.append(plain(str(fault)))
                if job.stop() or len(state.faults) >= FAULTS:
                    return False
                state.next_batch += 1
                job.settled(state)
            state.done, state.next_batch = state.done + 1, 0
    except KeyboardInterrupt:
        return False
    return True


def attack_batch(job: Job, state: State, one: Step, chosen: NDArray[np.intp], *, place: int) -> None:
    """One attack on these samples, what it did added to ``state.log[place]``."""
    if not len(chosen):
        return
    streams = Streams(step_seed(job.seed, place), job.samples.ids[chosen])
    x, y = job.samples.x[chosen], job.samples.y[chosen]
    with spending(job, state.log[place]):
        found = launch(
            one.attack, job.model, x, y, job.constraint, streams, settings=dict(one.settings), stop=job.stop
        )
        state.log[place].tried += len(chosen)
        confirm(job, state, chosen, found, place=place)


def confirm(
    job: Job, state: State, chosen: NDArray[np.intp], found: NDArray[np.float32], *, place: int
) -> NDArray[np.bool_]:
    """(len(chosen),) which candidates the model misreads on a fresh pass, inside ball and bounds.

    A sample that was broken before keeps the example that broke it, and what it is put down to.
    """
    x, y, effect = job.samples.x[chosen], job.samples.y[chosen], state.log[place]
    scores = predicted(job.model, found)
    claimed = wrong(scores, y)
    kept = claimed & job.constraint.holds(found, x)
    new = kept & (state.broken_by[chosen] == UNBROKEN)
    state.x_adv[chosen[new]] = found[new]
    state.scores[chosen[new]] = scores[new]
    state.broken_by[chosen[new]] = place
    effect.moved += int((found != x).reshape(len(x), -1).any(axis=1).sum())
    effect.unconfirmed += int((claimed & ~kept).sum())
    return kept


@contextmanager
def spending(job: Job, effect: Effect) -> Iterator[None]:
    """Put what runs inside down to this effect."""
    usage, cpu, bad = job.model.usage, job.cpu(), job.model.not_finite
    before = usage.forwards, usage.backwards, usage.queries
    try:
        yield
    finally:
        usage = job.model.usage
        effect.forwards += usage.forwards - before[0]
        effect.backwards += usage.backwards - before[1]
        effect.queries += usage.queries - before[2]
        effect.cpu_seconds += job.cpu() - cpu
        effect.not_finite += job.model.not_finite - bad


def step_seed(seed: int, place: int) -> int:
    """A seed of 64 bits for a step of the plan, so that two steps of one attack draw different starts."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{place}".encode()).digest()[:8], "little")
