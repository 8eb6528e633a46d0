"""Requests a day: a count for each UTC day."""

from __future__ import annotations

from ancile.serve.caller import Caller
from ancile.serve.verdict import ALLOW, Verdict

DAY_SECONDS = 86_400


def quota(caller: Caller, time: float) -> Verdict:
    """Whether the role has a request left today; ``time`` in seconds of Unix time.

    A clock that was set back starts no new day: the count goes on until the latest day seen has passed.
    """
    day = int(time // DAY_SECONDS)
    if day > caller.day:
        caller.day, caller.asked = day, 0
    if caller.asked >= caller.role.daily:
        left = (caller.day + 1) * DAY_SECONDS - time
        return Verdict("throttle", "quota", "no requests are left for today", left)
    caller.asked += 1
    return ALLOW
