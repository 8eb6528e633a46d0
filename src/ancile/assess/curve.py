"""How the figure falls as the attacker may go farther: by minimal distances, or by attacks at each eps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.assess.measures import CONFIDENCE, robust_accuracy
from ancile.assess.plan import Step
from ancile.assess.run import BATCH, Effect, Job, Samples, State, predicted, step_seed, wrong
from ancile.assess.strike import broken, farthest
from ancile.attacks.launch import launch
from ancile.attacks.streams import Streams
from ancile.core.measure import Bound
from ancile.measure.intervals import median_interval
from ancile.numeric import np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ancile.assess.result import Result
    from ancile.attacks.constraint import Constraint
    from ancile.core.strength import Effort
    from ancile.models.model import Model

LADDER = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # of the eps asked for
SHORT = 1 - 1e-6  # a smaller change stays within its ball when it is rounded
SAMPLES = 200  # of the drawn ones, for a curve of attacks: about 7 points either way, enough to see a shape
MEASURED: dict[Effort, int] = {
    "quick": 100,
    "standard": 400,
    "thorough": 1000,
}  # get a distance


class Rung(NamedTuple):
    """Robust accuracy at one eps."""

    eps: float
    bound: Bound


class Near(NamedTuple):
    """The nearest examples found for the first of the samples that the model gets right.

    few       so many of the drawn samples
    distance  (few,) in units of the constraint; 0 where the sample is misread as it is, infinite where no
              example was found
    """

    few: int
    distance: NDArray[np.float64]


def nearest(job: Job, state: State, right: NDArray[np.bool_], effort: Effort) -> Near:
    """One search for the nearest example of each sample; what lies within eps is broken in ``state``.

    Fast minimum-norm attack, Pintor et al. 2021, arXiv:2102.12827; and whatever broke the sample before.
    """
    few = min(MEASURED[effort], len(right))
    rows, constraint = np.flatnonzero(right[:few]), job.constraint
    far, least = constraint.at(farthest(job)), np.where(right[:few], np.inf, 0.0)

    def found(x: NDArray[np.float32], y: NDArray[np.int64], streams: Streams) -> NDArray[np.float32]:
        got = launch("fmn", job.model, x, y, far, streams, settings={}, stop=job.stop)
        misread = wrong(predicted(job.model, got), y) & far.holds(got, x)
        place = np.searchsorted(job.samples.ids[rows], streams.samples, sorter=order)
        least[rows[order[place]]] = np.where(misread, constraint.distance(got, x), np.inf)
        near = (misread & constraint.holds(got, x)).reshape((-1,) + (1,) * (x.ndim - 1))
        return np.where(near, got, x)  # what lies beyond eps is no claim

    order = np.argsort(job.samples.ids[rows], kind="stable")
    broken(job, state, Effect(name="nearest examples: fmn", blind=False), rows, found, place=-201)
    known = state.broken_by[:few] >= 0
    within = constraint.distance(state.x_adv[:few], job.samples.x[:few])
    return Near(few, np.where(known & right[:few], np.minimum(least, within), least))


def settled(near: Near, result: Result) -> Near:
    """With what was broken after the search: no distance is beyond that of an example that was found."""
    few, broken = near.few, result.broken[: near.few]
    least = np.minimum(near.distance, result.distances[:few])
    return Near(few, np.where(broken, least, near.distance))


def ladder(near: Near, constraint: Constraint, robust: NDArray[np.bool_]) -> tuple[Rung, ...]:
    """The rungs that the distances give; none lies above what stands at the eps asked for."""
    rungs = []
    for factor in (0.0, *LADDER):
        eps = factor * constraint.eps
        if constraint.norm == "linf" and eps > constraint.reach:
            break
        stands = near.distance > eps
        if factor >= 1:
            stands &= robust[: near.few]
        rungs.append(Rung(eps, robust_accuracy(stands, {"eps": eps})))
    return tuple(rungs)


def median_distance(near: Near, constraint: Constraint) -> Bound | None:
    """The median distance of the samples that the model gets right; None where it is infinite."""
    distance = np.sort(near.distance[near.distance > 0])
    if not len(distance):
        return None
    low, high = median_interval(len(distance), confidence=CONFIDENCE)
    value = float(np.median(distance))
    if not np.isfinite(distance[high]) or not np.isfinite(value):
        return None
    return Bound(
        name="median_distance",
        value=value,
        unit=f"{constraint.norm} distance",
        n=len(distance),
        low=float(distance[low]),
        high=float(distance[high]),
        confidence=CONFIDENCE,
        side="at_most",
        method="nearest example found for each sample that the model gets right, order statistics",
    )


def climb(
    model: Model,
    result: Result,
    step: Step,
    *,
    seed: int,
    stop: Callable[[], bool],
) -> tuple[Rung, ...]:
    """The rungs by an attack at each, for a model without gradients.

    Below the eps asked for only what was broken there is attacked, first by its example made smaller; above
    it only what stands. So no rung breaks what the figure says stands, and the curve costs about as much as
    one short attack. Ends early, with the rungs that are whole, when ``stop`` says so or on Ctrl-C.
    """
    samples, constraint = result.samples, result.constraint
    few = np.arange(len(samples.y)) < SAMPLES
    fallen = few & ~result.correct
    rungs = [_rung(0.0, fallen[few])]
    try:
        for place, factor in enumerate(LADDER):
            eps = factor * constraint.eps
            if eps == 0 or (constraint.norm == "linf" and eps > constraint.reach):
                break
            ball = constraint.at(eps)
            if factor < 1:
                _shrink(model, result, ball, factor, fallen, chosen=few & result.broken)
            else:
                fallen |= few & result.broken
            if factor != 1:
                aim = few & ~fallen & (result.broken if factor < 1 else ~result.broken)
                _attack(model, samples, ball, step, fallen, aim=aim, seed=seed, place=-1 - place, stop=stop)
            if stop():
                break
            rungs.append(_rung(eps, fallen[few]))
    except KeyboardInterrupt:
        pass
    return tuple(rungs)


def _rung(eps: float, fallen: NDArray[np.bool_]) -> Rung:
    return Rung(eps, robust_accuracy(~fallen, {"eps": eps}))


def _shrink(
    model: Model,
    result: Result,
    ball: Constraint,
    factor: float,
    fallen: NDArray[np.bool_],
    *,
    chosen: NDArray[np.bool_],
) -> None:
    """What falls to the same change made smaller."""
    rows = np.flatnonzero(chosen & ~fallen)
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        x, y = result.samples.x[part], result.samples.y[part]
        change = (result.x_adv[part] - x) * np.float32(factor * SHORT)
        found = (x + change).astype(x.dtype)
        fallen[part[wrong(predicted(model, found), y) & ball.holds(found, x)]] = True


def _attack(
    model: Model,
    samples: Samples,
    ball: Constraint,
    step: Step,
    fallen: NDArray[np.bool_],
    *,
    aim: NDArray[np.bool_],
    seed: int,
    place: int,
    stop: Callable[[], bool],
) -> None:
    """One rung: whoever falls is marked."""
    chosen = np.flatnonzero(aim)
    for start in range(0, len(chosen), BATCH):
        part = chosen[start : start + BATCH]
        x, y = samples.x[part], samples.y[part]
        streams = Streams(step_seed(seed, place), samples.ids[part])
        found = launch(step.attack, model, x, y, ball, streams, settings=dict(step.settings), stop=stop)
        fallen[part[wrong(predicted(model, found), y) & ball.holds(found, x)]] = True
