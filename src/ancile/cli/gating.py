"""What a gate looks at: evidence from the ledger, from imports and from files, each verified anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ancile.cli.home import Home
from ancile.cli.output import talk
from ancile.cli.recorder import Recorder
from ancile.core.decision import Decision, Ground
from ancile.core.errors import AncileError
from ancile.core.report import Report, exit_code
from ancile.core.subject import Subject
from ancile.govern.checks import decision_report
from ancile.govern.gate import Held, decide
from ancile.trust.audit import audit
from ancile.trust.bundle import LARGEST
from ancile.trust.events import KeyEvent, RunStarted
from ancile.trust.evidence import VerifiedEvidence, verify_bundle
from ancile.trust.imports import imported
from ancile.trust.keys import list_keys
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Ledger
from ancile.trust.notary import evidence_about
from ancile.version import __version__


def decision_about(home: Home, ledger: Ledger, subject: Subject, *, files: Sequence[Path]) -> Decision:
    """The gate's answer for the subject, from everything that this home can see."""
    _intact(home, ledger)
    found = list(_seen(home, ledger, subject, files))
    revoked = {k.public.id: k.file.revoked.reason for k in list_keys(home.keys) if k.file.revoked}
    best: dict[tuple[str, int, str], VerifiedEvidence] = {}
    for one in found:  # a copy with a doubt must not take the place of one without
        known = best.setdefault((one.origin, one.index, one.statement.digest), one)
        if len(one.doubts) < len(known.doubts):
            best[one.origin, one.index, one.statement.digest] = one
    unique = best.values()
    told = [said for e in unique if e.accepted and isinstance(said := e.statement.predicate, KeyEvent)]
    revoked |= {said.id: said.reason for said in told if said.change == "revoked"}
    held = [_held(e, report, revoked) for e in unique if isinstance(report := e.statement.predicate, Report)]
    runs = sum(
        isinstance(e.statement.predicate, RunStarted)
        and e.statement.predicate.subject.digest == subject.digest
        for e in unique
    )
    return decide(home.policy, subject, held, runs=runs, now=datetime.now(UTC), version=__version__)


def gate_answer(home: Home, recorder: Recorder, subject: Subject) -> int:
    """Decide, record the decision, say it on stderr; the exit code of the decision."""
    decision = decision_about(home, recorder.ledger, subject, files=())
    recorder.decision(decision)
    talk(f"gate: {decision.outcome.replace('_', ' ')}, {decision.runs} runs on record")
    for one in decision.requirements:
        talk(f"gate: {one.name}: {one.answer.replace('_', ' ')}: {one.reason}")
    return exit_code(decision_report(decision))


def _intact(home: Home, ledger: Ledger) -> None:
    """A changed leaf could hide the evidence that it stood for: nothing is decided from a changed ledger."""
    found = audit(ledger, vkeys=[*home.log.keys, *home.log.before])
    if found.first is not None:
        raise AncileError(
            "the ledger was changed",
            value=f"{found.first.place}: {found.first.what}",
            remedy="see `ancile ledger verify`, restore a copy from before, then decide again",
        )
    for erased in found.erased:
        if parse_leaf(ledger.entry(erased.entry).leaf).kind in ("report", "run"):
            raise AncileError(
                "a report was erased, which could have been about this subject",
                value=f"entry {erased.entry}, erased by entry {erased.by}",
                remedy="decide where the whole ledger is at hand, or begin a new ledger and assess again",
            )


def _seen(home: Home, ledger: Ledger, subject: Subject, files: Sequence[Path]) -> Iterator[VerifiedEvidence]:
    own = [*home.log.keys, *home.log.before]
    pinned = own + [key for log in home.policy.logs for key in log.keys]
    authors = home.policy.authors
    signers = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
    about = evidence_about(ledger, subject.digest, logs=own, signers=signers, authors=authors)
    if about.damaged:
        raise AncileError(
            "the ledger has entries that nobody can read, any of which could be about this subject",
            value=f"entries {', '.join(map(str, about.damaged[:10]))}",
            remedy="run `ancile ledger verify` and mend what it names",
        )
    yield from about.evidence
    yield from imported(home.imports, logs=pinned, authors=authors)
    for path in files:
        yield from verify_bundle(read_bundle(path), logs=pinned, authors=authors)


def read_bundle(path: Path) -> bytes:
    """The bytes of an evidence file."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as reason:
        raise AncileError(
            "evidence cannot be read",
            value=f"{path}: {reason.strerror}",
            remedy="name a file that `ancile evidence export` wrote",
        ) from reason


def _held(evidence: VerifiedEvidence, report: Report, revoked: dict[str, str]) -> Held:
    refused = "; ".join(evidence.doubts) or None
    if evidence.author in revoked:
        refused = f"its signer was revoked: {revoked[evidence.author]}"
    ground = Ground(
        origin=evidence.origin,
        index=evidence.index,
        statement_digest=evidence.statement.digest,
        author=evidence.author,
    )
    return Held(report=report, ground=ground, time=evidence.time, refused=refused)
