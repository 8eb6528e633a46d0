"""``ancile sign MODEL``: let exactly these bytes go: signed, recorded, in a bundle that verifies offline."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ancile.cli.gating import read_bundle
from ancile.cli.home import Home, need_home
from ancile.cli.output import quiet_option, talk, writable, write_whole
from ancile.cli.recorder import Recorder, open_recorder
from ancile.cli.relying import quorum_in
from ancile.cli.witnessing import witnessed
from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.release.manifest import manifest_of, require_no_listing
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
)
from ancile.render.phrases import counted
from ancile.trust.bundle import parse_bundle
from ancile.trust.events import Release
from ancile.trust.keys import list_keys
from ancile.trust.notary import evidence_about, export_evidence, record
from ancile.trust.quorum import Policy
from ancile.trust.statement import statement_of
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line

if TYPE_CHECKING:
    from ancile.cli.openssf import Second

SUFFIX = ".ancile.json"  # of the bundle beside a model
OPENSSF_SUFFIX = ".sig"  # of the one for model_signing, as that has it
OWN = b'"format": "ancile/evidence/v1"'  # near the beginning of every bundle beside a model
SIGSTORE = b'"application/vnd.dev.sigstore.bundle'  # in every bundle of that kind, and in none of ours
MOST_HEAD = 64 << 20  # bytes in which the mark is looked for: of the largest bundle that is read
SHORT = timedelta(days=2)  # an expiry within it is told with its time


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Bundle; else MODEL.ancile.json.")
@click.option("--expires", help="From when on it is not to be used, such as 90d; else never.")
@click.option("--cosign", type=click.Path(path_type=Path), help="Sign what others signed in this bundle.")
@click.option("--openssf", type=click.Path(path_type=Path), help="EC key; also write MODEL.sig with it.")
@click.option("--quorum", type=click.Path(path_type=Path), help="C2SP tlog-policy: ask its witnesses.")
@click.option("--allow-failed-scan", is_flag=True, help="Although the latest scan says block or review.")
@quiet_option
def sign(
    model: Path,
    *,
    output: Path | None,
    expires: str | None,
    cosign: Path | None,
    openssf: Path | None,
    quorum: Path | None,
    allow_failed_scan: bool,
    quiet: bool,
) -> None:
    """Sign MODEL, a folder or a file, as it is now: Ed25519 and ML-DSA-65 together.

    The signature is an entry of the ledger. A bundle beside the model carries it with its inclusion proof:
    `ancile verify` needs nothing else. No byte of the model is touched.
    """
    if cosign is not None and expires is not None:
        raise AncileError(
            "the expiry was set by who signed first", value=expires, remedy="leave --expires out"
        )
    expiry(expires, now=system_clock().now())  # a fault in it is told before any work
    home = need_home(Path.cwd())
    before = parse_bundle(read_bundle(cosign)) if cosign is not None else None
    target = output or cosign or beside(model)
    second = None if openssf is None else _second(openssf, beside(model, OPENSSF_SUFFIX))
    for file, mark in [(target, OWN)] + ([(second.target, SIGSTORE)] if second else []):
        writable("the bundle", file)
        _require_outside(file, model, home)
        _require_bundle(file, mark)
    witnesses = quorum_in(quorum)
    with open_recorder(home) as recorder:
        with progress_line("hash", quiet=quiet) as line:
            manifest = manifest_of(model, progress=line.say)
            require_no_listing(model, manifest)
        subject = manifest.subject()
        classical = second.bundle(manifest) if second else b""
        now = recorder.clock.now()
        if before is not None:
            author = recorder.author.public.id
            statement = statement_to_cosign(before, subject, now=now, author=author)
            said = "cosigned"
        else:
            scans = _scans(home, recorder, subject, allow_failed_scan=allow_failed_scan)
            release = release_of(subject, now=now, expires=expires, scans=scans)
            until = _until(release)
            statement, said = statement_of(release), f"{until}, {counted(len(scans), 'scan')} named; signed"
        data = _recorded(home, recorder, statement, quorum=witnesses)
    write_whole(target, data if before is None else joined(before, data))
    talk(f"{counted(max(len(subject.parts), 1), 'file')}, {subject.digest}")
    talk(f"{said} by {recorder.author.public.id[:23]}…; bundle in {target}")
    if second:
        second.write(classical, manifest)


def _until(release: Release) -> str:
    if release.expires is None:
        return "never expires"
    by_day = release.expires - release.time > SHORT
    return (
        f"expires {release.expires:%Y-%m-%d}"
        if by_day
        else f"expires {release.expires:%Y-%m-%d %H:%M:%S} UTC"
    )


def _second(key: Path, target: Path) -> Second:
    """The second file, by a key of its own."""
    from ancile.cli.openssf import Second, signing_key  # noqa: PLC0415 - it loads X.509, and few ask for it

    return Second(signing_key(key), target)


def beside(model: Path, suffix: str = SUFFIX) -> Path:
    """Where the bundle of a model lies without being told: beside it, so that its folder stays as it is."""
    whole = Path(os.path.abspath(model))  # noqa: PTH100 - a link's own name, not its target's
    return (
        whole.with_name(f"{whole.name or 'root'}{suffix}")
        if model.name in ("", "..")
        else Path(f"{model}{suffix}")
    )


def _require_outside(target: Path, model: Path, home: Home) -> None:
    """A bundle in the folder that it signs would be a file that nobody signed, and a ledger there changes."""
    if _is_in(home.folder, model):
        raise AncileError(
            "keys and ledger lie in what would be signed, and change with each signature",
            value=plain(str(home.folder)),
            remedy="name the model's own folder",
        )
    if _is_in(target, model):
        raise AncileError(
            "the bundle would be written into what it signs",
            value=plain(str(target)),
            remedy="name a file beside the model: -o FILE",
        )


def _require_bundle(target: Path, mark: bytes) -> None:
    """What a bundle takes the place of is an older one, or empty: no key and no model is lost to a slip."""
    if not target.exists():
        return
    if not target.is_file():
        raise AncileError(
            "the bundle would be written into what is no file",
            value=plain(str(target)),
            remedy="name a file: -o FILE",
        )
    with target.open("rb") as file:
        held = file.read(MOST_HEAD)
    if held and mark not in held:
        raise AncileError(
            "the bundle would be written over another file",
            value=plain(str(target)),
            remedy="name a file that is not there yet: -o FILE; or take that one away yourself",
        )


def _is_in(path: Path, folder: Path) -> bool:
    real, whole = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return real == whole or whole in real.parents


def _scans(home: Home, recorder: Recorder, subject: Subject, *, allow_failed_scan: bool) -> list[Scan]:
    """What this ledger's scans said of these bytes; a refusal is one here too."""
    signers = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
    evidence = {
        one.index: one
        for digest in leads(recorder.ledger, subject)
        for one in evidence_about(
            recorder.ledger,
            digest,
            logs=[*home.log.keys, *home.log.before],
            signers=signers,
            authors=home.policy.authors,
            cache=home.cache,
        ).evidence
    }
    found = scans_of(subject, evidence.values())
    if not allow_failed_scan:
        require_clean(found, refused_files(subject, evidence.values()), name=subject.name)
    if not found:
        talk("not scanned: `ancile scan` says what is in it, and the release would name the scan")
    elif found[-1].verdict == "incomplete":
        talk("the latest scan of these bytes came to no conclusion: see `ancile scan`")
    return found


def _recorded(home: Home, recorder: Recorder, statement: bytes, *, quorum: Policy | None) -> bytes:
    """The bundle of the statement, once it stands in the ledger, and once witnesses have seen it there."""
    ledger = recorder.ledger
    signers = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
    at = record(ledger, statement, author=recorder.author, log=recorder.log, clock=recorder.clock.now)
    if quorum is not None:
        ledger.store_checkpoint(witnessed(ledger, at.checkpoint, quorum))
    return export_evidence(
        ledger,
        [at.index, *author_events(ledger, {key.id for key in signers})],
        logs=[*home.log.keys, *home.log.before],
        signers=signers,
    )
