"""``ancile ledger input``: what stood behind the digest in a verdict, for who has the key."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import click

from ancile.cli.home import need_home
from ancile.cli.output import talk
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.passphrase import passphrase

LARGEST = 1 << 16  # bytes of a private key


@click.command("input")
@click.argument("digest")
@click.option(
    "--key", required=True, metavar="FILE", type=click.Path(path_type=Path), help="Private key (PEM)."
)
def input_(digest: str, *, key: Path) -> None:
    """Show the input that has this DIGEST in a verdict, as it was sent; it is kept with inputs = "encrypted".

    FILE is the private half of [serve] inputs_key; it is not on the gateway.
    """
    from ancile.cli.in_force import FOLDER  # noqa: PLC0415 - the gateway's, for this alone
    from ancile.serve.kept_inputs import private_key, read_kept  # noqa: PLC0415 - needs numpy, unlike the ledger

    home = need_home(Path.cwd())
    try:
        with key.open("rb") as file:
            pem = file.read(LARGEST)
    except OSError as reason:
        raise AncileError(
            "the key cannot be read", value=plain(f"{key}: {reason.strerror}"), remedy="check the path"
        ) from reason
    secret = private_key(pem, lambda: passphrase(os.environ, prompt=f"passphrase of {key}"))
    found = read_kept(home.folder / FOLDER, digest, secret)
    if not found:
        raise AncileError(
            "no such input is kept here",
            value=plain(digest),
            remedy="`ancile ledger log --kind verdict --format json` has digests; old inputs are erased",
        )
    for one in found:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one.at))
        talk(f"{plain(one.who)} asked {plain(one.model)} at {when}")
        click.echo(json.dumps(json.loads(one.body), separators=(",", ":")))
