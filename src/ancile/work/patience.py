"""Short work that Ctrl-C should not cut in two: the first one waits, the second one counts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Patience:
    """Whether Ctrl-C came while the work was under way."""

    interrupted: bool = False


@contextmanager
def patience() -> Iterator[Patience]:
    """Hold one SIGINT back until the end of the ``with``; a second one raises KeyboardInterrupt at once.

    Nothing changes outside of the main thread, where Python delivers no signals, nor in a process that was
    started to ignore them.
    """
    found = Patience()
    elsewhere = threading.current_thread() is not threading.main_thread()
    if elsewhere or signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        yield found
        return

    def asked(number: int, frame: FrameType | None) -> None:
        if found.interrupted:
            signal.default_int_handler(number, frame)
        found.interrupted = True

    before = signal.signal(signal.SIGINT, asked)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)
