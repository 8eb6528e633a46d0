"""The words that all renderers share: verdicts, numbers with their intervals, durations, sizes."""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from ancile.core.exhibit import Point
from ancile.core.measure import RATE, Bound, Count, Measure, Scalar, Slice
from ancile.core.report import Cost
from ancile.core.text import plain

SIDES = {"at_most": "at most", "at_least": "at least"}
FORMULA = ("=", "+", "-", "@")  # what spreadsheets take as a formula: OWASP, CSV injection
FIGURE = re.compile(r"[-+]?[\d.,]+(?:e[-+]?\d+)?")
LONGEST_INTEGER = 256  # bits of an integer that is shown; a digest fits
NAMES = {
    "calibration_error": "L2 calibration error",  # the usual one (ECE) is of L1, and another number
    "runs": "runs on record",
}
BARE = ("1", "ratio", "probability", "squared probability")  # units that add nothing to a number
FINEST = 6  # decimals of a percentage that is not quite 0 or 100


def label(name: str) -> str:
    """A measure's or parameter's name for people: ``clean_accuracy`` is "clean accuracy"."""
    return NAMES.get(name) or guarded(name.replace("_", " "), 80)


def slice_text(of: Slice) -> str:
    """What part of the whole a measure speaks of: "class 3, eps 0.1"; empty for the whole."""
    return ", ".join(f"{label(key)} {scalar(value)}" for key, value in of.items())


def scalar(value: Scalar, limit: int = 120) -> str:
    """One value of a table or a parameter, safe also where the table is pasted into a spreadsheet."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return guarded(value, limit)
    if isinstance(value, int) and value.bit_length() > LONGEST_INTEGER:
        return f"an integer of {value.bit_length()} bits"
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def guarded(text: str, limit: int) -> str:
    """A foreign string, safe to show and to paste: what a spreadsheet would run gets a quote before it."""
    return f"'{plain(text, limit)}" if is_formula(text) else plain(text, limit)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run the text: it begins like a formula and is no plain figure."""
    return text.lstrip().startswith(FORMULA) and not FIGURE.fullmatch(text.strip())


def value_text(measure: Measure) -> str:
    """The number alone; a bound says on which side of it the fact lies, and is rounded to that side."""
    if isinstance(measure, Bound):
        rounding = ROUND_CEILING if measure.side == "at_most" else ROUND_FLOOR
        return f"{SIDES[measure.side]} {_amount(measure, rounding)}"
    return _amount(measure, ROUND_HALF_EVEN)


def _amount(measure: Measure, rounding: str) -> str:
    if measure.unit == RATE:
        return f"{percent(measure.value, rounding)} %"
    value = measure.value
    number = grouped(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.4g}"
    unit = plain(measure.unit, 40)
    return number if unit in (*BARE, measure.name) else f"{number} {unit}"


def interval_text(measure: Measure) -> str:
    """Interval, rounded outwards, with its confidence and n: "80.7 to 85.5 at 95 %, n = 1000"."""
    parts = []
    if measure.low is not None and measure.high is not None and measure.confidence is not None:
        low, high = measure.low, measure.high
        if measure.unit == RATE:
            span = f"{percent(low, ROUND_FLOOR)} to {percent(high, ROUND_CEILING)}"
        else:
            span = f"{low:.4g} to {high:.4g}"
        parts.append(f"{span} at {100 * measure.confidence:g} %")
    if measure.n is not None and not isinstance(measure, Count):
        parts.append(f"n = {grouped(measure.n)}")
    return ", ".join(parts)


def measure_text(measure: Measure) -> str:
    """Number and interval: "at most 83.2 % (80.7 to 85.5 at 95 %, n = 1000)"."""
    interval = interval_text(measure)
    return f"{value_text(measure)} ({interval})" if interval else value_text(measure)


def point_text(point: Point) -> tuple[str, str, str]:
    """A point of a curve: x, y, and its interval, empty where it has none."""
    between = point.low is not None and point.high is not None
    return f"{point.x:.4g}", f"{point.y:.4g}", f"{point.low:.4g} to {point.high:.4g}" if between else ""


def percent(share: float, rounding: str = ROUND_HALF_EVEN) -> str:
    """A share of 1 as a percentage, one decimal; more where 0 or 100 would be shown and is not so."""
    exact = Decimal(repr(share)) * 100
    for decimals in range(1, FINEST + 1):
        shown = exact.quantize(Decimal(1).scaleb(-decimals), rounding=rounding)
        if shown not in (0, 100) or exact in (0, 100):
            return f"{shown:f}"
    return f"{shown:f}"  # so near that no more decimals help


def grouped(number: int) -> str:
    """A whole number; from 10,000 with commas."""
    return f"{number:,}" if abs(number) >= 10_000 else str(number)


def setting(value: Scalar | list[Scalar]) -> str:
    """A parameter's value; of a list the first dozen."""
    values = value if isinstance(value, list) else [value]
    if not values:
        return "none"
    more = f" and {len(values) - 12} more" if len(values) > 12 else ""
    shown = [scalar(one) for one in values[:12]]
    return (" / " if any("," in one for one in shown) else ", ").join(shown) + more


def work(cost: Cost) -> tuple[str, ...]:
    """What a run took, part by part: "1,000 forwards", "CPU 3 min 11 s"; empty where nothing was counted."""
    if cost == Cost():
        return ()
    done = (
        (cost.forwards, "forward", ""),
        (cost.backwards, "backward", ""),
        (cost.queries, "query", "queries"),
    )
    memory = (f"peak memory {size(cost.peak_memory_bytes)}",) if cost.peak_memory_bytes else ()
    return (
        *(counted(number, one, many) for number, one, many in done if number),
        f"CPU {duration(cost.cpu_seconds)}",
        f"wall {duration(cost.wall_seconds)} without start and loading",
        *memory,
    )


def duration(seconds: float) -> str:
    """Seconds for people: "0.42 s", "12.3 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60} min"


def size(count: int) -> str:
    """Bytes for people, in powers of 1024: "512 bytes", "1.4 MiB"."""
    if count < 1024:
        return f"{count} bytes"
    power = min(int(math.log2(count) // 10), 5)
    return f"{count / 1024**power:.1f} {('KiB', 'MiB', 'GiB', 'TiB', 'PiB')[power - 1]}"


def counted(number: int, noun: str, nouns: str = "") -> str:
    """A number with its noun: "1 warning", "2 warnings"."""
    return f"{grouped(number)} {noun if number == 1 else nouns or noun + 's'}"
