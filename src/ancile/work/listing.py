"""The regular files of a folder, or one file, as they were when listed; what has no content is refused."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded
from ancile.core.text import plain
from ancile.work.hashing import Seen, seen

MOST_FILES = 1_000_000  # of one listing
MOST_DEPTH = 200  # folders within folders; with names of 255 bytes a path is longer than any program takes
LONGEST_HOLE = 64 << 30  # bytes: below it hashing what is no data takes a minute at most
LEAST_SHARE = 0.01  # of a longer file that is on the disk; weights do not compress to that
SHOWN = 3  # faults that are named; the rest is counted
# Within one tick of the kernel (10 ms at most) a second write leaves the times as they are
TICK_NS = 20_000_000


class Entry(NamedTuple):
    """A file as the folder was listed: where it is, and which one it was."""

    path: Path
    seen: Seen


class Listing(NamedTuple):
    """Files by percent-encoded path below the folder, sorted; of a single file by its name.

    alone  whether it is a single file
    """

    alone: bool
    files: dict[str, Entry]


def after_the_tick(entries: Iterable[Entry]) -> None:
    """Come back when any further write to the files will show in their times."""
    age = time.time_ns() - max(entry.seen.changed_ns for entry in entries)
    if 0 <= age < TICK_NS:
        time.sleep((TICK_NS - age) / 1e9)


def files_below(path: Path, *, ignored: Collection[str] = ()) -> Listing:
    """Every regular file in a folder, whatever its name, or one file.

    ignored  percent-encoded paths below the folder; a folder's leaves out all that is in it
    AncileError for what has no plain content (links, pipes, devices, sockets), for what may not be read, and
    where there is no file at all.
    """
    try:
        root = Path(os.path.realpath(path, strict=True))  # a link that the user named leads where it leads
        info = root.stat()
    except (OSError, ValueError) as reason:
        raise unreadable(str(path), reason) from reason
    if not stat.S_ISDIR(info.st_mode):
        faults = _faults(root, info)
        if faults:
            raise _refused(faults)
        return Listing(True, {percent_encoded(root.name): Entry(root, seen(info))})
    found: dict[str, Entry] = {}
    faults = []
    _walk(root, ignored, found, faults)
    if faults:
        raise _refused(faults)
    if not found:
        raise AncileError(
            "there is no file to hash",
            value=plain(str(path)),
            remedy="name a folder with files in it, or the file itself",
        )
    return Listing(False, dict(sorted(found.items())))


def _walk(root: Path, ignored: Collection[str], found: dict[str, Entry], faults: list[str]) -> None:
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
                    found[name] = Entry(path, seen(info))
        except OSError as reason:
            faults.append(f"{plain(str(folder))}: {reason.strerror}")
        if len(found) > MOST_FILES:
            raise AncileError(
                "the folder has too many files to list",
                value=f"{plain(str(root))}: more than {MOST_FILES}",
                remedy="pack them into archives, or name the folders in it one by one",
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


def unreadable(path: str, reason: OSError | ValueError) -> AncileError:
    """What the system refused, as a user's error."""
    return AncileError(
        "cannot be read",
        value=f"{plain(path)}: {plain(getattr(reason, 'strerror', None) or str(reason))}",
        remedy="name a file or folder that is there and that you may read",
    )


def changed(path: str) -> AncileError:
    """Somebody wrote to what was being read."""
    return AncileError(
        "changed while it was read", value=plain(path), remedy="wait until its writer is done, and repeat"
    )
