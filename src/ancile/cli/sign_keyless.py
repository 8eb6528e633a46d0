"""The second file of ``ancile sign --keyless``: by an identity instead of a key, through Sigstore."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ancile.cli.output import talk
from ancile.cli.signature_second import write_second
from ancile.core.text import plain
from ancile.release.keyless import instance
from ancile.release.keyless_sign import identity_token, services, sign_keyless
from ancile.release.manifest import Manifest
from ancile.release.openssf import fit_to_read, openssf_statement

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken


class SecondKeyless(NamedTuple):
    """The second file of a signing: by whom, through which instance, and where it goes."""

    token: IdentityToken
    config: ClientTrustConfig
    target: Path

    def bundle(self, manifest: Manifest) -> bytes:
        """What will be in it; from here on the signature stands in a public log."""
        made = sign_keyless(openssf_statement(manifest), self.token, self.config)
        talk(f"keyless by {plain(made.identity, 100)}: verify it with")
        talk(f"  --identity '{plain(made.identity, 150)}' --issuer '{plain(made.issuer, 150)}'")
        return fit_to_read(made.data)

    def write(self, data: bytes, manifest: Manifest) -> None:
        """Write it, whole or not at all; what it does not cover is said."""
        write_second(self.target, data, manifest)


def second_keyless(target: Path, trust_config: Path | None) -> SecondKeyless:
    """The second file, once the instance is known and somebody has said who signs."""
    config = instance(trust_config)
    asked = services(config)
    talk(f"keyless: your identity and the digests go to {asked.authority} and, to stay public, {asked.log}")
    for stamp in asked.stamps:
        talk(f"keyless: a time stamp comes from {stamp}")
    ask = sys.stdin is not None and sys.stdin.isatty()
    return SecondKeyless(identity_token(config, os.environ, ask=ask), config, target)
