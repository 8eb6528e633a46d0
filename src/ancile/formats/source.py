"""A file read once: the bytes that are hashed are those that are parsed, and handed to a child process."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.core.text import plain


class Source(NamedTuple):
    """A file's bytes, where they came from, and the plain SHA-256 of exactly these bytes."""

    path: Path
    data: bytes
    digest: str

    @property
    def name(self) -> str:
        """The file's name, to be shown."""
        return plain(self.path.name)


class Wanted(NamedTuple):
    """What the file is to a user.

    what         it is called in errors: data, model
    missing      remedy where there is none
    not_a_file   remedy where it is a folder, pipe or device
    limit_bytes  larger ones are refused unread
    too_large    remedy for these
    """

    what: str
    missing: str
    not_a_file: str
    limit_bytes: int
    too_large: str


def read_once(path: Path, wanted: Wanted) -> Source:
    """The bytes of a regular file as they are now.

    Devices, pipes and folders are refused before a byte is read, so is a file beyond the limit; a file that
    changes while it is read is an error.
    """
    shown, what = plain(str(path)), wanted.what
    try:
        # Without O_NONBLOCK opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as reason:
        raise AncileError(f"no such {what}", value=shown, remedy=wanted.missing) from reason
    except (OSError, ValueError) as reason:  # ValueError: a name with a NUL
        raise _unreadable(what, shown, reason) from reason
    try:
        before = os.fstat(descriptor)
        _check(before, shown, wanted)
        # The descriptor is opened as a file only now: Python refuses a folder's in words of its own.
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(before.st_size + 1)
        after = os.fstat(descriptor)
    except (OSError, MemoryError) as reason:
        raise _unreadable(what, shown, reason) from reason
    finally:
        os.close(descriptor)
    if len(data) != before.st_size or _state(before) != _state(after):
        raise AncileError(
            f"{what} changed while it was read",
            value=shown,
            remedy="wait until its writer is done and repeat",
        )
    return Source(path, data, digest_of(data))


def _check(found: os.stat_result, shown: str, wanted: Wanted) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise AncileError(f"{wanted.what} is not a file", value=shown, remedy=wanted.not_a_file)
    if found.st_size > wanted.limit_bytes:
        raise AncileError(
            f"{wanted.what} file is too large",
            value=f"{shown}: {found.st_size} bytes",
            remedy=wanted.too_large,
        )


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _unreadable(what: str, shown: str, reason: Exception) -> AncileError:
    words = plain(getattr(reason, "strerror", None) or str(reason) or type(reason).__name__)
    return AncileError(
        f"{what} cannot be read", value=f"{shown}: {words}", remedy="mend the path or its permissions"
    )
