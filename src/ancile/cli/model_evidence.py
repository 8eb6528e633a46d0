"""What the ledger must say of a model before ``ancile serve`` loads it: scanned, and where asked, signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from ancile.cli.home import Home
from ancile.cli.output import talk
from ancile.cli.recorder import Recorder
from ancile.cli.relying import known_keys
from ancile.core.errors import AncileError
from ancile.core.report import Report
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.release.manifest import manifest_of
from ancile.release.signing import REFUSED, Scan, refused_files, scans_of
from ancile.scan.stage import files_of, scan
from ancile.serve.config import ServeConfig
from ancile.trust.events import Release
from ancile.trust.evidence import VerifiedEvidence
from ancile.trust.keys import list_keys
from ancile.trust.notary import Found, evidence_about

SCAN_OFF = "[serve] require_scan = false serves it all the same"


def require_evidence(
    home: Home, recorder: Recorder, model: Path, config: ServeConfig, *, say: Callable[[str], None] = talk
) -> str:
    """The digest of the bytes that may be loaded; AncileError where evidence is missing or speaks against it.

    A model that was never scanned is scanned now, and the report recorded. The ledger's index is not asked:
    it is a cache, and who hides a refusal in it would have a model served.

    say  hears of a scan that was made
    """
    subject = manifest_of(model).subject()
    if not (config.require_scan or config.require_signature):
        return subject.digest
    found = _about(home, recorder, subject.digest)
    if config.require_scan:
        told = _require_scan(home, recorder, model, subject, found)
        if told:
            say(told)
    if config.require_signature:
        _require_signature(home, found.evidence, subject, now=recorder.clock.now())
    return subject.digest


def _about(home: Home, recorder: Recorder, digest: str) -> Found:
    signers = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
    found = evidence_about(
        recorder.ledger,
        digest,
        logs=[*home.log.keys, *home.log.before],
        signers=signers,
        authors=[*home.policy.authors, *(key.id for key in signers)],
    )
    if found.damaged:
        raise AncileError(
            "an entry of the ledger cannot be read, and may speak against the model",
            value=f"entry {found.damaged[0]}",
            remedy="see `ancile ledger verify`",
        )
    return found


def _require_scan(home: Home, recorder: Recorder, model: Path, subject: Subject, found: Found) -> str:
    """What is to be told of it, once it speaks for the model."""
    scans, told = scans_of(subject, found.evidence), ""
    if not scans:
        report = scan(plain(str(model)), files_of([model]), clock=recorder.clock)
        evidence = recorder.report(report).evidence
        found = _about(home, recorder, subject.digest)
        scans = scans_of(subject, found.evidence)
        told = f"scanned before it is loaded: entry {evidence.index if evidence else 0} of the ledger"
    refused = refused_files(subject, found.evidence)
    verdict = next(iter(refused.values()), scans[-1].verdict if scans else "incomplete")
    if verdict in REFUSED or verdict == "incomplete":
        raise _speaks_against(model, scans, verdict)
    return told


def _speaks_against(model: Path, scans: Sequence[Scan], verdict: str) -> AncileError:
    when = f", {scans[-1].time:%Y-%m-%d %H:%M:%S}" if scans else ""
    return AncileError(
        f"the scan of the model says {verdict}, and it is not loaded",
        value=f"{plain(str(model))}{when}",
        remedy=f"see `ancile scan {plain(str(model))}`; {SCAN_OFF}",
    )


def _require_signature(
    home: Home, evidence: Iterable[VerifiedEvidence], subject: Subject, *, now: datetime
) -> None:
    """A release of these bytes that holds, or the latest verification of one, whichever the ledger has."""
    accepted = [one for one in evidence if one.accepted and one.statement.covers(subject.digest)]
    verified = [report for one in accepted if (report := _verification(one)) is not None]
    if verified and verified[-1].outcome == "pass":
        return
    revoked = known_keys(home).revoked
    why = "nobody has signed it" if not verified else "its latest verification did not pass"
    for one in accepted:
        release = one.statement.predicate
        if not isinstance(release, Release) or release.subject.digest != subject.digest:
            continue
        if one.author in revoked:
            why = f"its signer was revoked: {plain(revoked[one.author])}"
        elif release.expires is not None and release.expires <= now:
            why = f"its signature expired {release.expires:%Y-%m-%d %H:%M:%S}"
        elif not verified:
            return
    raise AncileError(
        "the model is not signed by anybody who counts, and it is not loaded",
        value=f"{plain(subject.name)}: {why}",
        remedy="`ancile sign` it, or record that you verified it: `ancile verify`; "
        "[serve] require_signature = false serves it all the same",
    )


def _verification(one: VerifiedEvidence) -> Report | None:
    said = one.statement.predicate
    return said if isinstance(said, Report) and said.stage == "verify" else None
