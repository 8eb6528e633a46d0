"""The second file of a signing: a bundle for OpenSSF model signing, beside our own."""

from __future__ import annotations

from pathlib import Path

from ancile.cli.output import talk
from ancile.cli.signature_writing import write_bundle
from ancile.release.manifest import Manifest
from ancile.release.openssf import left_out
from ancile.render.phrases import counted


def write_second(path: Path, data: bytes, manifest: Manifest) -> None:
    """Write the OpenSSF bundle beside a release; what it does not cover is said."""
    write_bundle(path, data)
    talk(f"OpenSSF bundle, classical only, in {path}")
    if below := left_out(manifest):
        talk(f"it covers all but {counted(len(below), 'file')} that model_signing leaves out: {below[0]} …")
