"""``ancile.assess(model, x, y, …)``: the command's public function, for notebooks and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ancile.assess.evasion import Context, Settings, assess_evasion
from ancile.assess.run import Samples
from ancile.attacks.constraint import Constraint
from ancile.core.budget import Budget, seconds_of
from ancile.core.report import Report
from ancile.core.strength import Effort
from ancile.core.subject import Subject, digest_of
from ancile.inputs.dataset import assemble
from ancile.inputs.values import Bounds
from ancile.models.in_process import model_here
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def assess(
    model: object,
    x: ArrayLike,
    y: ArrayLike,
    *,
    eps: float,
    norm: Literal["linf", "l2", "l1", "l0"] = "linf",
    samples: int | None = None,
    seed: int = 0,
    effort: Effort = "standard",
    bounds: tuple[float, float] | None = None,
    budget: str | None = None,
) -> Report:
    """The report on a model of this process; unsigned, since model and attack share the process.

    model    a torch.nn.Module in eval mode, an estimator, a function from (n, *shape) to scores (n, classes)
             or to labels (n,), or anything with ``ancile.models.model.Model``; labels are whole numbers, or
             words as in ``y``, and such a model is attacked by its decisions alone
    x, y     (n, *shape) inputs, (n,) labels from 0 or words
    eps      largest change, in the units of ``x``
    samples  how many are drawn; None for all
    bounds   low and high of every input value; without it they follow from the data, and the report says so
    budget   a duration such as ``10m``
    """
    inputs, labels = np.asarray(x), np.asarray(y)
    data = Subject(kind="dataset", name="x, y", digest=digest_of(inputs.tobytes() + labels.tobytes()))
    held = assemble(data, x=inputs, y=labels, bounds=Bounds(*bounds) if bounds else None)
    drawn = held.draw(samples, seed=seed)
    names = held.classes or ()
    opened = model_here(model, held.x[:64], classes=max(len(names), int(held.y.max()) + 1), names=names)
    return assess_evasion(
        opened.model,
        Samples(drawn.rows, drawn.x, drawn.y),
        Constraint(norm=norm, eps=eps, low=held.low, high=held.high),
        settings=Settings(
            effort=effort, seed=seed, budget=Budget(seconds=seconds_of(budget) if budget else None)
        ),
        context=Context(
            subject=opened.subject,
            data=data,
            available=len(held),
            classes=held.classes or (),
            parameters={"data_notes": list(held.notes)} if held.notes else {},
            doubts=held.doubts,
        ),
    ).report
