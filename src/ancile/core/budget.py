"""The limits given to a run."""

from __future__ import annotations

import math
import re
from typing import Annotated

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(kB|KB|MB|GB|TB)", re.IGNORECASE)
DURATION = re.compile(r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)(s|m|h|d))+")
PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|d)")

Positive = Annotated[float, msgspec.Meta(gt=0)]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of time, queries and memory; None is no limit. What is left undone stands in the report."""

    seconds: Positive | None = None
    queries: Annotated[int, msgspec.Meta(ge=1)] | None = None
    memory_bytes: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.seconds, self.queries, self.memory_bytes) if v is not None]
        if not all(0 < v < math.inf for v in given):
            raise ValueError("a limit of a budget is above 0 and finite")


def seconds_of(text: str) -> float:
    """Seconds in a duration such as ``90s``, ``10m``, ``1h30m``, ``365d``; a bare number is refused."""
    if not DURATION.fullmatch(text.strip()):
        raise AncileError(
            "not a duration",
            value=plain(text),
            remedy="give number and unit: 90s, 10m, 1h30m or 30d",
        )
    total = sum(float(number) * UNITS[unit] for number, unit in PART.findall(text))
    if total <= 0:
        raise AncileError("a duration of nothing", value=text, remedy="give more than zero seconds")
    return total


def bytes_of(text: str) -> int:
    """Bytes in a size such as ``500MB`` or ``1.5 GB``, in powers of 1,000; a bare number is refused."""
    found = SIZE.fullmatch(text.strip())
    if not found:
        raise AncileError(
            "not a size of memory", value=plain(text), remedy="give number and unit: 500MB, 2GB or 1.5GB"
        )
    number, unit = found.groups()
    total = round(float(number) * SIZES[unit.upper().replace("KB", "kB")])
    if not total:
        raise AncileError("a size of nothing", value=text, remedy="give more than zero bytes")
    return total


def bytes_in_words(size: int) -> str:
    """A size with two digits and its unit: "1.2 MB", "340 kB", "17 GB"."""
    if size < 1000:
        return f"{size} bytes"
    unit, factor = next((u, f) for u, f in reversed(SIZES.items()) if size >= f)
    return f"{size / factor:.1f} {unit}" if size < 10 * factor else f"{size / factor:.0f} {unit}"
