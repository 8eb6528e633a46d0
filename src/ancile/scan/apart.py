"""What files do to whoever reads them: cut off while they are mapped, or huge and made of holes."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from ancile.core.errors import AncileError

HOLLOW_BYTES = 4 << 30
HOLLOW_RATIO = 1000  # size to what is stored; what unpacks to so much is a bomb as well
EXTENTS = 10_000  # runs of data that are counted
CUT = "it was cut off while it was read"


class Ended(NamedTuple):
    """A child that did not answer, and why."""

    why: str


def apart(work: Callable[[], bytes]) -> bytes | Ended:
    """What ``work`` gives, done in a forked child, so that what ends the child leaves this process alone.

    For a process without other threads, and with fork.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of every thread; those of numeric libraries hold nothing that the child needs
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os.close(reader)
        _answer(work, writer)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as pipe:
            body = pipe.read()
    except BaseException:  # an interrupt: nobody waits for the child any more
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        return body
    if code == -signal.SIGBUS:
        return Ended(CUT)
    how = signal.Signals(-code).name if code < 0 else body.decode("utf-8", "replace")
    return Ended(f"the process that read it ended: {how}")


def _answer(work: Callable[[], bytes], writer: int) -> NoReturn:
    """The child: its answer, or what it raised, and never back to the caller."""
    code = 1
    try:
        body, code = work(), 0
    except AncileError as reason:
        body = str(reason).encode("utf-8", "backslashreplace")
    except BaseException as reason:  # noqa: BLE001 - the outer door of this process
        body = type(reason).__name__.encode("ascii", "replace")
        if isinstance(reason, Exception):
            sys.excepthook(type(reason), reason, reason.__traceback__)  # a bug keeps its traceback
    try:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(body)
    finally:
        os._exit(code)


def is_hollow(descriptor: int, found: os.stat_result) -> bool:
    """Whether hardly anything of a huge file is stored: nobody waits until its holes are read."""
    stored_bytes = 512 * getattr(found, "st_blocks", found.st_size)  # stat(2): blocks of 512 bytes
    if found.st_size < HOLLOW_BYTES or stored_bytes * HOLLOW_RATIO > found.st_size:
        return False
    stored = at = 0  # some file systems count blocks late: their holes decide
    for _ in range(EXTENTS):
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:  # nothing but a hole is left
            return stored * HOLLOW_RATIO < found.st_size
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        stored += at - start
    return False
