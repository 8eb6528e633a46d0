"""Evidence of several guards adds up for an identity, decays, and takes it up the ladder.

Each guard's verdicts count as a decaying sum n; its share of the evidence is 1 - exp(-n / many), below one
however much it says. Levels above one are therefore reached only where several guards agree: what one of them
takes for an attack, say somebody who moves one value of a form at a time, stays with its own reaction.
"""

from __future__ import annotations

import math

import msgspec

from ancile.serve.reaction import Reaction
from ancile.serve.verdict import ALLOW, Verdict

COUNTED = frozenset(
    (
        "sequence",
        "search",
        "collusion",
        "fingerprint",
        "outlier",
        "confidence",
        "timing",
        "information",
        "squeezing",
        "trigger",
        "disagreement",
    )
)  # what rate, quota and schema find is mostly a client's mistake
FRESH = 1e-4  # of the time in which evidence halves: within it the level stands
LEAST_SUM = 1e-3  # below which evidence is none
FORGOTTEN_HALVES = 30  # half lives, after which a million verdicts are

HIGHEST = 1000.0  # level: far above the number of guards, so that it is never reached


class Ladder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which level on an identity is answered otherwise.

    half_seconds  in which evidence halves
    many          verdicts of one guard after which its share is 1 - 1/e
    degrade, review, throttle  levels; evidence of g guards stays below g
    """

    half_seconds: float = 3600.0
    many: float = 5.0
    degrade: float = 1.5
    review: float = 2.5
    throttle: float = 3.5

    def __post_init__(self) -> None:
        if not (1 <= self.half_seconds <= 1e7 and 0 < self.many <= 1e6):
            raise ValueError("half_seconds are 1 to 1e7, many is above 0")
        if not 0 < self.degrade <= self.review <= self.throttle <= HIGHEST:
            raise ValueError("degrade, review and throttle are above 0, rise, and are at most 1000")


class Evidence:
    """What guards said of one identity.

    sums     of each guard's verdicts, as of ``at``, seconds of the caller's clock
    changed  whether there is more than was written down
    """

    __slots__ = ("_level", "_summed", "at", "changed", "sums")

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self._summed: dict[str, float] | None = None  # what the level was reckoned of
        self._level = 0.0
        self.at = 0.0
        self.changed = False

    def add(self, guard: str, now: float, ladder: Ladder) -> None:
        """One more verdict; guards that do not count change nothing."""
        if guard in COUNTED:
            self.decay(now, ladder)
            self.sums[guard] = self.sums.get(guard, 0.0) + 1.0
            self.changed = True

    def level(self, now: float, ladder: Ladder) -> float:
        """The shares of all guards together."""
        if not self.sums:
            return 0.0
        if self._summed is not self.sums or now - self.at >= FRESH * ladder.half_seconds:
            self.decay(now, ladder)
            self._summed = self.sums
            self._level = sum(-math.expm1(-n / ladder.many) for n in self.sums.values())
        return self._level

    def merge(self, other: Evidence, now: float, ladder: Ladder) -> None:
        """Hear what another host holds against it: of each guard's sums the larger."""
        for one in (self, other):
            one.decay(now, ladder)
        guards = self.sums.keys() | other.sums.keys()
        self.sums = {one: max(self.sums.get(one, 0.0), other.sums.get(one, 0.0)) for one in guards}

    def decay(self, now: float, ladder: Ladder) -> None:
        """What is left of it by now; a clock that was set back changes nothing."""
        left = 0.5 ** (max(0.0, now - self.at) / ladder.half_seconds)
        self.sums = {guard: n * left for guard, n in self.sums.items() if n * left > LEAST_SUM}
        self.at = max(self.at, now)


def evidence(found: Evidence, now: float, ladder: Ladder) -> Verdict:
    """What the evidence against an identity asks for."""
    level = found.level(now, ladder)
    if level < ladder.degrade:
        return ALLOW
    reaction: Reaction = "degrade"
    if level >= ladder.review:
        reaction = "throttle" if level >= ladder.throttle else "review"
    return Verdict(reaction, "evidence", "several guards agree on this identity", ladder.half_seconds / 4)
