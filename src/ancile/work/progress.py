"""One line on a terminal that says how far long work has come; nothing at all where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from ancile.core.text import plain

EVERY_SECONDS = 0.2  # a reader sees no more than five changes a second
ERASE = "\r\x1b[2K"  # ECMA-48: to the first column, erase the line
WIDTH = 79


class ProgressLine:
    """A line that is written over; use it in a ``with``, so that it is gone when the result is printed.

    name   of the work, shown first
    quiet  whether to stay silent on a terminal too
    wall   seconds, monotone
    """

    def __init__(
        self,
        name: str,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        wall: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._shows = not quiet and self._stream.isatty()
        self._name = plain(name, 40)
        self._wall = wall
        self._since = wall()
        self._last = -EVERY_SECONDS
        self._written = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._written:
            self._stream.write(ERASE)
            self._stream.flush()

    def robust(self, done: int, total: int, robust_accuracy: float) -> None:
        """Samples settled, samples in all, robust accuracy so far."""
        self.say(done, total, f"robust accuracy so far {100 * robust_accuracy:.1f} %")

    def say(self, done: int, total: int, words: str = "") -> None:
        """How much is done of how much, and other words; the time left is reckoned from the pace."""
        if not self._shows or (self._wall() - self._since - self._last < EVERY_SECONDS and done < total):
            return
        spent = self._last = self._wall() - self._since
        parts = [
            f"{self._name}: {done}/{total}",
            plain(words, 60) if words else "",
            _left(done, total, spent),
        ]
        self._stream.write(ERASE + ", ".join(part for part in parts if part)[:WIDTH])
        self._stream.flush()
        self._written = True


def progress_line(name: str, *, quiet: bool = False) -> ProgressLine:
    """A progress line on standard error."""
    return ProgressLine(name, quiet=quiet)


def _left(done: int, total: int, spent: float) -> str:
    if not 0 < done < total:
        return ""
    seconds = round(spent * (total - done) / done)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{clock} left"
