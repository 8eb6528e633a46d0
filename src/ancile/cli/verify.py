"""``ancile verify MODEL``: the bytes at hand against the bundle that their signers gave out."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from ancile.cli.output import output_options, quiet_option, record_option
from ancile.release.ahead import Ahead


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
@click.option("--identity", help="An OpenSSF bundle signed keyless under exactly this name; else MODEL.sig.")
@click.option("--issuer", help="URL of the identity provider that vouched for the name.")
@click.option(
    "--trust-config", type=click.Path(path_type=Path), help="Sigstore instance; else the public one."
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
    identity: str | None,
    issuer: str | None,
    trust_config: Path | None,
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
    openssf = any(one is not None for one in (openssf_key, identity, issuer, trust_config))
    # Files are hashed while what else is needed is loaded; an OpenSSF bundle first says with which digest
    with nullcontext() if openssf else Ahead(model) as ahead:
        from ancile.cli.verifying import Wanted, verify_model  # noqa: PLC0415 - see above

        return verify_model(
            Wanted(
                model=model,
                signature=signature,
                signers=signers,
                logs=logs,
                threshold=threshold,
                quorum=quorum,
                revoked=revoked,
                ignore_unsigned=ignore_unsigned,
                openssf_key=openssf_key,
                identity=identity,
                issuer=issuer,
                trust_config=trust_config,
                allow_classical=allow_classical,
                record=record,
                format_=format_,
                output=output,
                strict=strict,
            ),
            ahead,
            quiet=quiet,
        )
