"""What ``ancile verify`` does: which bundle, on whom it relies, and the report of it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

from ancile.cli.bundle_file import read_bundle
from ancile.cli.home import Home, find_home, need_home
from ancile.cli.output import apart, chosen, deliver
from ancile.cli.own_home import is_recorded
from ancile.cli.recorder import open_recorder
from ancile.cli.relying import as_told, known_keys, relied_on, taken_back
from ancile.cli.signature_files import OPENSSF_SUFFIX, SIGSTORE, beside
from ancile.core.errors import AncileError
from ancile.core.report import Parameters, Record, Report
from ancile.core.text import plain
from ancile.release.ahead import Ahead
from ancile.release.pins import Pins
from ancile.release.stage import verify as verified_release
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line


class Wanted(NamedTuple):
    """What the command line asks for."""

    model: Path
    signature: Path | None
    signers: tuple[str, ...]
    logs: tuple[str, ...]
    threshold: int
    quorum: Path | None
    revoked: tuple[Path, ...]
    ignore_unsigned: tuple[str, ...]
    openssf_key: Path | None
    identity: str | None
    issuer: str | None
    trust_config: Path | None
    allow_classical: bool
    record: bool | None
    format_: str | None
    output: Path | None
    strict: bool


def verify_model(wanted: Wanted, ahead: Ahead | None, *, quiet: bool) -> int:
    """Verify, deliver the report, and record it where that is asked for; the exit code.

    ahead  what hashes the model already; None where an OpenSSF bundle is to be verified
    """
    way = chosen(wanted.format_, wanted.output, strict=wanted.strict)
    home = need_home(Path.cwd()) if wanted.record else find_home(Path.cwd())
    file = wanted.signature or beside(wanted.model, *([OPENSSF_SUFFIX] if ahead is None else []))
    if wanted.output is not None:
        keys = filter(None, (wanted.openssf_key, wanted.trust_config))
        apart("the report", wanted.output, read=map(str, (wanted.model, file, *wanted.revoked, *keys)))
    if ahead is None:
        verified = functools.partial(_openssf, wanted, home, file, quiet=quiet)
    else:
        pins = relied_on(
            home,
            wanted.signers,
            wanted.logs,
            threshold=wanted.threshold,
            lists=wanted.revoked,
            quorum=wanted.quorum,
        )
        verified = functools.partial(_own, wanted, home, _bundle_at(file), pins, ahead=ahead, quiet=quiet)
    if home is None or not is_recorded(home, wanted.record):
        return deliver(Record(report=verified()), way)
    with open_recorder(home) as recorder:
        return deliver(recorder.report(verified()), way)


def _own(
    wanted: Wanted, home: Home | None, bundle: bytes, pins: Pins, *, ahead: Ahead, quiet: bool
) -> Report:
    """The report; what differs from the policy's own way stands in its parameters, for a gate to see."""
    given = wanted.signers or wanted.logs
    parameters: Parameters = {"signers": [*sorted(pins.signers)]} if given else {}
    with progress_line("hash", quiet=quiet) as line:
        return verified_release(
            wanted.model,
            bundle,
            pins if wanted.signers else as_told(pins, home, wanted.model),
            clock=system_clock(),
            ignored=wanted.ignore_unsigned,
            parameters=parameters,
            progress=line.say,
            hashed=ahead.manifest,
        )


def _openssf(wanted: Wanted, home: Home | None, file: Path, *, quiet: bool) -> Report:
    """The report about a bundle of OpenSSF model signing, by a key or keyless."""
    from ancile.cli.openssf_report import Terms  # noqa: PLC0415 - it loads X.509, and few ask for it

    _require_alone(wanted)
    lists = taken_back(known_keys(home).revoked, wanted.revoked)
    terms = Terms(wanted.model, file, wanted.allow_classical, wanted.ignore_unsigned, lists)
    if wanted.openssf_key is None:
        from ancile.cli.verify_keyless import keyless_report  # noqa: PLC0415 - it loads Sigstore's library

        if wanted.identity is None or wanted.issuer is None:
            raise AncileError(
                "whose keyless signature it has to be is half said",
                value=f"--identity {wanted.identity or 'missing'}, --issuer {wanted.issuer or 'missing'}",
                remedy="give both: a name means something only with the provider that vouched for it",
            )
        return keyless_report(
            terms,
            identity=wanted.identity,
            issuer=wanted.issuer,
            trust_config=wanted.trust_config,
            quiet=quiet,
        )
    from ancile.cli.openssf import openssf_report  # noqa: PLC0415 - few ask

    return openssf_report(terms, wanted.openssf_key, quiet=quiet)


def _require_alone(wanted: Wanted) -> None:
    """An OpenSSF bundle has one signature and no log of ours: a flag that asks for more is met by nothing."""
    if wanted.signers or wanted.logs or wanted.threshold != 1 or wanted.quorum is not None:
        raise AncileError(
            "an OpenSSF bundle has one signer, and no log",
            value="--openssf-key or --identity with --signer, --log, --quorum or --threshold",
            remedy="leave those out, or verify the bundle that `ancile sign` wrote",
        )
    if wanted.openssf_key is not None and (wanted.identity or wanted.issuer or wanted.trust_config):
        raise AncileError(
            "a bundle is signed with a key or keyless, not both",
            value="--openssf-key with --identity, --issuer or --trust-config",
            remedy="choose one of them",
        )


def _bundle_at(file: Path) -> bytes:
    try:
        data = read_bundle(file)
    except AncileError as reason:
        raise AncileError(
            "there is no bundle to verify it with",
            value=reason.value,
            remedy="give the file that `ancile sign` wrote: --signature FILE",
        ) from reason
    if SIGSTORE in data:
        raise AncileError(
            "this is an OpenSSF bundle, which is classical only",
            value=plain(str(file)),
            remedy="give the signer's public key or certificates: --openssf-key FILE; "
            "of a keyless one --identity and --issuer",
        )
    return data
