"""Requests a day: a count for each UTC day, spent in blocks."""

from __future__ import annotations

from ancile.serve.budgets import Budgets
from ancile.serve.caller import Caller
from ancile.serve.verdict import ALLOW, Verdict

DAY_SECONDS = 86_400
AGAIN_SECONDS = 5.0  # after which it is asked whether another worker gave something back


def quota(caller: Caller, time: float, budgets: Budgets) -> Verdict:
    """Whether the role has a request left today; ``time`` in seconds of Unix time.

    Unavailable is raised where nobody can tell.
    """
    if caller.left and caller.day == int(time // DAY_SECONDS):
        caller.left -= 1
        return ALLOW
    return _block(caller, time, budgets)


def _block(caller: Caller, time: float, budgets: Budgets) -> Verdict:
    """Take the next block, or tell that there is none."""
    day, told = int(time // DAY_SECONDS), 0 < caller.again - time <= AGAIN_SECONDS
    if caller.left:
        budgets.give(caller.identity.name, caller.day, unspent=caller.left)
        caller.left = 0
    if caller.day != day or not told:
        caller.left = budgets.take(caller.identity.name, day, limit=caller.role.daily)
        caller.day = day
        if not caller.left:
            caller.again = time + AGAIN_SECONDS
    if not caller.left:
        end = (day + 1) * DAY_SECONDS
        return Verdict("throttle", "quota", "no requests are left for today", end - time)
    caller.left -= 1
    return ALLOW
