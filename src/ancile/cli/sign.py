"""``ancile sign MODEL``: let exactly these bytes go: signed, recorded, in a bundle that verifies offline."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import quiet_option
from ancile.release.ahead import Ahead


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Bundle; else MODEL.ancile.json.")
@click.option("--expires", help="From when on it is not to be used, such as 90d; else never.")
@click.option("--cosign", type=click.Path(path_type=Path), help="Sign what others signed in this bundle.")
@click.option("--openssf", type=click.Path(path_type=Path), help="EC key; also write MODEL.sig with it.")
@click.option(
    "--keyless",
    is_flag=True,
    help="Also write MODEL.sig by your identity through Sigstore: uses the network.",
)
@click.option(
    "--trust-config", type=click.Path(path_type=Path), help="Sigstore instance; else the public one."
)
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
    keyless: bool,
    trust_config: Path | None,
    quorum: Path | None,
    allow_failed_scan: bool,
    quiet: bool,
) -> None:
    """Sign MODEL, a folder or a file, as it is now: Ed25519 and ML-DSA-65 together.

    The signature is an entry of the ledger. A bundle beside the model carries it with its inclusion proof:
    `ancile verify` needs nothing else. No byte of the model is touched.
    """
    with Ahead(model) as ahead:  # files are hashed while what else is needed is loaded
        from ancile.cli.signing import Wanted, sign_model  # noqa: PLC0415 - see above

        sign_model(
            Wanted(
                model=model,
                output=output,
                expires=expires,
                cosign=cosign,
                openssf=openssf,
                keyless=keyless,
                trust_config=trust_config,
                quorum=quorum,
                allow_failed_scan=allow_failed_scan,
            ),
            ahead,
            quiet=quiet,
        )
