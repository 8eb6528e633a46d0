"""What ``ancile sign`` does, from the first check to the last file."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ancile.cli.bundle_file import read_bundle
from ancile.cli.home import Home, need_home
from ancile.cli.output import talk
from ancile.cli.own_home import is_copy, is_recorded
from ancile.cli.recorder import Recorder, open_recorder
from ancile.cli.relying import quorum_in
from ancile.cli.signature_files import OPENSSF_SUFFIX, OWN, SIGSTORE, beside, require_place
from ancile.cli.signature_writing import clear_leftovers, require_room, write_bundle
from ancile.cli.witnessing import witnessed
from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.release.ahead import Ahead
from ancile.release.manifest import Manifest, require_no_listing
from ancile.release.signing import (
    Scan,
    author_events,
    expiry,
    joined,
    leads,
    refused_files,
    release_of,
    require_clean,
    scans_of,
    statement_to_cosign,
    statement_to_sign,
)
from ancile.render.phrases import counted
from ancile.trust.bundle import Bundle, parse_bundle
from ancile.trust.events import Release
from ancile.trust.keys import list_keys
from ancile.trust.notary import evidence_about, export_evidence, record
from ancile.trust.quorum import Policy
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line

if TYPE_CHECKING:
    from ancile.cli.openssf import Second
    from ancile.cli.sign_keyless import SecondKeyless

SHORT = timedelta(days=2)  # an expiry within it is told with its time
# Bytes of a bundle beside the statement, which stands in base64 in it: keys, signatures, proof, rotations
ROOM, ROOM_PER_BYTE = 1 << 18, 2


class Wanted(NamedTuple):
    """What the command line asks for."""

    model: Path
    output: Path | None
    expires: str | None
    cosign: Path | None
    openssf: Path | None
    keyless: bool
    trust_config: Path | None
    quorum: Path | None
    allow_failed_scan: bool


def sign_model(wanted: Wanted, ahead: Ahead, *, quiet: bool) -> None:
    """Sign what is hashed ahead, record it, write its bundles, and say so."""
    if wanted.cosign is not None and wanted.expires is not None:
        raise AncileError(
            "the expiry was set by who signed first", value=wanted.expires, remedy="leave --expires out"
        )
    expiry(wanted.expires, now=system_clock().now())  # a fault in it is told before any work
    home, model = need_home(Path.cwd()), wanted.model
    given = read_bundle(wanted.cosign) if wanted.cosign is not None else None
    before = parse_bundle(given) if given is not None else None
    target = wanted.output or wanted.cosign or beside(model)
    second = _second(wanted)
    for file, mark in [(target, OWN)] + ([(second.target, SIGSTORE)] if second else []):
        require_place(file, mark, model=model, home=home.folder)
        clear_leftovers(file)
    witnesses = quorum_in(wanted.quorum)
    if is_copy(home) and not is_recorded(home, None):
        talk(f"{home.folder} is a copy, or another user's: whoever packed it has its open keys as well")
    with open_recorder(home) as recorder:
        with progress_line("hash", quiet=quiet) as line:
            manifest = ahead.manifest(line.say)
            require_no_listing(model, manifest)
        statement, said = _statement(wanted, home, recorder, manifest, before)
        classical = second.bundle(manifest) if second else b""
        require_room(target, ROOM_PER_BYTE * len(statement) + ROOM + (len(given) if given else 0))
        if second:
            require_room(second.target, len(classical))
        index, data = _recorded(home, recorder, statement, quorum=witnesses)
    _written(target, data if before is None else joined(before, data), entry=index)
    subject = manifest.subject()
    talk(f"{counted(max(len(subject.parts), 1), 'file')}, {subject.digest}")
    talk(f"{said} by {recorder.author.public.id[:23]}…; bundle in {target}")
    if second:
        second.write(classical, manifest)


def _statement(
    wanted: Wanted, home: Home, recorder: Recorder, manifest: Manifest, before: Bundle | None
) -> tuple[bytes, str]:
    """What is to be signed, and what the user is told of it."""
    subject, now = manifest.subject(), recorder.clock.now()
    scans = _scans(home, recorder, subject, allow_failed_scan=wanted.allow_failed_scan)
    if before is not None:
        return statement_to_cosign(before, subject, now=now, author=recorder.author.public.id), "cosigned"
    _tell_scans(scans)
    release = release_of(subject, now=now, expires=wanted.expires, scans=scans)
    return statement_to_sign(release), f"{_until(release)}, {counted(len(scans), 'scan')} named; signed"


def _until(release: Release) -> str:
    if release.expires is None:
        return "never expires"
    by_day = release.expires - release.time > SHORT
    return (
        f"expires {release.expires:%Y-%m-%d}"
        if by_day
        else f"expires {release.expires:%Y-%m-%d %H:%M:%S} UTC"
    )


def _second(wanted: Wanted) -> Second | SecondKeyless | None:
    """The file for whoever verifies with `model_signing`, by a key of its own or by an identity."""
    target = beside(wanted.model, OPENSSF_SUFFIX)
    if wanted.openssf is not None and wanted.keyless:
        raise AncileError(
            "one file is to be signed in two ways",
            value=f"--openssf and --keyless both write {plain(str(target))}",
            remedy="choose one of them",
        )
    if wanted.trust_config is not None and not wanted.keyless:
        raise AncileError(
            "a Sigstore instance is named, and nothing is asked of it",
            value=f"--trust-config {plain(str(wanted.trust_config))}",
            remedy="give --keyless too, or leave it out",
        )
    if wanted.openssf is not None:
        from ancile.cli.openssf import Second, signing_key  # noqa: PLC0415 - it loads X.509, and few ask for it

        return Second(signing_key(wanted.openssf), target)
    if wanted.keyless:
        from ancile.cli.sign_keyless import second_keyless  # noqa: PLC0415 - it loads the library of Sigstore

        return second_keyless(target, wanted.trust_config)
    return None


def _scans(home: Home, recorder: Recorder, subject: Subject, *, allow_failed_scan: bool) -> list[Scan]:
    """What this ledger's scans said of these bytes; a refusal is one here too, and whoever else has signed.

    The index of the ledger is not asked: it is a cache, and who hides a refusal in it would have a signature.
    """
    signers = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
    about = [
        evidence_about(
            recorder.ledger,
            digest,
            logs=[*home.log.keys, *home.log.before],
            signers=signers,
            authors=[*home.policy.authors, *(key.id for key in signers)],
        )
        for digest in leads(recorder.ledger, subject) or [subject.digest]
    ]
    evidence = {one.index: one for found in about for one in found.evidence}
    scans = scans_of(subject, evidence.values())
    if not allow_failed_scan:
        _require_readable({index for found in about for index in found.damaged})
        require_clean(scans, refused_files(subject, evidence.values()), name=subject.name)
    return scans


def _require_readable(damaged: Collection[int]) -> None:
    if damaged:
        raise AncileError(
            "an entry of the ledger cannot be read, and may be a scan that refused these bytes",
            value=f"entry {min(damaged)}",
            remedy="see `ancile ledger verify`; to sign all the same: --allow-failed-scan",
        )


def _tell_scans(found: list[Scan]) -> None:
    if not found:
        talk("not scanned: `ancile scan` says what is in it, and the release would name the scan")
    elif found[-1].verdict == "incomplete":
        talk("the latest scan of these bytes came to no conclusion: see `ancile scan`")


def _written(target: Path, data: bytes, *, entry: int) -> None:
    """Write the bundle; where that fails after all, it can be had from the ledger."""
    try:
        write_bundle(target, data)
    except OSError as reason:
        raise AncileError(
            "the release is recorded, and its bundle cannot be written",
            value=f"entry {entry}; {plain(str(target))}: {reason.strerror}",
            remedy=f"mend that, then: ancile evidence export FILE --index {entry}",
        ) from reason


def _recorded(
    home: Home, recorder: Recorder, statement: bytes, *, quorum: Policy | None
) -> tuple[int, bytes]:
    """Entry and bundle of the statement, once it stands in the ledger and witnesses have seen it there."""
    ledger = recorder.ledger
    signers = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
    at = record(ledger, statement, author=recorder.author, log=recorder.log, clock=recorder.clock.now)
    if quorum is not None:
        ledger.store_checkpoint(witnessed(ledger, at.checkpoint, quorum))
    return at.index, export_evidence(
        ledger,
        [at.index, *author_events(ledger, {key.id for key in signers})],
        logs=[*home.log.keys, *home.log.before],
        signers=signers,
    )
