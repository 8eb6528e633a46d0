"""The memory of a process that holds keys, closed to other processes of the same user: prctl(2).

A process that is not dumpable cannot be traced, and its ``/proc/PID/mem`` and ``environ`` belong to root. A
child that runs foreign code cannot open this again from outside; root can read everything, as ever.
"""

from __future__ import annotations

import ctypes
import sys

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4


def close_memory() -> bool:
    """Whether other processes of this user cannot read the memory of this one from now on; for good.

    Neither core dumps nor debuggers get at the process afterwards. Only Linux knows the call.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    return int(libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)) == 0
