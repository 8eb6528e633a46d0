"""OpenSSF bundles at the command line: a second file of ``ancile sign``, another way to ``ancile verify``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from ancile.cli.openssf_report import Terms, bytes_at, judged
from ancile.cli.signature_second import write_second
from ancile.core.report import Parameters, Report
from ancile.core.text import plain
from ancile.release.manifest import Manifest
from ancile.release.openssf import openssf_bundle
from ancile.release.openssf_form import LARGEST
from ancile.release.openssf_keys import LARGEST as LARGEST_PEM
from ancile.release.openssf_keys import private_key, trusted
from ancile.release.verification import Verification
from ancile.trust.passphrase import passphrase
from ancile.trust.private_file import read_private

OWN = "ANCILE_OPENSSF_PASSPHRASE"  # with _FILE and _KEYRING, as the keys' own variables


def signing_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The private key in a PEM file that nobody else can read."""
    pem = read_private(path, limit=LARGEST_PEM)
    return private_key(pem, name=str(path), passphrase=lambda: _passphrase(path))


def _passphrase(path: Path) -> bytes:
    renamed = {
        name.replace(OWN, "ANCILE_PASSPHRASE"): value
        for name, value in os.environ.items()
        if name.startswith(OWN)
    }
    return passphrase(renamed, prompt=f"passphrase of {plain(path.name, 60)}")


class Second(NamedTuple):
    """The second file of a signing: with which key, and where it goes."""

    key: ec.EllipticCurvePrivateKey
    target: Path

    def bundle(self, manifest: Manifest) -> bytes:
        """What will be in it."""
        return openssf_bundle(manifest, self.key)

    def write(self, data: bytes, manifest: Manifest) -> None:
        """Write it, whole or not at all; what it does not cover is said."""
        write_second(self.target, data, manifest)


def openssf_report(terms: Terms, key: Path, *, quiet: bool) -> Report:
    """The verification of an OpenSSF bundle as a report.

    key  file with the signer's public key, or with certificates
    """
    read = partial(
        bytes_at,
        what="file cannot be read",
        remedy="name the bundle with --signature, and the signer's public key with --openssf-key",
    )
    whose = trusted(read(key, limit=LARGEST_PEM), name=str(key))
    data = read(terms.signature, limit=LARGEST)

    def told(facts: Verification) -> Parameters:
        return {"signers": [one.signer for one in facts.signatures]}

    return judged(data, terms, whose, told=told, quiet=quiet)
