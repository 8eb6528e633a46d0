"""Robust accuracy at a ladder of eps: how the figure falls, and whether a large eps reaches zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.assess.measures import robust_accuracy
from ancile.assess.plan import Step
from ancile.assess.run import BATCH, Samples, predicted, step_seed, wrong
from ancile.attacks.launch import launch
from ancile.attacks.streams import Streams
from ancile.core.measure import Bound
from ancile.numeric import np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ancile.attacks.constraint import Constraint
    from ancile.models.model import Model

LADDER = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # of the eps asked for
SAMPLES = 200  # of the drawn ones: about 7 points either way, enough to see a shape


class Rung(NamedTuple):
    """Robust accuracy at one eps."""

    eps: float
    bound: Bound


def climb(
    model: Model,
    samples: Samples,
    constraint: Constraint,
    step: Step,
    *,
    seed: int,
    correct: NDArray[np.bool_],
    broken: NDArray[np.bool_],
    stop: Callable[[], bool],
) -> tuple[Rung, ...]:
    """The rungs of the ladder on the first samples; a sample broken at a smaller eps stays broken.

    broken  (n,) what the whole plan broke at the eps asked for
    Ends early, with the rungs that are whole, when ``stop`` says so or on Ctrl-C.
    """
    few = slice(0, min(SAMPLES, len(samples.y)))
    standing = correct[few].copy()
    rungs = [Rung(0.0, robust_accuracy(standing, {"eps": 0.0}))]
    try:
        for place, factor in enumerate(LADDER):
            eps = factor * constraint.eps
            if eps == 0 or (constraint.norm == "linf" and eps > constraint.reach):
                break
            chosen = np.flatnonzero(standing)
            for start in range(0, len(chosen), BATCH):
                part = chosen[start : start + BATCH]
                streams = Streams(step_seed(seed, -1 - place), samples.ids[part])
                ball = constraint.at(eps)
                found = launch(
                    step.attack,
                    model,
                    samples.x[part],
                    samples.y[part],
                    ball,
                    streams,
                    settings=dict(step.settings),
                    stop=stop,
                )
                hit = wrong(predicted(model, found), samples.y[part]) & ball.holds(found, samples.x[part])
                standing[part[hit]] = False
            if stop():
                break
            if factor >= 1:
                standing &= ~broken[few]
            rungs.append(Rung(eps, robust_accuracy(standing, {"eps": eps})))
    except KeyboardInterrupt:
        pass
    return tuple(rungs)
