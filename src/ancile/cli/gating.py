"""How a gate is asked: by a command of its own, or right after an assessment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ancile.cli.bundle_file import read_bundle
from ancile.cli.home import Home
from ancile.cli.ledger import kept_checkpoint, reading
from ancile.cli.output import talk
from ancile.cli.own_home import is_copy
from ancile.cli.recorder import Recorder, open_recorder
from ancile.cli.sight import sight
from ancile.core.decision import Decision
from ancile.core.measure import Scalar
from ancile.core.report import Evidence, exit_code
from ancile.core.subject import DIGEST, Subject
from ancile.govern.checks import decision_report
from ancile.govern.gate import decide
from ancile.govern.remedy import Naming
from ancile.render.phrases import counted
from ancile.trust.ledger import Ledger
from ancile.version import __version__


class Question(NamedTuple):
    """What a gate is asked about a subject; read before any long work begins.

    bundles  evidence for this decision alone
    kept     checkpoints of the ledger that were kept elsewhere
    naming   what the user calls model and data
    """

    bundles: tuple[bytes, ...]
    kept: tuple[str, ...]
    naming: Naming


class Decided(NamedTuple):
    """A decision, and where it stands; None where it was not recorded."""

    decision: Decision
    evidence: Evidence | None


def question(home: Home, *, files: Iterable[Path], against: Iterable[Path], naming: Naming) -> Question:
    """The question with what its files hold; the checkpoint that the policy demands is among them.

    files    bundles of evidence
    against  reports or checkpoints of the ledger
    """
    demanded = home.policy.checkpoint
    kept = [*against, *([home.config_file.parent / demanded] if demanded else [])]
    return Question(tuple(map(read_bundle, files)), tuple(map(kept_checkpoint, kept)), naming)


def named(
    model: str, weights: Path | str | None, factory_args: Mapping[str, Scalar], *, data: str | None
) -> Naming:
    """The user's own words for model and data; an endpoint that is known by its digest is URL."""
    words = ["URL" if DIGEST.fullmatch(model) else model]
    words += ["--weights", str(weights)] if weights else []
    words += ["--factory-args", json.dumps(dict(factory_args))] if factory_args else []
    return Naming(tuple(words), data)


def decided(home: Home, subject: Subject, asked: Question, *, record: bool) -> Decided:
    """The gate's answer, recorded where that is asked for and the ledger is one that may be added to."""
    if record:
        with open_recorder(home) as recorder:
            return decided_by(home, recorder, subject, asked)
    with reading(home) as ledger:
        return Decided(_decision(home, ledger, subject, asked), None)


def decided_by(home: Home, recorder: Recorder, subject: Subject, asked: Question) -> Decided:
    """As ``decided``, with a recorder that is open already."""
    decision = _decision(home, recorder.ledger, subject, asked)
    if decision.unsound:
        talk("the decision was not recorded: nothing is added to a ledger that cannot be relied on")
        return Decided(decision, None)
    return Decided(decision, recorder.decision(decision))


def _decision(home: Home, ledger: Ledger, subject: Subject, asked: Question) -> Decision:
    if is_copy(home):
        talk(f"{home.folder} is a copy, or another user's: whoever packed it may have written its rules")
        talk("where it is your own, name it: `ancile --home FOLDER gate`; else ask a gate of your own")
    seen = sight(home, ledger, subject, bundles=asked.bundles, kept=asked.kept)
    return decide(home.policy, subject, seen, now=datetime.now(UTC), version=__version__, naming=asked.naming)


def gate_answer(home: Home, recorder: Recorder, subject: Subject, asked: Question, *, strict: bool) -> int:
    """Decide, record the decision, say it on stderr; the exit code of the decision."""
    decision, _ = decided_by(home, recorder, subject, asked)
    report = decision_report(decision)
    talk(f"gate: {decision.outcome.replace('_', ' ')}, {counted(decision.runs, 'run')} on record")
    for one in decision.requirements:
        to_do = f"; {one.remedy}" if one.answer == "no_conclusion" else ""
        talk(f"gate: {one.name}: {one.answer.replace('_', ' ')}: {one.reason}{to_do}")
    for finding in report.findings:
        if finding.status in ("WARN", "SKIP"):
            talk(f"gate: {finding.check}: {finding.detail}")
    return exit_code(report, strict=strict)
