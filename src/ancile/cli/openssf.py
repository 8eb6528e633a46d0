"""OpenSSF bundles at the command line: a second file of ``ancile sign``, another way to ``ancile verify``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from ancile.cli.output import talk, write_whole
from ancile.cli.reading import no_waiting
from ancile.core.errors import AncileError
from ancile.core.report import Parameters, Report
from ancile.core.text import plain
from ancile.release.checks import verification_report
from ancile.release.manifest import Manifest
from ancile.release.openssf import left_out, openssf_bundle
from ancile.release.openssf_form import LARGEST
from ancile.release.openssf_keys import LARGEST as LARGEST_PEM
from ancile.release.openssf_keys import private_key, trusted
from ancile.release.openssf_verify import verify_openssf
from ancile.render.phrases import counted
from ancile.trust.passphrase import passphrase
from ancile.trust.private_file import read_private
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line

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
        write_whole(self.target, data)
        talk(f"OpenSSF bundle, classical only, in {self.target}")
        below = left_out(manifest)
        if below:
            talk(
                f"it covers all but {counted(len(below), 'file')} that model_signing leaves out: {below[0]} …"
            )


class Asked(NamedTuple):
    """A verification that was asked for.

    trusted  file with the signer's public key, or with certificates
    revoked  SHA-256 of keys and subjects to the reason
    """

    model: Path
    signature: Path
    trusted: Path
    allow_classical: bool
    ignored: tuple[str, ...]
    revoked: Mapping[str, str]


def openssf_report(asked: Asked, *, quiet: bool) -> Report:
    """The verification of an OpenSSF bundle as a report."""
    clock = system_clock()
    started = clock.now()
    key = trusted(_bytes(asked.trusted, LARGEST_PEM), name=str(asked.trusted))
    data = _bytes(asked.signature, LARGEST)
    with progress_line("hash", quiet=quiet) as line:
        facts = verify_openssf(
            data,
            asked.model,
            key,
            clock=clock.now,
            allow_classical=asked.allow_classical,
            ignored=asked.ignored,
            revoked=asked.revoked,
            progress=line.say,
        )
    parameters: Parameters = {"signers": [one.signer for one in facts.signatures]}
    if asked.ignored:
        parameters["ignore_unsigned"] = [*asked.ignored]
    return verification_report(facts, parameters=parameters, started=started, finished=clock.now())


def _bytes(path: Path, limit: int) -> bytes:
    try:
        with open(path, "rb", opener=no_waiting) as file:
            return file.read(limit + 1)
    except OSError as reason:
        raise AncileError(
            "file cannot be read",
            value=f"{plain(str(path))}: {reason.strerror}",
            remedy="name the bundle with --signature, and the signer's public key with --openssf-key",
        ) from reason
