"""How robust a classifier is against small changes of its input, and how sure that figure is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ancile.assess.checks import EVASION_CHECKS, INPUT_CHECKS
from ancile.assess.curve import Rung, climb
from ancile.assess.exhibits import exhibits
from ancile.assess.measures import measures
from ancile.assess.plan import Effort, curve_step, plan
from ancile.assess.result import Result, concluded
from ancile.assess.resume import restored, save
from ancile.assess.run import BATCH, UNBROKEN, Hooks, Samples, State, attack_plan, predicted, wrong
from ancile.assess.watch import Watched
from ancile.core.budget import Budget
from ancile.core.check import examine
from ancile.core.errors import AncileError
from ancile.core.finding import Finding
from ancile.core.report import Cost, Parameters, Report
from ancile.core.subject import Subject
from ancile.numeric import np
from ancile.version import __version__
from ancile.work.clock import Clock, system_clock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.attacks.constraint import Constraint
    from ancile.models.model import Model

SAVE_SECONDS = 20.0  # between two saves of a run: below a percent of the time at 100 MB of samples


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the figure, beside model and data."""

    effort: Effort = "standard"
    seed: int = 0
    budget: Budget = field(default_factory=Budget)
    curve: bool = True


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a report says of the run beside its figure, and where the run is kept.

    data        the data set's subject
    available   samples in the data set
    features    names of the columns of a table
    classes     names of the classes, in the order of the scores
    parameters  what else decides the figure and is to be reported
    findings    what opening the model found
    doubts      what was assumed of the data
    resume      folder for saved runs, None to keep none
    seal        secret that saved runs are sealed with; empty where there is no author
    progress    told (samples settled, samples, robust accuracy so far) after every batch
    """

    subject: Subject
    data: Subject
    available: int
    features: tuple[str, ...] | None = None
    classes: tuple[str, ...] = ()
    parameters: Parameters = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()
    resume: Path | None = None
    seal: bytes = b""
    progress: Callable[[int, int, float], None] | None = None
    clock: Clock = field(default_factory=system_clock)


class Assessment(NamedTuple):
    """The report, and the samples behind it for whoever doubts it."""

    report: Report
    result: Result


def assess_evasion(
    model: Model, samples: Samples, constraint: Constraint, *, settings: Settings, context: Context
) -> Assessment:
    """Attack the samples within the constraint and report what stands.

    Ctrl-C and a spent budget end the run between steps: the report then speaks of what was done so far and is
    marked incomplete. The same call with the same ``context.resume`` goes on from there.
    """
    clock, started = context.clock, context.clock.now()
    wall, cpu = clock.wall(), clock.cpu()
    _check_labels(model, samples)
    steps = plan(settings.effort, model.traits.access)
    saved = _saved_run(context, samples, constraint, settings, steps=[one.name for one in steps])
    state = restored(saved, samples.x, steps=len(steps), seal=context.seal) if saved else None
    resumed = state is not None
    if state is None:
        state = State(x_adv=samples.x.copy(), broken_by=np.full(len(samples.y), UNBROKEN, dtype=np.int64))
    _check_budget(settings.budget, len(samples.y))
    first = predicted(model, samples.x)
    correct = ~wrong(first, samples.y) & np.isfinite(first).all(axis=1)
    kept_back = 2 * len(samples.y) + 2 * min(BATCH, len(samples.y))
    stop = _stop(model, settings.budget, clock=clock, since=wall, kept_back=kept_back)
    settled = _settled(saved, samples, context, correct=correct, steps=len(steps))
    hooks = Hooks(stop, clock.cpu, settled)
    whole = attack_plan(
        Watched(model),
        samples,
        constraint,
        steps,
        seed=settings.seed,
        state=state,
        hooks=hooks,
        correct=correct,
    )
    if saved and whole:
        with suppress(OSError):  # a cache that cannot be written holds nothing to remove
            saved.unlink(missing_ok=True)
    elif saved:
        save(saved, state, samples.x, seal=context.seal)
    result = concluded(model, samples, constraint, steps, state=state, first=first, complete=whole)
    rungs = _curve(model, result, settings, stop) if settings.curve and whole and constraint.eps else ()
    cost = Cost(
        forwards=model.usage.forwards,
        backwards=model.usage.backwards,
        queries=model.usage.queries,
        cpu_seconds=round(clock.cpu() - cpu, 3),
        wall_seconds=round(clock.wall() - wall, 3),
        peak_memory_bytes=clock.memory(),
    )
    report = _report(result, rungs, settings=settings, context=context, resumed=resumed)
    return Assessment(
        msgspec.structs.replace(report, cost=cost, started=started, finished=clock.now()), result
    )


def _check_labels(model: Model, samples: Samples) -> None:
    highest, classes = int(samples.y.max(initial=0)), model.traits.classes
    if highest >= classes:
        raise AncileError(
            "a label is beyond the model's classes",
            value=f"label {highest}, scores for {classes} classes (0 to {classes - 1})",
            remedy="give labels as the model numbers its classes, from 0",
        )


def _check_budget(budget: Budget, n: int) -> None:
    least = 3 * n + 2 * min(BATCH, n)  # two clean passes, one over the examples, and a batch under way
    if budget.queries is not None and budget.queries < least:
        raise AncileError(
            "too few queries to judge these samples",
            value=f"{budget.queries} for {n} samples",
            remedy=f"allow at least {least}, or draw fewer samples",
        )


def _saved_run(
    context: Context, samples: Samples, constraint: Constraint, settings: Settings, *, steps: list[str]
) -> Path | None:
    """Where this very run is kept: named by a digest over everything that decides it."""
    if context.resume is None:
        return None
    digest = hashlib.sha256()
    bounds = [np.asarray(v, dtype=np.float64).tobytes() for v in (constraint.low, constraint.high)]
    scale = np.asarray(constraint.unit, dtype=np.float64).tobytes()
    words = [__version__, context.subject.digest, context.data.digest, constraint.norm, repr(constraint.eps)]
    words += [str(settings.seed), *steps, repr(sorted(context.parameters.items()))]
    for part in (*(w.encode() for w in words), *bounds, scale, samples.ids.tobytes(), samples.x.tobytes()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return context.resume / f"{digest.hexdigest()}.npz"


def _stop(model: Model, budget: Budget, *, clock: Clock, since: float, kept_back: int) -> Callable[[], bool]:
    """Whether time or queries are spent; ``kept_back`` queries are left for judging what was found."""

    def stop() -> bool:
        late = budget.seconds is not None and clock.wall() - since >= budget.seconds
        usage = model.usage
        asked = usage.queries + usage.forwards
        spent = budget.queries is not None and asked >= budget.queries - kept_back
        return late or spent

    return stop


def _settled(
    saved: Path | None,
    samples: Samples,
    context: Context,
    *,
    correct: NDArray[np.bool_],
    steps: int,
) -> Callable[[State], None]:
    last = context.clock.wall()

    def settled(state: State) -> None:
        nonlocal last
        n = len(samples.y)
        robust = correct & (state.broken_by == UNBROKEN)
        if context.progress:
            done = n * state.next_step + min(n, BATCH * state.next_batch)
            context.progress(done // steps, n, float(robust.mean()))
        if saved and context.clock.wall() - last > SAVE_SECONDS:
            save(saved, state, samples.x, seal=context.seal)
            last = context.clock.wall()

    return settled


def _curve(model: Model, result: Result, settings: Settings, stop: Callable[[], bool]) -> tuple[Rung, ...]:
    return climb(
        model,
        result.samples,
        result.constraint,
        curve_step(model.traits.access),
        seed=settings.seed,
        correct=result.correct,
        broken=result.broken,
        stop=stop,
    )


def _report(
    result: Result, rungs: Sequence[Rung], *, settings: Settings, context: Context, resumed: bool
) -> Report:
    examined = examine(EVASION_CHECKS, result)
    assumed = examine(INPUT_CHECKS, context.doubts)
    numbers = measures(result, classes=context.classes, seed=settings.seed)
    curve = tuple(rung.bound for rung in rungs)
    return Report(
        stage="assess",
        complete=result.complete,
        subject=context.subject,
        parameters=_parameters(result, settings, context) | {"resumed": resumed},
        measures=(*numbers, *curve),
        findings=(*examined.findings, *context.findings, *assumed.findings),
        passed=examined.passed | assumed.passed,
        exhibits=exhibits(result, rungs=rungs, features=context.features, classes=context.classes),
        started=context.clock.now(),
        finished=context.clock.now(),
        version=__version__,
    )


def _parameters(result: Result, settings: Settings, context: Context) -> Parameters:
    constraint, traits = result.constraint, result.traits
    found: Parameters = {
        "goal": "evasion, untargeted",
        "norm": constraint.norm,
        "eps": float(constraint.eps),
        "effort": settings.effort,
        "seed": settings.seed,
        "samples": result.n,
        "samples_available": context.available,
        "data": context.data.name,
        "data_digest": context.data.digest,
        "access": traits.access,
        "model_kind": traits.kind,
        "model_output": traits.output,
        "model_notes": list(traits.notes),
        "classes": traits.classes,
        "input_low": float(np.min(constraint.low)),
        "input_high": float(np.max(constraint.high)),
        "feature_scale": "per feature" if constraint.scale is not None else "none",
        "attacks": [one.name for one in result.plan],
        "budget_seconds": settings.budget.seconds,
        "budget_queries": settings.budget.queries,
    }
    return found | context.parameters
