"""How robust a classifier is against small changes of its input, and how sure that figure is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec

from ancile.assess.checks import EVASION_CHECKS, INPUT_CHECKS, faint, uneven
from ancile.assess.clean import Clean, clean_pass
from ancile.assess.costs import Costs
from ancile.assess.curve import Near, Rung, climb, ladder, median_distance, nearest, settled
from ancile.assess.doubt import doubted
from ancile.assess.doubts import Doubt
from ancile.assess.exhibits import exhibits
from ancile.assess.measures import measures
from ancile.assess.plan import curve_step, flat, plan
from ancile.assess.result import Result, concluded
from ancile.assess.resume import restored, save
from ancile.assess.room import Room, room_for
from ancile.assess.run import BATCH, UNBROKEN, Effect, Job, Samples, State, attack_plan, wrong
from ancile.assess.watch import Watched
from ancile.assess.white import attack_white
from ancile.core.budget import Budget
from ancile.core.check import examine
from ancile.core.errors import AncileError
from ancile.core.finding import Finding
from ancile.core.report import Parameters, Report
from ancile.core.strength import Effort
from ancile.core.subject import Subject, digest_of
from ancile.core.text import plain
from ancile.models.form import Form, Searching, form_name
from ancile.numeric import np
from ancile.version import __version__
from ancile.work.clock import Clock, system_clock
from ancile.work.patience import patience

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.attacks.constraint import Constraint
    from ancile.models.model import GradientModel, Model

SAVE_SECONDS = 20.0  # between two saves of a run: below a percent of the time at 100 MB of samples


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the figure, beside model and data.

    form  in which the network is searched, as an earlier report names it; None to find the fastest
    """

    effort: Effort = "standard"
    seed: int = 0
    budget: Budget = field(default_factory=Budget)
    curve: bool = True
    form: Form | None = None


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
    announce    told, before the first pass over the samples, how many fit into memory at once
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
    announce: Callable[[Room], None] | None = None
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
    started, costs = context.clock.now(), Costs(model, context.clock)
    _check_labels(model, samples)
    _check_budget(settings.budget, len(samples.y))
    stop = _stop(model, settings.budget, n=len(samples.y), clock=context.clock)
    with costs.part("clean"):
        room = _room(model, samples, settings, context)
        watched = Watched(model, most=room.most if room else None)
        clean = clean_pass(watched, samples, stop)
    steps = plan(settings.effort, model.traits.access, constraint.norm, flat=flat(clean.scores))
    job = Job(watched, clean.samples, constraint, steps, settings.seed, stop, context.clock.cpu, _idle)
    with costs.part("cascade" if model.traits.access == "white-box" else "attacks"):
        attacked = _attacked(job, clean, settings, context) if clean.complete else _Attacked.none(job)
    near, doubt = None, Doubt(complete=False)
    white = model.traits.access == "white-box" and bool(constraint.eps)
    if attacked.complete and settings.curve and white:
        with costs.part("curves"):
            near = _near(job, attacked.state, clean, settings)
    if attacked.complete:
        with costs.part("doubt"):
            doubt = doubted(job, attacked.state, _right(clean), settings.effort)
    with costs.part("clean"), patience() as held:  # short, and without it all that was found is lost
        whole = attacked.complete and doubt.complete
        result = concluded(job, attacked.state, first=clean.scores, complete=whole, doubt=doubt)
        near = settled(near, result) if near else None
    with costs.part("curves"):
        wanted = settings.curve and whole and bool(constraint.eps) and not held.interrupted
        result, rungs = _curve(result, near, settings, stop, model=watched) if wanted else (result, ())
    if attacked.saved and result.complete:
        with suppress(OSError):  # a cache that cannot be written holds nothing to remove
            attacked.saved.unlink(missing_ok=True)
    report = _report(
        result,
        rungs,
        near if rungs else None,
        settings=settings,
        context=context,
        attacked=attacked,
        room=room,
    )
    costed = msgspec.structs.replace(
        report, cost=costs.total(), started=started, finished=context.clock.now()
    )
    return Assessment(costed, result)


class _Attacked(NamedTuple):
    state: State
    complete: bool
    resumed: bool
    form: Form | None = None
    saved: Path | None = None

    @classmethod
    def none(cls, job: Job) -> _Attacked:
        return cls(State.fresh(job.samples.x, job.model.traits.classes), complete=False, resumed=False)


def _attacked(job: Job, clean: Clean, settings: Settings, context: Context) -> _Attacked:
    """The plan on what the model gets right, from where an earlier run of the same kind stopped."""
    classes = job.model.traits.classes
    saved = _saved_run(context, job, settings)
    state = restored(saved, job.samples.x, classes=classes, seal=context.seal) if saved else None
    resumed = state is not None
    state = state or State.fresh(job.samples.x, classes)
    correct = _right(clean)
    job = job._replace(settled=_settled(saved, job, context, correct=correct))
    form = None
    if job.model.traits.access == "white-box":
        search = _search_form(job, state, settings)
        form = search.form
        whole = attack_white(
            job, state, correct, effort=settings.effort, search=search.model, batch=search.form.batch
        )
        if state.log and form.precision == job.model.plain_form().form.precision:
            state.log[-1].not_finite += cast(
                "Watched", search.model
            ).not_finite  # not what rounding brings about
    else:
        whole = attack_plan(job, state, correct)
    if saved and not whole:
        save(saved, state, job.samples.x, seal=context.seal)
    return _Attacked(state, complete=whole, resumed=resumed, form=form, saved=saved)


def _search_form(job: Job, state: State, settings: Settings) -> Searching:
    """The form that is asked for, else the fastest; the network as it came where the trial fails."""
    try:
        return job.model.search_form(job.samples.x, settings.form)
    except AncileError as fault:
        if settings.form is not None:
            raise
        state.faults.append(plain(str(fault)))
        return job.model.plain_form()


