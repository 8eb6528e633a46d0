"""What the guards say of a request, and how far up the ladder the policy lets them go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ancile.serve.reaction import LADDER, Reaction

STEP = {reaction: step for step, reaction in enumerate(LADDER)}


class Verdict(NamedTuple):
    """A guard's word on one request.

    reaction     what it asks for; the policy may allow less
    guard        that said it, empty where none had anything to say
    why          in words that hold nothing of the request
    retry_after  seconds after which a throttled request would pass
    """

    reaction: Reaction
    guard: str = ""
    why: str = ""
    retry_after: float = 0.0


ALLOW = Verdict("allow")


def capped(verdict: Verdict, reactions: Mapping[str, Reaction]) -> Verdict:
    """The verdict, no higher than the policy lets its guard go; a guard that it does not name is not held."""
    most = reactions.get(verdict.guard, "deny")
    if STEP[verdict.reaction] <= STEP[most]:
        return verdict
    return Verdict(most, verdict.guard, verdict.why, verdict.retry_after)


def worse(one: Verdict, other: Verdict) -> Verdict:
    """The higher on the ladder; of two alike the first."""
    return other if STEP[other.reaction] > STEP[one.reaction] else one
