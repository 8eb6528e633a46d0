"""Requests a second: the generic cell rate algorithm (ITU-T I.371, annex A.3, virtual scheduling)."""

from __future__ import annotations

from ancile.serve.caller import Caller
from ancile.serve.verdict import ALLOW, Verdict


def rate(caller: Caller, now: float) -> Verdict:
    """Whether a request at ``now`` conforms to the role's rate and burst; one that does not takes nothing.

    From rest exactly ``burst`` requests pass at once, and afterwards one every 1/rate seconds.
    """
    role = caller.role
    interval = 1.0 / role.rate
    arrival = max(caller.arrival, now)
    early = arrival - now - (role.burst - 1) * interval
    if early > 1e-9:  # seconds: rounding of sums of intervals
        return Verdict("throttle", "rate", "more requests a second than the role has", early)
    caller.arrival = arrival + interval
    return ALLOW
