"""The report of a verification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.report import Parameters, Report
from ancile.release.checks import verification_report
from ancile.release.manifest import Manifest, manifest_of
from ancile.release.pins import Pins
from ancile.release.verification import verify_release
from ancile.trust.bundle import LARGEST, Bundle, parse_bundle
from ancile.work.clock import Clock

Progress = Callable[[int, int], None]


def verify(
    model: Path,
    bundle: bytes,
    pins: Pins,
    *,
    clock: Clock,
    ignored: Sequence[str] = (),
    parameters: Parameters | None = None,
    progress: Progress | None = None,
    hashed: Callable[[Progress | None], Manifest] | None = None,
) -> Report:
    """Whether the model is what signers on whom the pins rely have released: pass or fail, with findings.

    model       folder or file; each file is read once
    bundle      bytes of the file that ``ancile sign`` wrote
    ignored     shell patterns of percent-encoded paths that need no signature
    parameters  what else the report is to say of how it was asked for
    progress    is told bytes read and bytes in all
    hashed      gives the model's manifest where somebody makes it already; else it is made here
    AncileError where the bundle is none, or the model cannot be hashed.
    """
    started, parsed = clock.now(), _parsed(bundle)
    manifest = manifest_of(model, progress=progress) if hashed is None else hashed(progress)
    subject = manifest.subject()
    facts = verify_release(parsed, subject, pins, now=clock.now(), ignored=ignored)
    let_through: Parameters = {"ignore_unsigned": [*ignored]} if ignored else {}
    return verification_report(
        facts, parameters=(parameters or {}) | let_through, started=started, finished=clock.now()
    )


def _parsed(bundle: bytes) -> Bundle:
    """The bundle; its reader cannot write it once more, whoever signed can."""
    try:
        return parse_bundle(bundle)
    except AncileError as reason:
        if len(bundle) > LARGEST:
            raise
        raise AncileError(
            reason.what,
            value=reason.value,
            remedy="take the file that `ancile sign` wrote from the signer once more",
        ) from reason
