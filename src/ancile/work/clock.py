"""Time and cost as a run sees them: passed in, so that logic never asks the machine by itself."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple


class Clock(NamedTuple):
    """Where a run reads time and cost.

    now     aware UTC
    wall    seconds, monotone
    cpu     seconds of user and system time, all processes of the run together
    memory  peak bytes, all processes of the run together
    """

    now: Callable[[], datetime]
    wall: Callable[[], float]
    cpu: Callable[[], float]
    memory: Callable[[], int]


def own_cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def own_peak_bytes() -> int:
    """Peak resident memory of this process."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes, but bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def system_clock() -> Clock:
    """The machine's own clock, this process alone."""
    return Clock(lambda: datetime.now(UTC), time.monotonic, own_cpu_seconds, own_peak_bytes)
