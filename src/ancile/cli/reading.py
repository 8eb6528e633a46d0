"""Opening a file that a user names, without waiting for ever."""

from __future__ import annotations

import errno
import os
import stat


def no_waiting(path: str, flags: int) -> int:
    """A descriptor for ``open``; OSError for a named pipe, which nobody may ever write to.

    A shell's ``<(command)`` is a pipe without a name in any folder: its writer is there, and is waited for.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode) and os.path.exists(os.path.realpath(path)):  # noqa: PTH110 - realpath's text
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a pipe, not a file", path)
    os.set_blocking(descriptor, True)
    return descriptor