def _right(clean: Clean) -> NDArray[np.bool_]:
    """(n,) samples that the first pass got right."""
    finite = np.isfinite(clean.scores).all(axis=1)
    return np.asarray(finite & ~wrong(clean.scores, clean.samples.y))


def _room(model: Model, samples: Samples, settings: Settings, context: Context) -> Room | None:
    """How many samples fit at once, announced; None for a model of scores, which keeps no graph."""
    if model.traits.access != "white-box":
        return None
    room = room_for(cast("GradientModel", model), samples.x, settings.budget.memory_bytes)
    if room and context.announce:
        context.announce(room)
    return room


def _idle(_: State) -> None:
    pass


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


def _saved_run(context: Context, job: Job, settings: Settings) -> Path | None:
    """Where this very run is kept: named by a digest over everything that decides it."""
    if context.resume is None:
        return None
    digest, constraint = hashlib.sha256(), job.constraint
    bounds = [np.asarray(v, dtype=np.float64).tobytes() for v in (constraint.low, constraint.high)]
    scale = np.asarray(constraint.unit, dtype=np.float64).tobytes()
    words = [__version__, np.__version__, context.subject.digest, context.data.digest, constraint.norm]
    words += [repr(constraint.eps), form_name(settings.form), str(job.seed), *(one.name for one in job.plan)]
    words += [repr(sorted(context.parameters.items())), _drawn(job.samples)]
    for part in (*(w.encode() for w in words), *bounds, scale):
        digest.update(len(part).to_bytes(8, "big") + part)
    return context.resume / f"{digest.hexdigest()}.npz"


def _drawn(samples: Samples) -> str:
    """Digest of the samples that are judged, whatever file they came from."""
    return digest_of(b"".join(part.tobytes() for part in samples))


def _stop(model: Model, budget: Budget, *, n: int, clock: Clock) -> Callable[[], bool]:
    """Whether time or queries are spent, from now on; what judging the examples takes is kept back."""
    since, kept_back = clock.wall(), 2 * n + 2 * min(BATCH, n)

    def stop() -> bool:
        late = budget.seconds is not None and clock.wall() - since >= budget.seconds
        usage = model.usage
        asked = usage.queries + usage.forwards
        spent = budget.queries is not None and asked >= budget.queries - kept_back
        return late or spent

    return stop


def _settled(
    saved: Path | None, job: Job, context: Context, *, correct: NDArray[np.bool_]
) -> Callable[[State], None]:
    last, n = context.clock.wall(), len(job.samples.y)

    def settled(state: State) -> None:
        nonlocal last
        robust = correct & (state.broken_by == UNBROKEN)
        if context.progress:
            done = n * state.done + min(n, BATCH * state.next_batch)
            context.progress(min(n, done // state.total), n, float(robust.mean()))
        if saved and context.clock.wall() - last > SAVE_SECONDS:
            save(saved, state, job.samples.x, seal=context.seal)
            last = context.clock.wall()

    return settled


def _near(job: Job, state: State, clean: Clean, settings: Settings) -> Near | None:
    """Minimal distances; None where they are cut short, which costs the report its curve and nothing else."""
    try:
        found = nearest(job, state, _right(clean), settings.effort)
    except KeyboardInterrupt:
        return None
    except AncileError as fault:
        state.faults.append(plain(str(fault)))
        return None
    return None if job.stop() else found


def _curve(
    result: Result, near: Near | None, settings: Settings, stop: Callable[[], bool], *, model: Watched
) -> tuple[Result, tuple[Rung, ...]]:
    """The curve; where the model raises or gives no scores on the way, the result says so too."""
    if model.traits.access == "white-box":
        return result, ladder(near, result.constraint, result.robust) if near else ()
    one, before = curve_step(model.traits.access, result.constraint.norm), model.not_finite
    try:
        rungs = climb(model, result, one, seed=settings.seed, stop=stop)
    except AncileError as fault:
        return replace(result, faults=(*result.faults, plain(str(fault))), complete=False), ()
    if bad := model.not_finite - before:
        result.state.log.append(Effect(name=f"curve: {one.name}", blind=True, not_finite=bad))
    return result, rungs


def _report(
    result: Result,
    rungs: Sequence[Rung],
    near: Near | None,
    *,
    settings: Settings,
    context: Context,
    attacked: _Attacked,
    room: Room | None,
) -> Report:
    examined = examine(EVASION_CHECKS, result)
    assumed = examine(INPUT_CHECKS, (*context.doubts, *uneven(result.constraint), *faint(result.constraint)))
    numbers = measures(result, classes=context.classes, seed=settings.seed)
    if undermined := any(f.status == "ERROR" and f.fix for f in examined.findings):
        rungs, near = (), None  # of attacks whose failure has been seen; at this eps alone others were added
    distance = median_distance(near, result.constraint) if near else None
    curve = tuple(rung.bound for rung in rungs)
    return Report(
        stage="assess",
        complete=result.complete,
        subject=context.subject,
        parameters=_parameters(result, settings, context)
        | {"resumed": attacked.resumed, "search_form": form_name(attacked.form)}
        | {"samples_at_once": room.most if room else None},
        measures=(*numbers, *((distance,) if distance else ()), *curve),
        findings=(*examined.findings, *context.findings, *assumed.findings),
        passed=examined.passed | assumed.passed,
        exhibits=exhibits(
            result,
            rungs=rungs,
            near=near,
            undermined=undermined,
            features=context.features,
            classes=context.classes,
        ),
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
        "drawn_digest": _drawn(result.samples),
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
        "budget_memory_bytes": settings.budget.memory_bytes,
    }
    return found | context.parameters
