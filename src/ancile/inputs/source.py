"""A file read once: the bytes that are hashed are the bytes that are parsed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.core.text import plain

LIMIT_BYTES = 4 << 30  # of a data file, and of what it unpacks to: a laptop's memory, 500,000 colour pictures


class Source(NamedTuple):
    """A file's bytes with the name to show and the plain SHA-256 of exactly these bytes."""

    name: str
    data: bytes
    digest: str


def read_once(
    path: Path, *, limit_bytes: int = LIMIT_BYTES, missing: str = "give the path of a file"
) -> Source:
    """The bytes of a regular file as they are now.

    Devices, pipes and folders are refused before a byte is read, and so is a file beyond ``limit_bytes``;
    a file that changes while it is read is an error. ``missing`` is the remedy where there is none.
    """
    shown = plain(str(path))
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            before = os.fstat(file.fileno())
            _check(before, shown, limit_bytes)
            data = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
    except FileNotFoundError as reason:
        raise AncileError("no such data", value=shown, remedy=missing) from reason
    except (OSError, ValueError, MemoryError) as reason:  # ValueError: a name with a NUL
        words = plain(getattr(reason, "strerror", None) or str(reason))
        raise AncileError(
            "data cannot be read", value=f"{shown}: {words}", remedy="mend the path or its permissions"
        ) from reason
    if len(data) != before.st_size or _state(before) != _state(after):
        raise AncileError(
            "data changed while it was read", value=shown, remedy="wait until its writer is done and repeat"
        )
    return Source(plain(path.name), data, digest_of(data))


def _without_waiting(path: str, flags: int) -> int:
    # Without O_NONBLOCK opening a pipe that nobody writes to would wait for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check(found: os.stat_result, shown: str, limit_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise AncileError("data is not a file", value=shown, remedy="give a .npz, .csv or .parquet file")
    if found.st_size > limit_bytes:
        raise AncileError(
            "data file is too large",
            value=f"{shown}: {found.st_size} bytes",
            remedy=f"at most {limit_bytes} bytes are read: keep the held-out part alone",
        )


def _state(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns
