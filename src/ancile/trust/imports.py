"""Bundles from elsewhere, kept under their digests; what they say is verified anew at every use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of, percent_encoded
from ancile.trust.bundle import LARGEST
from ancile.trust.evidence import VerifiedEvidence, verify_bundle
from ancile.trust.private_file import is_private_folder, locked, read_private, write_private

MOST_BUNDLES = 10_000


def import_bundle(folder: Path, data: bytes) -> str:
    """The digest under which ``data`` is kept in ``folder`` now; a bundle that does not hold is refused.

    Whether its log and signers count is no question here: the policy may change, the bundle stays.
    """
    verify_bundle(data, logs=(), authors=())
    digest = digest_of(data)
    path = folder / f"{digest.removeprefix('sha256:')}.json"
    with locked(folder):
        if not path.exists():
            write_private(path, data, replace=False)
    return digest


def imported(folder: Path, *, logs: Sequence[str], authors: Sequence[str]) -> Iterator[VerifiedEvidence]:
    """Everything in the folder's bundles, verified; a bundle that was changed is an error that names it."""
    paths = sorted(folder.glob("*.json")) if is_private_folder(folder) else []
    if len(paths) > MOST_BUNDLES:
        raise AncileError(
            "too many imported bundles",
            value=f"{len(paths)}",
            remedy=f"remove old ones from {percent_encoded(folder)}: at most {MOST_BUNDLES}",
        )
    for path in paths:
        data = read_private(path, limit=LARGEST)
        if digest_of(data) != f"sha256:{path.stem}":
            raise AncileError(
                "imported bundle was changed",
                value=percent_encoded(path),
                remedy="remove it and import it once more",
            )
        yield from verify_bundle(data, logs=logs, authors=authors)
