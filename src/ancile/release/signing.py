"""Making a release: the statement, what scans said of its bytes, and another signer's word for it."""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from ancile.core.budget import seconds_of
from ancile.core.errors import AncileError
from ancile.core.report import Report, Verdict
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.release.pins import key_entries
from ancile.release.verification import Differences, differences, statement_bytes, the_release
from ancile.trust.bundle import Bundle, encode_bundle, parse_bundle
from ancile.trust.dsse import Envelope
from ancile.trust.events import MOST_SCANS, Release
from ancile.trust.evidence import VerifiedEvidence, verify_bundle, verify_entries
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Ledger
from ancile.trust.statement import statement_of
from ancile.trust.store import Stored
from ancile.version import __version__

REFUSED: tuple[Verdict, ...] = ("block", "review")
WORST: tuple[Verdict, ...] = ("block", "review", "incomplete", "named-classes", "data-only")
NAMED = re.compile(rb"sha256:[0-9a-f]{64}")
# A file takes 175 bytes and its path twice, of 16 MiB for a statement
FITTING, USUAL = 50_000, 70  # files, characters
SHOWN = 3  # refused files that are named; the rest is counted


class Scan(NamedTuple):
    """What a scan said of exactly these bytes.

    digest   of its statement
    verdict  the worst of the files that are released
    """

    digest: str
    time: datetime
    verdict: Verdict


def expiry(lifetime: str | None, *, now: datetime) -> datetime | None:
    """When a release that is made now expires; ``lifetime`` is a duration such as ``90d``, None for ever."""
    if lifetime is None:
        return None
    try:
        until = now + timedelta(seconds=seconds_of(lifetime))
    except OverflowError as reason:
        raise AncileError(
            "expiry is beyond the calendar", value=str(lifetime), remedy="give fewer days, or no --expires"
        ) from reason
    if until <= now:
        raise AncileError(
            "a duration of nothing", value=lifetime, remedy="give a second or more, or no --expires"
        )
    return until


def release_of(
    subject: Subject, *, now: datetime, expires: str | None, scans: Sequence[Scan] = ()
) -> Release:
    """The statement that lets the subject go; ``expires`` as for ``expiry``."""
    newest = sorted(scans, key=lambda one: one.time)[-MOST_SCANS:]
    return Release(
        subject=subject,
        time=now,
        expires=expiry(expires, now=now),
        scans=tuple(one.digest for one in newest),
        version=__version__,
    )


def statement_to_sign(release: Release) -> bytes:
    """The bytes of the release's statement; AncileError where it names more files than one statement can."""
    try:
        return statement_of(release)
    except AncileError as reason:
        files = len(release.subject.parts)
        if not files:
            raise
        raise AncileError(
            "the model has too many files for one release",
            value=f"{files} files, whose names and digests take {reason.value}",
            remedy="pack the small ones into an archive, or sign its folders one by one: "
            f"about {FITTING:,} files with paths of {USUAL} characters fit",
        ) from reason


def leads(ledger: Ledger, subject: Subject) -> list[str]:
    """Digests of files, one of which every report that names any of the subject's files names: few of many.

    Reads each report once, unverified; one that cannot be read is for ``ancile ledger verify`` to tell.
    """
    wanted = frozenset(subject.parts.values() or (subject.digest,))
    chosen: set[str] = set()
    for entry in ledger.entries(0, ledger.size()):
        here = wanted & _named(entry)
        if here and not here & chosen:
            chosen.add(min(here))
    return sorted(chosen)


def _named(entry: Stored) -> set[str]:
    try:
        if entry.body is None or parse_leaf(entry.leaf or b"").kind != "report":
            return set()
        payload = a2b_base64(msgspec.json.decode(entry.body, type=Envelope).payload)
    except (AncileError, msgspec.DecodeError, ValueError):
        return set()
    return {one.decode() for one in NAMED.findall(payload)}


def scans_of(subject: Subject, evidence: Iterable[VerifiedEvidence]) -> list[Scan]:
    """Scans among the evidence that looked at every file of the subject, oldest first."""
    wanted = frozenset(subject.parts.values() or (subject.digest,))
    return [
        Scan(one.statement.digest, one.time, min((said[digest] for digest in wanted), key=WORST.index))
        for one, said in _scanned(evidence)
        if wanted <= set(said)
    ]


