"""The manifest of a model: each file's path and plain SHA-256, from bytes that were opened and read once.

What OpenSSF model signing leaves out by default (``.git/``, ``.gitignore`` …) is in it: a file that is
shipped and not signed is where a change goes unnoticed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import DIGEST, Kind, Subject, digest_of, manifest_digest, subject_of_parts
from ancile.core.text import plain
from ancile.work.hashing import ChangedError, Hashed, NotRegularError, hash_files
from ancile.work.listing import Entry, after_the_tick, changed, files_below, unreadable

# Bytes of a statement, which names a folder's files and is longer than their listing
LARGEST_LISTING = 16 << 20


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder or a file holds.

    name     last part of its path, fit to be shown; for people
    parts    percent-encoded path below the folder to ``sha256:<hex>``, sorted; of a single file its name
    sizes    path to bytes
    alone    whether it is a single file
    ignored  what the caller left out
    blake2b  path to BLAKE2b in hexadecimal, where it was asked for
    """

    name: str
    parts: dict[str, str]
    sizes: dict[str, int]
    alone: bool = False
    ignored: tuple[str, ...] = ()
    blake2b: dict[str, str] = {}

    def subject(self, kind: Kind = "model") -> Subject:
        """The subject that these files are; a single file is named by its plain SHA-256."""
        if self.alone:
            return Subject(kind=kind, name=self.name, digest=next(iter(self.parts.values())))
        return subject_of_parts(kind, self.name, self.parts)


def manifest_of(
    path: Path,
    *,
    ignored: Collection[str] = (),
    blake2b: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """The manifest of every regular file in a folder, whatever its name, or of one file.

    ignored   percent-encoded paths below the folder; a folder's leaves out all that is in it
    blake2b   whether BLAKE2b digests are taken from the same bytes
    workers   threads that hash; as many as cores without it
    progress  is told bytes read and bytes in all, from the calling thread
    AncileError for what has no plain content (links, pipes, devices, sockets), for what cannot be read or
    changes meanwhile, and where there is no file at all.
    """
    left_out = frozenset(one.rstrip("/") for one in ignored)
    listed = files_below(path, ignored=left_out)
    entries = list(listed.files.values())
    after_the_tick(entries)
    hashed = hash_files(
        [entry.path for entry in entries],
        [entry.seen.size for entry in entries],
        blake2b=blake2b,
        workers=workers,
        progress=progress,
    )
    found = _unchanged(listed.files, hashed)
    if files_below(path, ignored=left_out) != listed:
        raise changed(str(path))
    return Manifest(
        name=plain(Path(os.path.realpath(path)).name or "/"),
        parts={name: f"sha256:{one.sha256}" for name, one in found.items()},
        sizes={name: one.size for name, one in found.items()},
        alone=listed.alone,
        ignored=tuple(sorted(left_out)),
        blake2b={name: one.blake2b for name, one in found.items()} if blake2b else {},
    )


def require_no_listing(path: Path, manifest: Manifest) -> None:
    """Refuse a single file whose text is the canonical manifest of a folder: both would have one digest.

    ``ancile verify`` tells a file from a folder; whoever looks at nothing but the digest does not.
    """
    if not manifest.alone or sum(manifest.sizes.values()) > LARGEST_LISTING:
        return
    with path.open("rb") as file:
        data = file.read(LARGEST_LISTING + 1)
    if digest_of(data) != manifest.subject().digest:
        raise changed(str(path))
    try:
        listed = msgspec.json.decode(data, type=dict[str, str])
    except (msgspec.DecodeError, ValueError):
        return
    if listed and all(map(DIGEST.fullmatch, listed.values())) and manifest_digest(listed) == digest_of(data):
        raise AncileError(
            "this file is the manifest of a folder, and has the same digest as that folder",
            value=plain(str(path)),
            remedy="sign the folder itself; or write the list with a line feed at its end",
        )


def _unchanged(listed: Mapping[str, Entry], hashed: list[Hashed | Exception]) -> dict[str, Hashed]:
    """What was hashed, if it is what was listed."""
    found: dict[str, Hashed] = {}
    for (name, entry), one in zip(listed.items(), hashed, strict=True):
        if isinstance(one, OSError):
            raise unreadable(str(entry.path), one) from one
        if isinstance(one, ChangedError | NotRegularError) or (
            isinstance(one, Hashed) and one.seen != entry.seen
        ):
            raise changed(str(entry.path))
        if isinstance(one, Hashed):
            found[name] = one
    return found
