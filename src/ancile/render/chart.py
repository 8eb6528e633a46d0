"""Where the parts of a curve lie, in shares of the plot, so that it scales without scaling its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ancile.core.exhibit import Curve, Point, Series
from ancile.core.measure import RATE, Bound, Measure

EXTENT = 1000  # units of the plot on either axis
LARGEST = 1e300  # beyond it a difference of two values overflows
TICKS = 5
STEPS = (1, 2, 2.5, 5, 10)
SERIES = 6  # lines that can be told apart


class Axis(NamedTuple):
    """A range of values and round places in it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where the value lies, 0 at the low end and 1 at the high one."""
        return (_bounded(value) - self.low) / (self.high - self.low)


class Tick(NamedTuple):
    """A place on an axis in percent, and its number."""

    percent: float
    text: str


class Bar(NamedTuple):
    """One bar of a histogram."""

    left: float
    right: float
    height: float


class Line(NamedTuple):
    """A series as SVG point lists: its line, its interval band (or none), its dots as a path.

    bars  of a histogram, which is drawn as an area down to the axis, without dots
    """

    name: str
    line: str
    band: str
    dots: str
    points: tuple[Point, ...]
    bars: tuple[Bar, ...]


class Chart(NamedTuple):
    """A curve, laid out; the words that stand for it where it cannot be seen are ``summary``."""

    summary: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]


class Strip(NamedTuple):
    """A rate on a line from 0 to 100 %: interval, mark, and on which side of the mark the fact lies."""

    low: float
    width: float
    mark: float
    open_from: float
    open_width: float


def bars(series: Series) -> tuple[Bar, ...]:
    """The bars of a histogram: two points each, (left, height) and (right, height), the next where one ends.

    Empty for any other series.
    """
    pairs = list(zip(series.points[::2], series.points[1::2], strict=False))
    closed = all(a.x < b.x and a.y == b.y and a.low is None for a, b in pairs)
    joined = all(one[1].x == following[0].x for one, following in pairwise(pairs))
    is_histogram = len(pairs) > 1 and len(series.points) % 2 == 0 and closed and joined
    return tuple(Bar(a.x, b.x, a.y) for a, b in pairs) if is_histogram else ()


def chart(curve: Curve) -> Chart:
    """The layout of a curve; y runs from 0 to 1 where every value lies there."""
    shown = curve.series[:SERIES]
    points = [p for one in shown for p in one.points]
    heights = [v for p in points for v in (p.y, p.low, p.high) if v is not None]
    x = axis([p.x for p in points])
    if any(bars(one) for one in shown):
        heights.append(0.0)  # an area is read from its foot
    y = axis([0.0, 1.0] if heights and all(0 <= v <= 1 for v in heights) else heights)
    return Chart(
        summary="; ".join(_summary(one) for one in shown if one.points),
        x_ticks=tuple(Tick(round(100 * x.share(t), 2), f"{t:.4g}") for t in x.ticks),
        y_ticks=tuple(Tick(round(100 * y.share(t), 2), f"{t:.4g}") for t in y.ticks),
        lines=tuple(_line(one, x, y) for one in shown if one.points),
    )


def axis(values: Sequence[float]) -> Axis:
    """An axis over the values, at least one wide where all are equal, with ticks at round numbers."""
    low, high = min(map(_bounded, values), default=0.0), max(map(_bounded, values), default=1.0)
    if not high - low > abs(low) * 1e-12:
        margin = abs(low) / 2 or 0.5
        low, high = low - margin, high + margin
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in STEPS if s * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first
    return Axis(low, high, tuple(_round((first + i) * step) for i in range(min(count, 2 * TICKS) + 1)))


def _round(value: float) -> float:
    return float(f"{value:.10g}")


def _bounded(value: float) -> float:
    return max(-LARGEST, min(LARGEST, value))


def _line(series: Series, x: Axis, y: Axis) -> Line:
    def place(at: float, height: float) -> str:
        return f"{EXTENT * x.share(at):.1f},{EXTENT * (1 - y.share(height)):.1f}"

    points = series.points
    upper = [place(p.x, p.high) for p in points if p.high is not None and p.low is not None]
    found = bars(series)
    feet = [place(points[0].x, 0.0), place(points[-1].x, 0.0)] if found else []
    lower = [place(p.x, p.low) for p in points if p.high is not None and p.low is not None]
    return Line(
        name=series.name,
        line=" ".join(place(p.x, p.y) for p in points),
        band=" ".join([place(p.x, p.y) for p in points] + feet[::-1] if found else upper + lower[::-1]),
        dots="" if found else "".join(f"M{place(p.x, p.y)}h0" for p in points),
        points=points,
        bars=found,
    )


def _summary(series: Series) -> str:
    first, last = series.points[0], series.points[-1]
    return f"{series.name}: {first.y:.3g} at {first.x:.4g}, {last.y:.3g} at {last.x:.4g}"


def strip(measure: Measure) -> Strip | None:
    """The layout of a rate; None for other units."""
    if measure.unit != RATE or measure.low is None or measure.high is None:
        return None
    low, high, mark = (round(100 * v, 2) for v in (measure.low, measure.high, measure.value))
    open_from, open_width = 0.0, 0.0
    if isinstance(measure, Bound):
        open_from, open_width = (0.0, mark) if measure.side == "at_most" else (mark, round(100 - mark, 2))
    return Strip(low, round(max(high - low, 0.4), 2), mark, open_from, open_width)
