"""What ``ancile assess`` does between its options and its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from ancile.assess.ball import ball_in
from ancile.assess.config import AssessConfig, ThreatModel
from ancile.assess.evasion import Assessment, Context, Settings, assess_evasion
from ancile.assess.examples import examples_file
from ancile.assess.room import Room
from ancile.assess.run import Samples
from ancile.cli.gating import Question, gate_answer, named, question
from ancile.cli.home import Home, find_config, find_home, need_home
from ancile.cli.output import Output, apart, deliver, talk, writable, write_whole
from ancile.cli.recorder import Recorder, open_recorder
from ancile.cli.values import factory_arguments, numbers
from ancile.core.budget import Budget, bytes_of, seconds_of
from ancile.core.errors import AncileError
from ancile.core.measure import Scalar
from ancile.core.report import Parameters, Record
from ancile.inputs.opener import open_data
from ancile.models.form import form_named
from ancile.models.opener import PROBE_ROWS, open_model
from ancile.models.request import Engine, ModelRequest
from ancile.work.progress import progress_line

if TYPE_CHECKING:
    from ancile.attacks.constraint import Constraint
    from ancile.inputs.dataset import Dataset
    from ancile.models.opener import OpenedModel


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call of ``ancile assess`` with the defaults of ancile.toml filled in."""

    model: str
    data: str
    label: str | None
    drop: tuple[str, ...]
    where: str | None
    bounds: str | None
    norm: Literal["linf", "l2", "l1", "l0"]
    allow_read: tuple[str, ...]
    search_form: str | None
    eps: float
    units: str
    samples: int
    seed: int
    effort: Literal["quick", "standard", "thorough"]
    budget: Budget
    weights: str | None
    factory_args: dict[str, Scalar]
    workers: int
    engine: Engine
    scores: Literal["auto", "logits", "probabilities", "labels"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    trust_pickle: bool
    trust_torchscript: bool
    adversarial: str | None
    record: bool | None
    with_gate: bool
    files: tuple[str, ...]
    against: tuple[str, ...]
    quiet: bool


def request(model: str, options: dict[str, object], config: AssessConfig) -> Request:
    """The request in the options, ancile.toml's defaults where an option is absent."""
    given = {name: value for name, value in options.items() if value is not None}
    data, eps = given.get("data", config.data), given.get("eps", config.eps)
    if data is None:
        raise AncileError(
            "no data to attack on",
            value="--data is absent",
            remedy="give a held-out set: --data held_out.npz, or --data digits to try",
        )
    if eps is None:
        raise AncileError(
            "no eps: how far may an attacker change an input",
            value="--eps is absent",
            remedy="give it in the data's own units; for 8-bit images 8/255 = 0.0314",
        )
    merged = {
        "label": config.label,
        "norm": config.norm,
        "samples": config.samples,
        "seed": config.seed,
        "effort": config.effort,
        "where": None,
        "weights": None,
        "search_form": None,
        "adversarial": None,
        "record": None,
    } | given
    merged |= {
        "model": model,
        "data": data,
        "eps": eps,
        "bounds": given.get("bounds") or ",".join(map(repr, config.bounds)) or None,
        "mean": numbers("--mean", given.get("mean")) or tuple(config.mean),
        "std": _std(given, config),
        "factory_args": factory_arguments(given.get("factory_args")),
        "budget": _budget(given, config),
    }
    fields = Request.__struct_fields__
    merged |= {name: tuple(map(str, _many(options[name]))) for name in ("files", "against", "allow_read")}
    plain_values = {k: str(v) if isinstance(v, Path) else v for k, v in merged.items() if k in fields}
    return msgspec.convert(plain_values, Request, strict=False)


def _budget(given: Mapping[str, object], config: AssessConfig) -> dict[str, object]:
    budget = given.get("budget", config.budget)
    return {
        "seconds": seconds_of(str(budget)) if budget else None,
        "queries": given.get("query_cap"),
        "memory_bytes": bytes_of(str(given["memory"])) if "memory" in given else None,
    }


def _std(given: Mapping[str, object], config: AssessConfig) -> tuple[float, ...]:
    std = numbers("--std", given.get("std")) or tuple(config.std)
    if 0 in std:
        raise AncileError(
            "a standard deviation is zero",
            value=f"std {', '.join(map(str, std))}",
            remedy="normalise a feature that never changes with std 1",
        )
    return std


def _many(value: object) -> tuple[object, ...]:
    """What an option holds that may be repeated."""
    return value if isinstance(value, tuple) else ()


def _ask(question: str) -> bool:
    return click.confirm(f"ancile: {question}", err=True)


def perform(asked: Request, output: Output) -> int:
    """Open, attack, record, render; the exit code is the report's, or with ``--gate`` the gate's."""
    base = Path.cwd()
    _apart(asked, output)
    if asked.with_gate and asked.record is False:
        raise AncileError(
            "a gate decides from evidence, and nothing is to be recorded",
            value="--gate with --no-record",
            remedy="leave out one of them; `ancile gate --no-record` decides without recording the decision",
        )
    if (asked.files or asked.against) and not asked.with_gate:
        raise AncileError(
            "evidence and kept checkpoints are for a gate",
            value="--evidence or --against without --gate",
            remedy="add --gate, or give them to `ancile gate`",
        )
    home = need_home(base) if asked.record or asked.with_gate else find_home(base)
    gate = _question(asked, home) if home is not None and asked.with_gate else None
    with ExitStack() as stack:
        data = open_data(
            asked.data,
            label=asked.label,
            drop=asked.drop,
            where=asked.where,
            bounds=asked.bounds,
            ask=_ask if sys.stdin is not None and sys.stdin.isatty() else None,
            cache=_cache(home) / "data",
            base=base,
        )
        constraint = constraint_of(asked, data)
        opened = stack.enter_context(_opened(asked, data, home))
        recorder = None
        if home is not None and asked.record is not False:
            recorder = stack.enter_context(open_recorder(home))
            recorder.started("assess", opened.subject, _identity(asked, data))
        assessment = _attacked(asked, data, opened, constraint, home=home, recorder=recorder)
        record = recorder.report(assessment.report) if recorder else Record(report=assessment.report)
        if asked.adversarial:
            write_whole(Path(asked.adversarial), examples_file(assessment.result))
        code = _delivered(record, output)
        if record.evidence is None:
            why = "`ancile init` makes keys and a ledger" if home is None else "--no-record leaves it out"
            talk(f"not evidence: nothing was signed ({why})")
        if home is not None and recorder is not None and gate is not None:
            answer = gate_answer(home, recorder, opened.subject, gate, strict=output.strict)
            return answer or (code if output.strict else 0)
    return code


def _apart(asked: Request, output: Output) -> None:
    """Refuse files to write that cannot be written, or that are among those to read."""
    code = asked.model.rpartition(":")[0]
    read = [asked.model, code, asked.data, asked.weights, *asked.files, *asked.against]
    given = [one for one in read if one]
    if asked.adversarial:
        writable("the file of examples", Path(asked.adversarial))
        apart("the file of examples", Path(asked.adversarial), read=given)
        given.append(asked.adversarial)
    if output.file:
        apart("the report", output.file, read=given)


def _delivered(record: Record, output: Output) -> int:
    """As ``deliver``; a report that was signed is not lost where it cannot be written."""
    try:
        return deliver(record, output)
    except OSError:
        if record.evidence is not None:
            at = record.evidence.index
            talk(f"the report was signed before: entry {at}, `ancile ledger show {at}` prints it")
        raise


def _question(asked: Request, home: Home) -> Question:
    """What the gate will be asked; its files are read before the long work begins."""
    naming = named(asked.model, asked.weights, asked.factory_args, data=asked.data)
    return question(home, files=map(Path, asked.files), against=map(Path, asked.against), naming=naming)


def constraint_of(asked: Request, data: Dataset) -> Constraint:
    """The ball and the bounds that the request and the data give."""
    if asked.units == "range" and data.scale is None:
        raise AncileError(
            "--units range needs features with ranges of their own",
            value=f"the bounds of {data.subject.name} are the same for every value",
            remedy="leave --units out: eps is then in the data's own units",
        )
    in_ranges = asked.units == "range"
    return ball_in(data, norm=asked.norm, eps=asked.eps, in_ranges=in_ranges, wide="--bounds 0,255")


def _opened(asked: Request, data: Dataset, home: Home | None) -> OpenedModel:
    wanted = ModelRequest(
        reference=asked.model,
        weights=asked.weights,
        trust_pickle=asked.trust_pickle,
        trust_torchscript=asked.trust_torchscript,
        factory_args=asked.factory_args,
        output=asked.scores,
        mean=asked.mean,
        std=asked.std,
        query_cap=asked.budget.queries,
        budget_seconds=asked.budget.seconds,
        workers=asked.workers,
        engine=asked.engine,
        allow_read=tuple(Path(one) for one in asked.allow_read),
        deny=(home.folder,) if home else (),
    )
    names = data.classes or ()
    classes = max(len(names), int(data.y.max()) + 1)
    return open_model(wanted, data.x[:PROBE_ROWS], classes=classes, names=names)


def _attacked(
    asked: Request,
    data: Dataset,
    opened: OpenedModel,
    constraint: Constraint,
    *,
    home: Home | None,
    recorder: Recorder | None,
) -> Assessment:
    drawn = data.draw(asked.samples or None, seed=asked.seed)
    threat = home.threat if home else find_config(Path.cwd()).get("threat", ThreatModel)
    with progress_line("assess", quiet=asked.quiet) as line:
        return assess_evasion(
            opened.model,
            Samples(drawn.rows, drawn.x, drawn.y),
            constraint,
            settings=Settings(
                effort=asked.effort,
                seed=asked.seed,
                budget=asked.budget,
                form=form_named(asked.search_form) if asked.search_form else None,
            ),
            context=Context(
                subject=opened.subject,
                data=data.subject,
                available=len(data),
                features=data.features,
                classes=data.classes or (),
                parameters=_identity(asked, data) | _threat(threat),
                findings=tuple(opened.findings),
                doubts=data.doubts,
                resume=_cache(home) / "assess",
                seal=recorder.seal if recorder else b"",
                announce=partial(_announce, asked),
                progress=line.robust,
                clock=opened.clock,
            ),
        )


def _announce(asked: Request, room: Room) -> None:
    """Say how batches fit into memory, where that was asked for or makes them smaller."""
    if asked.budget.memory_bytes is not None or room.binds:
        talk(str(room))


def _identity(asked: Request, data: Dataset) -> Parameters:
    """What decides the figure and is known before the run."""
    found: Parameters = {
        "data_notes": list(data.notes),
        "mean": list(asked.mean),
        "std": list(asked.std),
        "units": data.units if asked.units == "data" else asked.units,
        "label": asked.label,
        "where": asked.where,
        "drop": list(asked.drop),
        "allow_read": list(asked.allow_read),
        "workers": asked.workers if asked.workers > 1 else None,
        "engine": None if asked.engine == "local" else asked.engine,
        "factory_args": msgspec.json.encode(asked.factory_args).decode(),
    }
    return {name: value for name, value in found.items() if value not in (None, [], "{}")}


def _threat(threat: ThreatModel) -> Parameters:
    return {f"threat_{k}": v for k, v in msgspec.structs.asdict(threat).items() if v not in (None, "")}


def _cache(home: Home | None) -> Path:
    """Where runs and data are kept: beside the ledger, else in the user's cache (XDG base directories)."""
    if home is not None:
        return home.cache
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ancile"
    except RuntimeError as reason:  # a user without a name, as containers have them
        raise AncileError(
            "there is no place for a cache",
            value="neither HOME nor XDG_CACHE_HOME is set, and this user has no home",
            remedy="set XDG_CACHE_HOME to a folder of yours",
        ) from reason