def refused_files(subject: Subject, evidence: Iterable[VerifiedEvidence]) -> dict[str, Verdict]:
    """Paths of files that the latest scan of their bytes refuses, whatever else it looked at."""
    latest: dict[str, Verdict] = {}
    for _, said in _scanned(evidence):
        latest |= said
    files = subject.parts or {subject.name: subject.digest}
    return {path: latest[digest] for path, digest in files.items() if latest.get(digest) in REFUSED}


def _scanned(evidence: Iterable[VerifiedEvidence]) -> list[tuple[VerifiedEvidence, dict[str, Verdict]]]:
    """Scans that count, oldest first, with the worst that each says of the bytes of a digest."""
    found = []
    for one in evidence:
        report = one.statement.predicate
        if one.accepted and isinstance(report, Report) and report.stage == "scan":
            said: dict[str, Verdict] = {}
            for file in report.files or ():
                said[file.digest] = min(file.verdict, said.get(file.digest, file.verdict), key=WORST.index)
            found.append((one, said))
    return sorted(found, key=lambda pair: (pair[0].time, pair[0].index))


def require_clean(scans: Sequence[Scan], refused: Mapping[str, Verdict], *, name: str) -> None:
    """Refuse what the latest scan of these bytes refuses, as a whole or any file of it."""
    if scans and scans[-1].verdict in REFUSED:
        verdict, where = scans[-1].verdict, plain(name, 100)
    elif refused:
        verdict = min(refused.values(), key=WORST.index)
        more = f" and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        where = ", ".join(plain(path, 100) for path in sorted(refused)[:SHOWN]) + more
    else:
        return
    raise AncileError(
        f"the latest scan of these bytes says {verdict}, and nothing is signed",
        value=where,
        remedy="see `ancile scan`; to sign all the same: --allow-failed-scan",
    )


def author_events(ledger: Ledger, known: Collection[str]) -> list[int]:
    """Entries that rotate or revoke an author's key: they travel with what the key has signed.

    known  ids of authors whose public keys can travel too; what anybody else has signed stays
    """
    return [
        index
        for index, said in key_entries(ledger)
        if said.key.startswith("author:")
        and said.change != "introduced"
        and f"sha256:{parse_leaf(ledger.entry(index).leaf).author.hex()}" in known
    ]


def statement_to_cosign(bundle: Bundle, subject: Subject, *, now: datetime, author: str) -> bytes:
    """The exact statement that others have signed, once it holds and speaks of just these bytes.

    author  id of who is about to sign it too
    """
    found = [
        one
        for one in verify_entries(bundle, logs=(), authors=())
        if isinstance(one.statement.predicate, Release)
    ]
    _, release = the_release(found)
    if any(one.author == author for one in found):
        raise AncileError(
            "you have signed this release already",
            value=author,
            remedy="a threshold counts signers: let another one sign",
        )
    if release.expires is not None and release.expires <= now:
        raise AncileError(
            "the release has expired",
            value=f"{release.expires:%Y-%m-%d %H:%M:%S} UTC",
            remedy="make a new one: `ancile sign` without --cosign",
        )
    found_here = differences(release.subject, subject)
    if found_here != Differences():
        wrong = [*found_here.changed, *found_here.missing, *found_here.unsigned]
        raise AncileError(
            "these are not the bytes that the others have signed",
            value=f"{len(wrong)} files differ: {plain(', '.join(wrong[:3]))}" if wrong else "another model",
            remedy="take model and bundle from the signer once more; `ancile verify` names each difference",
        )
    return statement_bytes(bundle)


def joined(bundle: Bundle, more: bytes) -> bytes:
    """A bundle with the entries of both, verified as whoever gets it will."""
    other = parse_bundle(more)
    data = encode_bundle(
        Bundle(
            logs=tuple(dict.fromkeys((*bundle.logs, *other.logs))),
            signers=tuple(dict.fromkeys((*bundle.signers, *other.signers))),
            entries=(*bundle.entries, *other.entries),
        )
    )
    verify_bundle(data, logs=(), authors=())
    return data
