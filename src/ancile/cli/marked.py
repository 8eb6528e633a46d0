"""The work of ``ancile data mark`` and ``trace``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ancile.cli.home import Home, find_home, need_home
from ancile.cli.new_place import new_place
from ancile.cli.output import Output, deliver, talk
from ancile.cli.own_home import is_recorded
from ancile.cli.reading import no_waiting
from ancile.cli.recorder import open_recorder
from ancile.core.check import examine
from ancile.core.errors import AncileError
from ancile.core.finding import Finding
from ancile.core.measure import Count, Estimate
from ancile.core.report import Parameters, Record, Report
from ancile.core.subject import Subject, digest_of
from ancile.core.text import plain
from ancile.data.asking import Answers, Found, judged, queries, read_answers, samples
from ancile.data.marking import Asked, mark
from ancile.data.marks import LARGEST, MarkKey, encode_key, parse_key
from ancile.data.sealing import new_file, write_all
from ancile.data.trace_checks import GIVEN, MARKING, TRACING, Traced, measures, p_value
from ancile.data.tracing import log_scores, members
from ancile.inputs.opener import open_data
from ancile.models.opener import PROBE_ROWS, open_model
from ancile.models.order import Wanted
from ancile.models.request import ModelRequest
from ancile.numeric import NDArray, np
from ancile.trust.dsse import unverified
from ancile.trust.ledger import open_ledger
from ancile.trust.private_file import read_private
from ancile.trust.statement import parse_statement
from ancile.trust.subjects import entries_about
from ancile.version import __version__
from ancile.work.clock import system_clock

MARKED = "data mark"
LARGEST_ANSWERS = 64 << 20  # bytes
BATCH = 256
MOST_ROWS = 5_000  # of each part that a model is asked about


class Order(NamedTuple):
    """A model that is to be asked, as the command line says it."""

    reference: str
    drop: tuple[str, ...]
    output: Wanted
    trust_pickle: bool
    trust_torchscript: bool
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def marking(path: Path, target: Path, key: Path, asked: Asked, way: Output) -> int:
    """Mark, keep the key, record its digest, deliver."""
    home, clock = need_home(Path.cwd()), system_clock()
    with open_recorder(home) as recorder, ExitStack() as places:
        started = clock.now()
        secret = places.enter_context(new_place("the key", key))
        unfinished = places.enter_context(new_place("the marked data", target))
        made = mark(path, asked, now=started)
        spoken = encode_key(made.key)
        for place, data in ((unfinished, made.data), (secret, spoken)):
            with new_file(place) as file:
                write_all(file, data)
        told = examine(MARKING, made.key.count)
        report = _report(
            MARKED,
            Subject(kind="dataset", name=plain(target.name, 200), digest=made.key.data),
            parameters={"key": digest_of(spoken), "share": asked.share, "of": plain(str(path), 200)},
            measures_=(_counted("marked", made.changed), _counted("rows", made.of)),
            findings=told.findings,
            passed=told.passed,
            started=started,
            finished=clock.now(),
        )
        record = recorder.report(report)
    code = deliver(record, way)
    talk(f"{made.changed} of {made.of} marked in {target}; keep {key} from whoever gets the data")
    return code


def _counted(name: str, value: int) -> Count:
    return Count(name=name, value=value, unit="rows", method="counted")


def asking(key: Path, target: Path) -> None:
    """Write what a model is to be asked, for whoever runs it."""
    data, suffix = queries(_key(key)[0])
    if target.suffix != suffix:
        raise AncileError(
            "the questions have another form", value=target.name, remedy=f"name a file that ends in {suffix}"
        )
    with new_place("the questions", target) as unfinished, new_file(unfinished) as file:
        write_all(file, data)
    talk(f"questions in {target}; give the answers in their order with --answers")


def tracing(key: Path, answers: Path | None, order: Order | None, way: Output, *, record: bool | None) -> int:
    """Ask, test, record, deliver."""
    home, clock = need_home(Path.cwd()) if record else find_home(Path.cwd()), system_clock()
    started = clock.now()
    read, digest = _key(key)
    findings: Sequence[Finding] = ()
    if order is not None:
        found, subject, findings = _asked(read, order, home, key)
    elif answers is not None:
        data = _read(answers)
        found = judged(read, read_answers(data, read))
        subject = Subject(kind="files", name=plain(answers.name, 200), digest=digest_of(data))
    else:
        raise AncileError(
            "no model to ask", value="neither --model nor --answers", remedy="name a model, or its answers"
        )
    told = examine(TRACING, Traced(found, None if home is None else _committed(home, read, digest)))
    report = _report(
        "data trace",
        subject,
        parameters={"key": digest, "data": read.data, "marked": read.made.isoformat()},
        measures_=measures(found),
        findings=(*told.findings, *findings),
        passed=told.passed,
        started=started,
        finished=clock.now(),
    )
    return _delivered(home, report, way, record=record)


def _delivered(home: Home | None, report: Report, way: Output, *, record: bool | None) -> int:
    if home is not None and is_recorded(home, record):
        with open_recorder(home) as recorder:
            return deliver(recorder.report(report), way)
    code = deliver(Record(report=report), way)
    talk("not evidence: nothing was signed")
    return code


def _asked(
    key: MarkKey, order: Order, home: Home | None, path: Path
) -> tuple[Found, Subject, Sequence[Finding]]:
    names = key.classes if set(key.numbers) == set(range(len(key.numbers))) else ()
    ordered = [name for _, name in sorted(zip(key.numbers, names, strict=False))]
    denied = (*((home.folder,) if home else ()), path.resolve())
    x = samples(key, order.drop)
    told = answered(order, x, classes=max(key.numbers) + 1, names=ordered, deny=denied)
    return judged(key, told.answers), told.subject, told.findings


class Told(NamedTuple):
    """What a model answered, what it is, and what opening it showed."""

    answers: Answers
    subject: Subject
    findings: Sequence[Finding]


def answered(
    order: Order, x: NDArray[np.float32], *, classes: int, names: Sequence[str], deny: tuple[Path, ...]
) -> Told:
    """The answers of a model to samples, asked in a process of its own.

    deny  what that process may not read
    """
    request = ModelRequest(
        reference=order.reference,
        output=order.output,
        trust_pickle=order.trust_pickle,
        trust_torchscript=order.trust_torchscript,
        mean=order.mean,
        std=order.std,
        deny=deny,
    )
    with open_model(request, x[:PROBE_ROWS], classes=classes, names=names) as opened:
        parts = [opened.model.scores(x[at : at + BATCH]) for at in range(0, len(x), BATCH)]
        answers = Answers(np.concatenate(parts), opened.model.traits.output)
        return Told(answers, opened.subject, opened.findings)


class Given(NamedTuple):
    """Rows that were given out, rows of the same source that were held back, and their column of labels."""

    given: str
    held_back: str
    label: str | None


def comparing(files: Given, order: Order, way: Output, *, record: bool | None) -> int:
    """Ask about both parts, test, record, deliver."""
    home, clock = need_home(Path.cwd()) if record else find_home(Path.cwd()), system_clock()
    started = clock.now()
    both = [open_data(one, label=files.label, drop=order.drop) for one in (files.given, files.held_back)]
    if both[0].x.shape[1:] != both[1].x.shape[1:] or both[0].classes != both[1].classes:
        raise AncileError(
            "the two parts are of different kinds",
            value=f"{both[0].x.shape[1:]} and {both[1].x.shape[1:]}, or other classes",
            remedy="deal one set into two at random: one to give out, one to hold back",
        )
    rng = np.random.default_rng(0)
    count = min(MOST_ROWS, *(len(one) for one in both))
    drawn = [one.draw(count, seed=0) for one in both]
    x, y = (np.concatenate([getattr(one, name) for one in drawn]) for name in ("x", "y"))
    classes = max(int(y.max()) + 1, len(both[0].classes or ()))
    told = answered(
        order, x, classes=classes, names=both[0].classes or (), deny=(home.folder,) if home else ()
    )
    logs = log_scores(told.answers.scores, told.answers.output)[np.arange(len(y)), y]
    trace = members(logs[:count], logs[count:], rng)
    found = examine(GIVEN, trace)
    report = _report(
        "data trace",
        told.subject,
        parameters={"given": both[0].subject.digest, "held_back": both[1].subject.digest},
        measures_=(p_value(trace, "given"),),
        findings=(*found.findings, *told.findings),
        passed=found.passed,
        started=started,
        finished=clock.now(),
    )
    return _delivered(home, report, way, record=record)


def _key(path: Path) -> tuple[MarkKey, str]:
    data = read_private(path, limit=LARGEST)
    return parse_key(data), digest_of(data)


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=no_waiting) as file:
            data = file.read(LARGEST_ANSWERS + 1)
    except (OSError, ValueError) as reason:
        raise AncileError(
            "the answers cannot be read",
            value=f"{plain(str(path), 100)}: {getattr(reason, 'strerror', None) or reason}",
            remedy="name a CSV file",
        ) from reason
    if len(data) > LARGEST_ANSWERS:
        raise AncileError("answers are too large", value=path.name, remedy=f"at most {LARGEST_ANSWERS} bytes")
    return data


def _committed(home: Home, key: MarkKey, digest: str) -> int | None:
    """The entry in which this ledger names the key."""
    with open_ledger(home.folder, clock=system_clock().now, create=False) as ledger:
        for index in entries_about(ledger, key.data).entries:
            body = ledger.entry(index).body
            said = None if body is None else parse_statement(unverified(body).payload).predicate
            if isinstance(said, Report) and said.stage == MARKED and said.parameters.get("key") == digest:
                return index
    return None


def _report(
    stage: str,
    subject: Subject,
    *,
    parameters: Parameters,
    measures_: Sequence[Count | Estimate],
    findings: Sequence[Finding] = (),
    passed: dict[str, int],
    started: datetime,
    finished: datetime,
) -> Report:
    return Report(
        stage=stage,
        complete=True,
        subject=subject,
        parameters=parameters,
        measures=tuple(measures_),
        findings=tuple(findings),
        passed=passed,
        started=started,
        finished=finished,
        version=__version__,
    )
