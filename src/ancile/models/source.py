"""A model's file, read once: the bytes that are hashed are the bytes that a child process gets."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.core.text import plain

LIMIT_BYTES = 8 << 30  # of a model or its weights; larger ones are no classifiers yet


class Source(NamedTuple):
    """A file's bytes, where they came from, and the plain SHA-256 of exactly these bytes."""

    path: Path
    data: bytes
    digest: str


def read_once(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> Source:
    """The bytes of a regular file as they are now.

    Devices, pipes and folders are refused before a byte is read, so is a file beyond ``limit_bytes``; a file
    that changes while it is read is an error.
    """
    shown = plain(str(path))
    try:
        # Without O_NONBLOCK opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as reason:
        raise AncileError(
            "no such model",
            value=shown,
            remedy="give a file (.pt2, .onnx, .skops, XGBoost, LightGBM), FILE.py:factory, "
            "package.module:factory or an http(s) URL",
        ) from reason
    except (OSError, ValueError) as reason:
        raise _refused("model cannot be opened", shown, reason) from reason
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise AncileError("model is not a file", value=shown, remedy="give the path of a regular file")
        if before.st_size > limit_bytes:
            raise AncileError(
                "model file is too large",
                value=f"{shown}: {before.st_size} bytes",
                remedy=f"at most {limit_bytes} bytes are read",
            )
        # The descriptor is opened as a file only now: Python refuses a folder's in words of its own.
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(before.st_size + 1)
        after = os.fstat(descriptor)
    except (OSError, MemoryError) as reason:
        raise _refused("model cannot be read", shown, reason) from reason
    finally:
        os.close(descriptor)
    if len(data) != before.st_size or _state(before) != _state(after):
        raise AncileError(
            "model changed while it was read", value=shown, remedy="wait until its writer is done and repeat"
        )
    return Source(path, data, digest_of(data))


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _refused(what: str, shown: str, reason: Exception) -> AncileError:
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return AncileError(what, value=plain(f"{shown}: {words}"), remedy="mend the path or its permissions")
