"""An OpenSSF bundle judged like any release: the same facts, the same findings, and classical only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.release import verification
from ancile.release.keyless import Keyless
from ancile.release.manifest import Manifest, manifest_of
from ancile.release.openssf import Opened, Trusted, differences, read_openssf
from ancile.release.openssf_form import ITSELF, parse_bundle
from ancile.release.verification import Signed, Standing, Verification


def verify_openssf(
    data: bytes,
    path: Path,
    trusted: Trusted,
    *,
    clock: Callable[[], datetime],
    allow_classical: bool = False,
    ignored: Sequence[str] = (),
    revoked: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """What the bundle says of the files at a path, to somebody who trusts this key, certificate or name.

    allow_classical  whether the lack of a post-quantum signature is let through
    ignored          shell patterns of percent-encoded paths that need no signature
    revoked          SHA-256 of a key's PEM, or digest of a subject, as ``sha256:<hex>``, to the reason
    AncileError for what is no bundle, and for files that cannot be hashed; a signature that does not hold is
    a fact.
    """
    parse_bundle(data)
    broken, opened = "", None
    try:
        opened = read_openssf(data, trusted)
    except AncileError as reason:
        broken = plain(f"{reason.what}: {reason.value}", 300)
    with_blake2b = opened is not None and opened.signed.algorithm == "blake2b"
    manifest = manifest_of(path, blake2b=with_blake2b, progress=progress)
    subject, now, taken_back = manifest.subject(), clock(), revoked or {}
    has_logs = isinstance(trusted, Keyless)
    if opened is None:
        return Verification(
            subject=subject, now=now, threshold=1, has_logs=has_logs, scheme="classical", broken=broken
        )
    return Verification(
        subject=subject,
        now=now,
        threshold=1,
        has_logs=has_logs,
        scheme="classical",
        signed_name=opened.signed.name,
        differences=_told(opened, manifest, tuple(ignored)),
        signatures=(_signature(opened, taken_back),),
        time=opened.time,
        expires=opened.until,
        revocations=len(taken_back),
        taken_back=taken_back.get(subject.digest, ""),
        allow_classical=allow_classical,
    )


def _signature(opened: Opened, revoked: Mapping[str, str]) -> Signed:
    signer = f"sha256:{opened.key}"
    why = revoked.get(signer, "")
    standing: Standing = "revoked" if why else "unknown signer" if opened.stranger else "counts"
    why = why or opened.stranger
    return Signed(signer, opened.name, opened.log, opened.entry, opened.time, standing, why)


def _told(opened: Opened, manifest: Manifest, patterns: tuple[str, ...]) -> verification.Differences:
    """The differences in the words of a release; a bundle of which nothing is here is another model's."""
    found, signed = differences(opened.signed, manifest), opened.signed.digests
    if ITSELF in signed and manifest.alone:
        name = next(iter(manifest.parts))
        return verification.Differences(changed=(name,) if found.changed else ())
    if len(found.changed) + len(found.missing) == len(signed):
        return verification.Differences(is_other=True)
    let_through = {path for path in found.extra if any(fnmatchcase(path, one) for one in patterns)}
    return verification.Differences(
        changed=found.changed,
        missing=found.missing,
        unsigned=tuple(path for path in found.extra if path not in let_through),
        ignored=tuple(sorted(let_through)),
        uncovered=found.uncovered,
    )
