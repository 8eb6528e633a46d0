"""One attack on some of the samples, after the plan: each claim is confirmed, and put down to the attack."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ancile.assess.plan import BY_LABELS, Step
from ancile.assess.run import BATCH, Effect, Job, State, confirm, spending, step_seed
from ancile.attacks.launch import launch
from ancile.attacks.streams import Streams
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Found = Callable[["NDArray[np.float32]", "NDArray[np.int64]", Streams], "NDArray[np.float32]"]


def strike(job: Job, state: State, one: Step, rows: NDArray[np.intp], *, place: int) -> int:
    """How many of these samples an attack of the table broke."""

    def found(x: NDArray[np.float32], y: NDArray[np.int64], streams: Streams) -> NDArray[np.float32]:
        settings = dict(one.settings)
        return launch(one.attack, job.model, x, y, job.constraint, streams, settings=settings, stop=job.stop)

    effect = Effect(name=one.name, blind=one.attack in ("square", *BY_LABELS.values()))
    return broken(job, state, effect, rows, found, place=place)


def broken(
    job: Job, state: State, effect: Effect, rows: NDArray[np.intp], found: Found, *, place: int
) -> int:
    """How many of these samples were broken; each is confirmed, and put down to this effect.

    place  tells its draws from those of other attacks
    """
    if not len(rows):
        return 0
    effect.name = f"doubt: {effect.name}"
    state.log.append(effect)
    broke = 0
    with spending(job, effect):
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            streams = Streams(step_seed(job.seed, place), job.samples.ids[part])
            got = found(job.samples.x[part], job.samples.y[part], streams)
            effect.tried += len(part)
            broke += int(confirm(job, state, part, got, place=len(state.log) - 1).sum())
    return broke


def farthest(job: Job) -> float:
    """An eps at which every point within the bounds is in the ball, for these samples."""
    constraint = job.constraint
    low, high = (
        np.broadcast_to(np.asarray(edge, dtype=np.float64), job.samples.x.shape[1:])
        for edge in (constraint.low, constraint.high)
    )
    span = (high - low).astype(np.float64)[None]
    if constraint.norm == "linf":
        return constraint.reach
    return float(constraint.distance(span, np.zeros_like(span))[0])
