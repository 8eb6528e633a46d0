"""Files that only their owner can read, written so that a crash leaves the old state or the new one.

Temporary file, fsync, rename (or link, which never overwrites), fsync of the folder: POSIX.1-2024, rename().
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded

OTHERS = stat.S_IRWXG | stat.S_IRWXO
TEMPORARY = ".writing-"
LOCK = ".lock"


def make_private_folder(folder: Path) -> None:
    """The folder, created with mode 0700 where it is absent; refused when others can enter it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as reason:
        raise _failed("folder cannot be made", folder, reason) from reason
    is_private_folder(folder)


def is_private_folder(folder: Path) -> bool:
    """Whether the folder is there; one that others than its owner can read, enter or change is refused."""
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        return False
    except OSError as reason:
        raise _failed("folder cannot be read", folder, reason) from reason
    if not stat.S_ISDIR(mode) or mode & OTHERS:
        raise _open_to_others(folder, mode, remedy="700")
    return True


def read_private(path: Path, *, limit: int, allowed: int = 0) -> bytes:
    """The bytes of a regular file that nobody else can read.

    limit    the most bytes that are read; more is an error
    allowed  permission bits of others that are accepted all the same
    """
    try:
        with open(path, "rb", opener=_without_links) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & OTHERS & ~allowed:
                raise _open_to_others(path, mode, remedy="600")
            data = file.read(limit + 1)
    except OSError as reason:
        raise _failed("file cannot be read", path, reason) from reason
    if len(data) > limit:
        raise AncileError("file is too large", value=percent_encoded(path), remedy=f"at most {limit} bytes")
    return data


def write_private(path: Path, data: bytes, *, replace: bool) -> None:
    """``data`` in ``path`` with mode 0600, durable on return.

    replace  False: an existing file is left as it is and is an error
    """
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        try:
            _write_new(temporary, data)
            if replace:
                temporary.replace(path)
            else:
                path.hardlink_to(temporary)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        sync_folder(path.parent)
    except FileExistsError as reason:
        raise AncileError(
            "file exists and is not overwritten",
            value=percent_encoded(path),
            remedy="move it away first if it is not wanted",
        ) from reason
    except OSError as reason:
        raise _failed("file cannot be written", path, reason) from reason


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer at a time in a private folder; what a killed writer left half written is removed."""
    make_private_folder(folder)
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as reason:
        raise _failed("folder cannot be locked", folder, reason) from reason
    try:
        _clear(folder, handle)
        yield
    finally:
        os.close(handle)


def _clear(folder: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left_over in folder.glob(f"{TEMPORARY}*"):
            left_over.unlink()
    except OSError as reason:
        raise _failed("folder cannot be cleared of half-written files", folder, reason) from reason


def _write_new(path: Path, data: bytes) -> None:
    with open(path, "xb", opener=_mode_0600) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _mode_0600(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _without_links(path: str, flags: int) -> int:
    # O_NONBLOCK: a named pipe in the place of a file must not hold the reader up
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _open_to_others(path: Path, mode: int, *, remedy: str) -> AncileError:
    name = percent_encoded(path)
    return AncileError(
        "others could read or change this, or it is no plain file or folder",
        value=f"{name} has mode {stat.filemode(mode)}",
        remedy=f"chmod {remedy} {name}",
    )


def _failed(what: str, path: Path, reason: OSError) -> AncileError:
    remedies = {
        errno.ENOSPC: "free some space on that disk",
        errno.EDQUOT: "free some space in that quota",
        errno.EROFS: "mount it writable, or choose another folder",
        errno.EACCES: "mend its permissions and its owner",
        errno.EPERM: "mend its permissions and its owner",
        errno.ELOOP: "replace the symbolic link by the file itself",
    }
    return AncileError(
        what,
        value=f"{percent_encoded(path)}: {reason.strerror}",
        remedy=remedies.get(reason.errno or 0, "check the path"),
    )
