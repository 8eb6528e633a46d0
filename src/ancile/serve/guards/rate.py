"""Requests a second: the generic cell rate algorithm (ITU-T I.371, annex A.3, virtual scheduling)."""

from __future__ import annotations

from ancile.serve.budgets import Rates
from ancile.serve.caller import Caller
from ancile.serve.config import Role
from ancile.serve.verdict import ALLOW, Verdict

BLOCK_SECONDS = 0.05  # of the rate: what a host takes at a time where several count together
FRESH_SECONDS = 1.0  # in which it has to be spent


def rate(caller: Caller, now: float, shared: Rates | None = None) -> Verdict:
    """Whether a request at ``now`` conforms to the role's rate and burst; one that does not takes nothing.

    From rest exactly ``burst`` requests pass at once, and afterwards one every 1/rate seconds. Over several
    hosts that count together as many and at most one block of each more.
    """
    role = caller.role
    interval = 1.0 / role.rate
    arrival = max(caller.arrival, now)
    early = arrival - now - (role.burst - 1) * interval
    if early > 1e-9:  # seconds: rounding of sums of intervals
        return Verdict("throttle", "rate", "more requests a second than the role has", early)
    if shared is not None:
        if not caller.cells or now > caller.fresh:
            found = shared.cells(caller.identity.name, rate=role.rate, burst=role.burst, want=_block(role))
            caller.cells, caller.fresh = found.granted, now + FRESH_SECONDS
            if not found.granted:
                caller.arrival = now + found.wait + (role.burst - 1) * interval
                return Verdict("throttle", "rate", "more requests a second than the role has", found.wait)
        caller.cells -= 1
    caller.arrival = arrival + interval
    return ALLOW


def _block(role: Role) -> int:
    return max(1, min(int(role.rate * BLOCK_SECONDS), role.burst))
