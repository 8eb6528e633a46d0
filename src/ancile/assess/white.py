"""A model with gradients: the cascade, phase by phase, each claim confirmed on a fresh pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from ancile.assess.levels import levels_of
from ancile.assess.run import FAULTS, UNBROKEN, Effect, Job, State, confirm, spending, step_seed
from ancile.assess.strike import broken
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.models.form import Form, Precision
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.attacks.cascade import Cascade
    from ancile.core.strength import Effort
    from ancile.models.model import GradientModel

BLIND = ("scores",)  # kinds of phases that ask for no gradients


def attack_white(
    job: Job, state: State, correct: NDArray[np.bool_], *, effort: Effort, search: GradientModel, batch: int
) -> bool:
    """Run what is left of the cascade on the samples that the model gets right; True when all was done.

    search  the network in the form that it is searched in, so many samples at a time

    Stops and faults as ``attack_plan``; a phase that was cut short is done again.
    """
    needs("torch", "torch")
    from ancile.attacks.cascade import advance  # noqa: PLC0415 - an extra

    rows = np.flatnonzero(correct)
    if not len(rows) or job.constraint.eps == 0:
        return True
    run = _begun(job, state, rows, effort=effort, search=search, batch=batch)
    state.total = len(run.phases)
    try:
        while not run.done:
            effect = Effect(name="", blind=run.phases[len(run.log)].kind in BLIND)
            try:
                with spending(job, effect):
                    entry = advance(run, cpu=job.cpu)
                    state.log.append(effect)
                    _taken(job, state, run, rows)
            except AncileError as fault:
                state.faults.append(plain(str(fault)))
                del state.log[len(run.log) :]
                if len(state.faults) >= FAULTS:
                    _kept_to_levels(job, state, rows, effort=effort)
                    return False
                continue
            if entry is None:
                effect.name = f"{run.phases[len(run.log)].kind}, cut short"
                return False
            effect.name, effect.tried, effect.set_aside = run.name(entry), entry.tried, entry.set_aside
            state.done, state.inner = len(run.log), run.arrays()
            state.unresolved[rows] = run.unresolved.cpu().numpy()
            job.settled(state)
    except KeyboardInterrupt:
        return False
    return True


def _kept_to_levels(job: Job, state: State, rows: NDArray[np.intp], *, effort: Effort) -> None:
    """Once more on the levels that all samples lie on: there a model may answer that raises between them."""
    from ancile.assess.gridded import keeping  # noqa: PLC0415 - an extra

    levels = levels_of(job.samples.x)
    if levels is None:
        return
    found = keeping(job, job.model, levels, effort=effort)
    effect = Effect(name="gradients, on the levels of the data", blind=False)
    with suppress(AncileError):  # there too: the faults are told of
        broken(job, state, effect, rows, found, place=-143)


def straightened(
    job: Job, search: GradientModel, *, effort: Effort
) -> Callable[[NDArray[np.float32], NDArray[np.int64], Streams], NDArray[np.float32]]:
    """A cascade that climbs where gradients are cut or flat, on another form of the network."""
    import torch  # noqa: PLC0415 - an extra

    from ancile.attacks.cascade import cascade  # noqa: PLC0415 - an extra

    white = cast("GradientModel", job.model)

    def found(x: NDArray[np.float32], y: NDArray[np.int64], streams: Streams) -> NDArray[np.float32]:
        inputs = torch.from_numpy(x).to(device=white.device, dtype=white.dtype)
        labels = torch.from_numpy(y).to(device=white.device)
        got = cascade(
            white, inputs, labels, job.constraint, streams, effort=effort, search=search, on_step=job.stop
        )
        return job.constraint.project(got.cpu().numpy().astype(np.float32), x)

    return found


def straight_search(job: Job, *, inside: bool = False) -> GradientModel:
    """The network with stand-ins for what cuts or flattens gradients, or draws lots.

    inside  it answers with scores inside that decide as its answer does; AncileError where there are none
    """
    import torch  # noqa: PLC0415 - an extra

    double = cast("GradientModel", job.model).dtype == torch.float64
    precision: Precision = "float64" if double else "float32"
    return job.model.search_form(job.samples.x, Form(precision=precision, straight=True, inside=inside)).model


def _begun(
    job: Job, state: State, rows: NDArray[np.intp], *, effort: Effort, search: GradientModel, batch: int
) -> Cascade:
    """The cascade on these rows, where ``state`` left it; from its beginning where that does not fit."""
    import torch  # noqa: PLC0415 - an extra

    from ancile.attacks.cascade import Means, begin, restored  # noqa: PLC0415 - an extra

    white = cast("GradientModel", job.model)
    x = torch.from_numpy(job.samples.x[rows]).to(device=white.device, dtype=white.dtype)
    y = torch.from_numpy(job.samples.y[rows]).to(device=white.device)
    streams = Streams(step_seed(job.seed, 0), job.samples.ids[rows])

    means = Means(search, batch=batch, on_step=job.stop)
    fresh = begin(white, x, y, job.constraint, streams, effort=effort, means=means)
    del state.log[state.done :]  # a phase that was cut short is done again
    if not state.inner:
        return fresh
    try:
        return restored(fresh, state.inner)
    except AncileError:
        vars(state).update(vars(State.fresh(job.samples.x, job.model.traits.classes)))
        return fresh


def _taken(job: Job, state: State, run: Cascade, rows: NDArray[np.intp]) -> None:
    """Confirm what the cascade broke since the last time."""
    new = run.broken.cpu().numpy() & (state.broken_by[rows] == UNBROKEN)
    if not new.any():
        return
    found = run.standing.point.cpu().numpy()[new].astype(np.float32)
    # What float64 holds inside the ball may round to float32 outside of it
    confirm(
        job,
        state,
        rows[new],
        job.constraint.project(found, job.samples.x[rows[new]]),
        place=len(state.log) - 1,
    )
