"""Numbers that may be relied on: an estimate, a bound and a count are three types."""

from __future__ import annotations

import math
from typing import Annotated, TypeAlias

import msgspec

Scalar: TypeAlias = str | int | float | bool | None
Slice: TypeAlias = dict[str, str | int | float]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

RATE = "rate"  # the unit of a share of n, in [0, 1]


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """What the three kinds of measure share; use one of them, never this.

    name        the field's term, snake case
    slice       what part of the whole it speaks of ({"class": 3}); empty: the whole
    value       finite
    unit        "rate" for a share of n; else a unit's name
    n           samples behind the number; None only where nothing was sampled
    low, high   interval at ``confidence``; low <= value <= high
    method      how value and interval were found
    """

    name: str
    slice: Slice = {}
    value: float
    unit: str
    n: int | None = None
    low: float | None = None
    high: float | None = None
    confidence: Share | None = None
    method: str

    def __post_init__(self) -> None:
        given = [v for v in (self.value, self.low, self.high) if v is not None]
        if not all(math.isfinite(v) for v in given):
            raise ValueError(f"measure {self.name} is not finite")
        if (self.low is None) != (self.high is None) or (self.low is None) != (self.confidence is None):
            raise ValueError(
                f"measure {self.name} has an interval in part: low, high and confidence go together"
            )
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"measure {self.name}: {self.value} is outside [{self.low}, {self.high}]")
        if self.confidence is not None and not 0 < self.confidence < 1:
            raise ValueError(f"measure {self.name}: a confidence lies between 0 and 1")
        if self.n is not None and self.n < 0:
            raise ValueError(f"measure {self.name}: n is negative")
        if self.unit == RATE and not (self.n and self.low is not None):
            raise ValueError(f"measure {self.name} is a rate without n or interval")
        if self.unit == RATE and not 0 <= self.value <= 1:
            raise ValueError(f"measure {self.name}: a rate lies in [0, 1]")
        if not (self.name and self.unit and self.method):
            raise ValueError("a measure has a name, a unit and a method")


class Estimate(Number, frozen=True, kw_only=True, tag_field="kind", tag="estimate"):
    """A number that estimates a fact about the population that the samples were drawn from."""


class Bound(Number, frozen=True, kw_only=True, tag_field="kind", tag="bound"):
    """A number that the fact is never beyond: robust accuracy is at most what the strongest attack left."""

    side: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side not in ("at_most", "at_least"):
            raise ValueError(f"bound {self.name}: side is at_most or at_least, not {self.side}")


class Count(Number, frozen=True, kw_only=True, tag_field="kind", tag="count"):
    """A number that was counted whole: no sampling, no interval."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low is not None or self.unit == RATE:
            raise ValueError(f"count {self.name} has an interval or is a rate")


Measure: TypeAlias = Estimate | Bound | Count
