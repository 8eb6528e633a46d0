"""What a gate can see: the ledger after an audit, imports and files, each piece of evidence verified anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ancile.cli.home import Home
from ancile.cli.taken_back import taken_back
from ancile.cli.upkeep import erasing
from ancile.core.decision import Ground
from ancile.core.errors import AncileError
from ancile.core.report import Report
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.govern.gate import Sight
from ancile.govern.match import Held
from ancile.trust.audit import Audit, audit
from ancile.trust.checkpoint import open_checkpoint
from ancile.trust.events import KeyEvent, RunStarted
from ancile.trust.evidence import VerifiedEvidence, verify_bundle
from ancile.trust.imports import imported
from ancile.trust.key import PublicKey
from ancile.trust.keys import list_keys
from ancile.trust.ledger import Ledger
from ancile.trust.notary import evidence_about


def sight(
    home: Home, ledger: Ledger, subject: Subject, *, bundles: Sequence[bytes], kept: Sequence[str]
) -> Sight:
    """Everything that this home can see of the subject, after the ledger itself was looked at.

    bundles  evidence given for this decision alone
    kept     checkpoints of the ledger that were kept elsewhere
    """
    carried = list(_carried(home, bundles))
    own = [*home.log.keys, *home.log.before]
    known = [*kept, *_own_checkpoints(carried, origin=home.log.origin, vkeys=own)]
    found = audit(ledger, vkeys=own, against=known, authors=erasing(home))
    if found.first is not None:
        return Sight(unsound=f"{found.first.place}: {found.first.what}")
    unique = _without_copies([*_recorded_evidence(home, ledger, subject.digest), *carried])
    back = taken_back(ledger, found)
    revoked = back.revoked | _revoked(home, unique)
    runs, reports = _about(unique, subject, RunStarted), _about(unique, subject, Report)
    return Sight(
        evidence=[
            _held(e, report, revoked)
            for e in unique
            if isinstance(report := e.statement.predicate, Report)
            and not _is_listing(report.subject, subject)
        ],
        runs=runs.total(),
        gone=back.gone,
        checked=tuple(_checked(found, known, vkeys=own)),
        not_checked=(
            *_rollback_not_checked(found, known, vkeys=own),
            *_left_out(home, unique),
            *_void(unique, subject, revoked),
            *_without_report(runs, reports),
            *back.runs,
            *_listings(unique, subject),
            *_relatives(home, ledger, subject, alone=not reports.total()),
        ),
    )


def _own_authors(home: Home) -> list[PublicKey]:
    return [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]


def _own_checkpoints(
    carried: Iterable[VerifiedEvidence], *, origin: str, vkeys: Sequence[str]
) -> Iterator[str]:
    """Checkpoints of this very log that came back with bundles: somebody kept them, so they count as kept."""
    for note in {one.checkpoint for one in carried if one.origin == origin}:
        try:
            open_checkpoint(note, vkeys)
        except AncileError:
            continue  # another log of the same name: its evidence says so in its doubts
        yield note


def _checked(found: Audit, kept: Sequence[str], *, vkeys: Sequence[str]) -> Iterator[str]:
    covered = "all" if found.covered == found.size else f"{found.covered} of them"
    yield f"{found.size} entries, {covered} under a checkpoint that the log signed"
    if found.last_signed is not None:
        yield f"rollback: it goes on from the {found.last_signed} entries that this machine signed last"
    if kept:
        size = _largest(kept, vkeys)
        yield f"rollback: the ledger goes on from a checkpoint of {size} entries that was kept elsewhere"


def _rollback_not_checked(found: Audit, kept: Sequence[str], *, vkeys: Sequence[str]) -> Iterator[str]:
    if not kept:
        yield (
            "rollback, split view: no checkpoint kept elsewhere was given "
            "(--against FILE, or checkpoint under [policy])"
        )
    elif (size := _largest(kept, vkeys)) < found.size:
        yield f"rollback of entries {size} to {found.size - 1}, which are newer than the kept checkpoint"


def _largest(kept: Sequence[str], vkeys: Sequence[str]) -> int:
    return max(open_checkpoint(note, vkeys).size for note in kept)


def _left_out(home: Home, unique: Iterable[VerifiedEvidence]) -> Iterator[str]:
    """Evidence from elsewhere is a choice: worse reports of the same log may not be in it, or none at all."""
    here = {one.origin for one in unique if one.accepted} - {home.log.origin}
    for origin in sorted(here):
        yield f"what was left out of the evidence from {plain(origin, 80)}, and keys revoked there since"
    for origin in sorted({log.origin for log in home.policy.logs} - here - {home.log.origin}):
        yield f"what {plain(origin, 80)} holds: it is pinned, and no evidence from it is at hand"


def _void(unique: Iterable[VerifiedEvidence], subject: Subject, revoked: Mapping[str, str]) -> Iterator[str]:
    """A revocation voids bad reports too: whoever holds the key could revoke it to be rid of one."""
    count = _about((one for one in unique if one.author in revoked), subject, Report).total()
    if count:
        yield f"what reports about this subject say whose signer was revoked, which do not count: {count}"


def _without_report(runs: Counter[str], reports: Counter[str]) -> Iterator[str]:
    """Counted for each log: reports carried here without their runs do not make up for runs without any."""
    if missing := (runs - reports).total():
        yield f"{missing} of {runs.total()} started runs left no report"


def _relatives(home: Home, ledger: Ledger, subject: Subject, *, alone: bool) -> Iterator[str]:
    """Reports about other wholes with parts of this one: a new name makes a new whole, which hides the old.

    alone  whether the subject has no report of its own: then any shared part is worth a word
    """
    wholes: dict[str, list[str]] = {}
    for digest in set(subject.parts.values()):
        for evidence in _recorded_evidence(home, ledger, digest):
            report = evidence.statement.predicate
            if isinstance(report, Report) and report.subject.digest != subject.digest:
                wholes[evidence.statement.digest] = sorted(report.subject.parts.values())
    same = sum(parts == sorted(subject.parts.values()) for parts in wholes.values())
    if same:
        yield f"reports about the same bytes under other names, which do not count: {same}"
    if alone and len(wholes) > same:
        others = len(wholes) - same
        yield f"reports about models that share a part with this one, which do not count: {others}"


def _recorded_evidence(home: Home, ledger: Ledger, digest: str) -> tuple[VerifiedEvidence, ...]:
    own = [*home.log.keys, *home.log.before]
    signers, authors = _own_authors(home), home.policy.authors
    about = evidence_about(ledger, digest, logs=own, signers=signers, authors=authors)
    if about.damaged:
        raise AncileError(
            "the ledger has entries that nobody can read, any of which could be about this subject",
            value=f"entries {', '.join(map(str, about.damaged[:10]))}",
            remedy="run `ancile ledger verify` and mend what it names",
        )
    return about.evidence


def _carried(home: Home, bundles: Sequence[bytes]) -> Iterator[VerifiedEvidence]:
    """Evidence from elsewhere: what was imported, and what was given for this decision alone."""
    pinned = [*home.log.keys, *home.log.before, *(key for log in home.policy.logs for key in log.keys)]
    yield from imported(home.imports, logs=pinned, authors=home.policy.authors)
    for data in bundles:
        yield from verify_bundle(data, logs=pinned, authors=home.policy.authors)


def _without_copies(found: Iterable[VerifiedEvidence]) -> list[VerifiedEvidence]:
    """Each entry once; a copy with a doubt must not take the place of one without."""
    best: dict[tuple[str, int, str], VerifiedEvidence] = {}
    for one in found:
        known = best.setdefault((one.origin, one.index, one.statement.digest), one)
        if len(one.doubts) < len(known.doubts):
            best[one.origin, one.index, one.statement.digest] = one
    return list(best.values())


def _revoked(home: Home, unique: Iterable[VerifiedEvidence]) -> dict[str, str]:
    """Ids of revoked keys with the reason: those of this home, and those that the evidence tells of."""
    here = {k.public.id: k.file.revoked.reason for k in list_keys(home.keys) if k.file.revoked}
    told = [said for e in unique if e.accepted and isinstance(said := e.statement.predicate, KeyEvent)]
    return here | {said.id: said.reason for said in told if said.change == "revoked"}


def _about(
    unique: Iterable[VerifiedEvidence], subject: Subject, kind: type[RunStarted | Report]
) -> Counter[str]:
    """How many statements of this kind are about the subject, by the origin of their log."""
    said = ((e.origin, e.statement.predicate) for e in unique)
    return Counter(origin for origin, one in said if isinstance(one, kind) and _is_of(one, subject))


def _is_of(one: RunStarted | Report, subject: Subject) -> bool:
    return one.subject.digest == subject.digest and not _is_listing(one.subject, subject)


def _is_listing(one: Subject, other: Subject) -> bool:
    """Whether one is a text that is the manifest of the other: they share a digest, and are not the same."""
    return one.digest == other.digest and bool(one.parts) != bool(other.parts)


def _listings(unique: Iterable[VerifiedEvidence], subject: Subject) -> Iterator[str]:
    """Whoever can have a harmless text looked at could else have it speak for the files that it lists."""
    found = [
        e
        for e in unique
        if isinstance(said := e.statement.predicate, Report) and _is_listing(said.subject, subject)
    ]
    if found:
        what = "a text that lists these files" if subject.parts else "files that this text lists"
        yield f"reports about {what}, which do not count: {len(found)}"


def _held(evidence: VerifiedEvidence, report: Report, revoked: Mapping[str, str]) -> Held:
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
