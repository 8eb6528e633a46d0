"""``ancile verify MODEL``: the bytes at hand against the bundle that their signers gave out."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import click

from ancile.cli.gating import read_bundle
from ancile.cli.home import find_home, need_home
from ancile.cli.output import apart, chosen, deliver, output_options, quiet_option, record_option
from ancile.cli.recorder import open_recorder
from ancile.cli.relying import known_keys, relied_on, taken_back
from ancile.cli.sign import OPENSSF_SUFFIX, SIGSTORE, beside
from ancile.core.errors import AncileError
from ancile.core.report import Parameters, Record, Report
from ancile.core.text import plain
from ancile.release.pins import Pins
from ancile.release.stage import verify as verified_release
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--signature", type=click.Path(path_type=Path), help="Bundle; else MODEL.ancile.json.")
@click.option(
    "--signer",
    "signers",
    multiple=True,
    help="Who must have signed: id, line, or file of `ancile keys export`.",
)
@click.option("--log", "logs", multiple=True, help="Verifier keys of the signers' logs, two of each.")
@click.option(
    "--threshold", type=click.IntRange(min=1), default=1, show_default=True, help="How many signers."
)
@click.option("--quorum", type=click.Path(path_type=Path), help="C2SP tlog-policy that must be satisfied.")
@click.option(
    "--revoked",
    multiple=True,
    type=click.Path(path_type=Path),
    help="List of what was taken back, or evidence.",
)
@click.option("--ignore-unsigned", multiple=True, help="Let unsigned files of this shell pattern through.")
@click.option(
    "--openssf-key",
    type=click.Path(path_type=Path),
    help="An OpenSSF bundle by this public key, or by who has a certificate from these; else MODEL.sig.",
)
@click.option("--allow-classical", is_flag=True, help="Although no post-quantum key has signed it.")
@record_option
@quiet_option
@output_options
def verify(
    model: Path,
    *,
    signature: Path | None,
    signers: tuple[str, ...],
    logs: tuple[str, ...],
    threshold: int,
    quorum: Path | None,
    revoked: tuple[Path, ...],
    ignore_unsigned: tuple[str, ...],
    openssf_key: Path | None,
    allow_classical: bool,
    record: bool | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Say whether MODEL is, byte for byte, what signers on whom you rely have signed.

    Offline, and without `ancile init` where --signer says on whom; else the authors and logs of ancile.toml
    count. Exit codes: 0 it verifies, 1 it does not, 2 there is nothing to verify it with.
    """
    way = chosen(format_, output, strict=strict)
    home = need_home(Path.cwd()) if record else find_home(Path.cwd())
    file = signature or (beside(model, OPENSSF_SUFFIX) if openssf_key else beside(model))
    if output is not None:
        apart("the report", output, read=map(str, (model, file, *revoked, *filter(None, [openssf_key]))))
    if openssf_key is not None:
        from ancile.cli.openssf import Asked, openssf_report  # noqa: PLC0415 - it loads X.509, and few ask

        _require_alone(signers, logs, threshold)
        lists = taken_back(known_keys(home).revoked, revoked)
        theirs = Asked(model, file, openssf_key, allow_classical, ignore_unsigned, lists)
        verified = functools.partial(openssf_report, theirs, quiet=quiet)
    else:
        pins = relied_on(home, signers, logs, threshold=threshold, lists=revoked, quorum=quorum, model=model)
        asked = _Asked(model, _bundle_at(file), pins, ignore_unsigned)
        parameters: Parameters = {"signers": [*sorted(pins.signers)]} if signers or logs else {}
        verified = functools.partial(_verified, asked, parameters, quiet=quiet)
    if home is None or record is False:
        return deliver(Record(report=verified()), way)
    with open_recorder(home) as recorder:
        return deliver(recorder.report(verified()), way)


def _require_alone(signers: Collection[str], logs: Collection[str], threshold: int) -> None:
    """An OpenSSF bundle has one signature and no log: a flag that asks for more would be met by nothing."""
    if signers or logs or threshold != 1:
        raise AncileError(
            "an OpenSSF bundle has one signer, and no log",
            value="--openssf-key with --signer, --log or --threshold",
            remedy="leave those out, or verify the bundle that `ancile sign` wrote",
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
            remedy="give the signer's public key or certificates: --openssf-key FILE",
        )
    return data


class _Asked(NamedTuple):
    model: Path
    bundle: bytes
    pins: Pins
    ignored: tuple[str, ...]


def _verified(asked: _Asked, parameters: Parameters, *, quiet: bool) -> Report:
    """The report; what differs from the policy's own way stands in its parameters, for a gate to see."""
    with progress_line("hash", quiet=quiet) as line:
        return verified_release(
            asked.model,
            asked.bundle,
            asked.pins,
            clock=system_clock(),
            ignored=asked.ignored,
            parameters=parameters,
            progress=line.say,
        )
