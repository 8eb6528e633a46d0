"""Bundles written whole, without a name until they are: whoever is killed meanwhile leaves nothing behind.

O_TMPFILE and linkat(2). Where a file system has neither, a hidden file takes their place; what a process that
was killed left of one is taken away by the next that writes there.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

from ancile.cli.output import writable, write_whole

UNNAMED = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
# Of a kernel or file system without unnamed files, and of a process that sees no /proc
LACKING = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EXDEV, errno.EPERM)
STALE_SECONDS = 3600  # a bundle has a few kilobytes, and 64 MiB at most: nobody writes that long
LONGEST = 40  # characters of the target's name in that of the hidden file, as ``write_whole`` has it
BEGINNINGS = (b'{\n "format": "ancile/evidence/v1"', b'{"mediaType":"application/vnd.dev.sigstore.bundle')


def write_bundle(path: Path, data: bytes) -> None:
    """Write a bundle, old or new but never half; of a link its target."""
    writable("the bundle", path)
    real = Path(os.path.realpath(path))
    try:
        _write_unnamed(real, data)
    except OSError as reason:
        if reason.errno not in LACKING:
            reason.filename = str(path)  # of a full disk the system gives no name
            raise
        write_whole(path, data)


def require_room(path: Path, size: int) -> None:
    """Take as many bytes where a bundle will lie, and give them back: OSError where the disk has no room.

    A release that is recorded cannot be taken out again: a full disk is found before that.
    """
    try:
        descriptor = os.open(Path(os.path.realpath(path)).parent, UNNAMED, 0o600)
    except OSError as reason:
        if reason.errno in LACKING:
            return
        raise
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as reason:
        if reason.errno not in LACKING:
            reason.filename = str(path)
            raise
    finally:
        os.close(descriptor)


def clear_leftovers(target: Path) -> None:
    """Take away what killed processes left beside a bundle that they were about to write.

    Only hidden files of the name that such a process gives, of this user, that hold the beginning of a bundle
    or nothing, and that nobody has touched for an hour.
    """
    real = Path(os.path.realpath(target))
    name = re.compile(rf"\.{re.escape(real.name[:LONGEST])}\.[0-9a-z_]{{8}}")
    with suppress(OSError):
        found = [entry for entry in os.scandir(real.parent) if name.fullmatch(entry.name)]
        for entry in found:
            if _is_left(Path(entry.path)):
                Path(entry.path).unlink(missing_ok=True)


def _is_left(path: Path) -> bool:
    info = path.lstat()
    if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1 or info.st_uid != os.geteuid():
        return False
    if time.time() - info.st_mtime < STALE_SECONDS:
        return False
    with path.open("rb") as file:
        head = file.read(max(map(len, BEGINNINGS)))
    return any(head.startswith(one) or one.startswith(head) for one in BEGINNINGS)


def _write_unnamed(path: Path, data: bytes) -> None:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = os.open(path.parent, UNNAMED, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if path.exists():
                os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
            os.fsync(descriptor)
            _name(descriptor, path, folder=folder)
    finally:
        os.close(folder)


def _name(descriptor: int, path: Path, *, folder: int) -> None:
    """Give an unnamed file its name; what has that name already is replaced in one step."""
    source = f"/proc/self/fd/{descriptor}"
    try:
        os.link(source, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        between = f".{path.name[:LONGEST]}.{secrets.token_hex(4)}"
        os.link(source, between, src_dir_fd=folder, dst_dir_fd=folder)
        try:
            os.rename(between, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.unlink(between, dir_fd=folder)
            raise
