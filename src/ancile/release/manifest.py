"""The manifest of a model: each file's path and plain SHA-256, from bytes that were opened and read once.

What OpenSSF model signing leaves out by default (``.git/``, ``.gitignore`` …) is in it: a file that is
shipped and not signed is where a change goes unnoticed.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import (
    DIGEST,
    Kind,
    Subject,
    digest_of,
    manifest_digest,
    percent_encoded,
    subject_of_parts,
)
from ancile.core.text import plain
from ancile.work.hashing import ChangedError, Hashed, NotRegularError, Seen, hash_files, seen

MOST_FILES = 1_000_000  # of one manifest
MOST_DEPTH = 200  # folders within folders; with names of 255 bytes a path is longer than any program takes
LONGEST_HOLE = 64 << 30  # bytes: below it hashing what is no data takes a minute at most
LEAST_SHARE = 0.01  # of a longer file that is on the disk; weights do not compress to that
LARGEST_LISTING = (
    16 << 20
)  # bytes of a statement, which names a folder's files and is longer than their listing
SHOWN = 3  # faults that are named; the rest is counted
TICK_NS = (
    20_000_000  # within one tick of the kernel (10 ms at most) a second write leaves the times as they are
)


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


class _Entry(NamedTuple):
    """A file as the folder was listed: where it is, and which one it was."""

    path: Path
    seen: Seen


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
    alone, listed = _listed(path, left_out)
    if not listed:
        raise AncileError(
            "there is no file to hash",
            value=plain(str(path)),
            remedy="name a folder with the model's files, or the file itself",
        )
    entries = list(listed.values())
    _after_the_tick(entries)
    hashed = hash_files(
        [entry.path for entry in entries],
        [entry.seen.size for entry in entries],
        blake2b=blake2b,
        workers=workers,
        progress=progress,
    )
    found = _unchanged(listed, hashed)
    if _listed(path, left_out) != (alone, listed):
        raise _changed(str(path))
    return Manifest(
        name=plain(Path(os.path.realpath(path)).name or "/"),
        parts={name: f"sha256:{one.sha256}" for name, one in found.items()},
        sizes={name: one.size for name, one in found.items()},
        alone=alone,
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
        raise _changed(str(path))
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


def _after_the_tick(entries: Sequence[_Entry]) -> None:
    """Come back when any further write to the files will show in their times."""
    age = time.time_ns() - max(entry.seen.changed_ns for entry in entries)
    if 0 <= age < TICK_NS:
        time.sleep((TICK_NS - age) / 1e9)


def _unchanged(listed: Mapping[str, _Entry], hashed: list[Hashed | Exception]) -> dict[str, Hashed]:
    """What was hashed, if it is what was listed."""
    found: dict[str, Hashed] = {}
    for (name, entry), one in zip(listed.items(), hashed, strict=True):
        if isinstance(one, OSError):
            raise _unreadable(str(entry.path), one) from one
        if isinstance(one, ChangedError | NotRegularError) or (
            isinstance(one, Hashed) and one.seen != entry.seen
        ):
            raise _changed(str(entry.path))
        if isinstance(one, Hashed):
            found[name] = one
    return found


def _listed(path: Path, ignored: frozenset[str]) -> tuple[bool, dict[str, _Entry]]:
    """Whether the path is a single file, and the files by percent-encoded path, sorted."""
    try:
        root = Path(os.path.realpath(path, strict=True))  # a link that the user named leads where it leads
        info = root.stat()
    except (OSError, ValueError) as reason:
        raise _unreadable(str(path), reason) from reason
    if not stat.S_ISDIR(info.st_mode):
        faults = _faults(root, info)
        if faults:
            raise _refused(faults)
        return True, {percent_encoded(root.name): _Entry(root, seen(info))}
    found: dict[str, _Entry] = {}
    faults = []
    _walk(root, ignored, found, faults)
    if faults:
        raise _refused(faults)
    return False, dict(sorted(found.items()))


def _walk(root: Path, ignored: frozenset[str], found: dict[str, _Entry], faults: list[str]) -> None:
    """Add the files in a folder and all folders in it; what cannot be hashed is a fault."""
    waiting = [(root, "", 0)]
    while waiting:
        folder, below, depth = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = below + percent_encoded(entry.name)
                    path = folder / entry.name
                    if name in ignored:
                        continue
                    info = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(info.st_mode) and depth < MOST_DEPTH:
                        waiting.append((path, f"{name}/", depth + 1))
                        continue
                    faults += _faults(path, info)
                    found[name] = _Entry(path, seen(info))
        except OSError as reason:
            faults.append(f"{plain(str(folder))}: {reason.strerror}")
        if len(found) > MOST_FILES:
            raise AncileError(
                "the folder has too many files for one manifest",
                value=f"{plain(str(root))}: more than {MOST_FILES}",
                remedy="pack them into archives, or sign the folders in it one by one",
            )


KINDS = {  # of what has no content of its own
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: f"more than {MOST_DEPTH} folders deep",
}


def _faults(path: Path, info: os.stat_result) -> list[str]:
    kind = KINDS.get(stat.S_IFMT(info.st_mode))
    if kind is None and not os.access(path, os.R_OK, effective_ids=True):
        kind = "no right to read it"
    elif kind is None and info.st_size > LONGEST_HOLE and info.st_blocks * 512 < LEAST_SHARE * info.st_size:
        kind = f"{info.st_size} bytes long, and almost nothing of it on the disk"
    return [f"{plain(str(path))}: {kind}"] if kind else []


def _refused(faults: list[str]) -> AncileError:
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return AncileError(
        "not everything here can be hashed",
        value="; ".join(sorted(faults)[:SHOWN]) + more,
        remedy="put plain files there that you may read: `cp -rL` copies what links lead to",
    )


def _unreadable(path: str, reason: OSError | ValueError) -> AncileError:
    return AncileError(
        "cannot be read",
        value=f"{plain(path)}: {plain(getattr(reason, 'strerror', None) or str(reason))}",
        remedy="name a file or folder that is there and that you may read",
    )


def _changed(path: str) -> AncileError:
    return AncileError(
        "changed while it was read", value=plain(path), remedy="wait until its writer is done, and repeat"
    )
