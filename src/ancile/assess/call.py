"""``ancile.assess(model, x, y, …)``: the command's public function, for notebooks and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ancile.assess.ball import ball_in
from ancile.assess.evasion import Context, Settings, assess_evasion
from ancile.assess.run import Samples
from ancile.attacks.asked import array_of, bounds_of, number_of, whole_of
from ancile.core.budget import Budget, seconds_of
from ancile.core.errors import AncileError
from ancile.core.report import Report
from ancile.core.strength import Effort
from ancile.core.subject import Subject, digest_of
from ancile.inputs.dataset import REMEDY, Dataset, assemble
from ancile.inputs.values import Bounds
from ancile.models.in_process import model_here

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
    samples  how many are drawn; None or 0 for all
    bounds   low and high of every input value; without it they follow from the data, and the report says so
    budget   a duration such as ``10m``
    """
    wanted, seed = whole_of("samples", samples or 0) or None, whole_of("seed", seed)
    held = _held(x, y, bounds)
    constraint = ball_in(held, norm=norm, eps=number_of("eps", eps), in_ranges=False, wide="bounds=(0, 255)")
    drawn = held.draw(wanted, seed=seed)
    names = held.classes or ()
    opened = model_here(model, held.x[:64], classes=max(len(names), int(held.y.max()) + 1), names=names)
    return assess_evasion(
        opened.model,
        Samples(drawn.rows, drawn.x, drawn.y),
        constraint,
        settings=Settings(
            effort=effort, seed=seed, budget=Budget(seconds=seconds_of(str(budget)) if budget else None)
        ),
        context=Context(
            subject=opened.subject,
            data=held.subject,
            available=len(held),
            classes=held.classes or (),
            parameters={"data_notes": list(held.notes)} if held.notes else {},
            doubts=held.doubts,
        ),
    ).report


def _held(x: ArrayLike, y: ArrayLike, bounds: tuple[float, float] | None) -> Dataset:
    """The data as ``ancile assess`` opens a file with them; faults are those of the arguments."""
    inputs, labels = array_of(x), array_of(y)
    data = Subject(kind="dataset", name="x, y", digest=digest_of(inputs.tobytes() + labels.tobytes()))
    edges = Bounds(*map(float, bounds_of(bounds, single=True))) if bounds is not None else None
    try:
        return assemble(data, x=inputs, y=labels, bounds=edges)
    except AncileError as fault:
        remedy = "mend these in x and y, or give other bounds" if fault.remedy == REMEDY else fault.remedy
        raise AncileError(fault.what, value=fault.value, remedy=remedy) from None
