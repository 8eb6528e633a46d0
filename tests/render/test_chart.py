"""The layout of curves: everything lies inside the plot, ticks are round, degenerate curves are drawn too."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.exhibit import Curve, Point, Series
from ancile.core.measure import Bound, Count, Estimate
from ancile.render.chart import axis, bars, chart, strip
from tests.render.records import CURVE, rate

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def curve(*points: Point) -> Curve:
    return Curve(title="t", x_label="x", y_label="y", series=(Series(name="s", points=points),))


def places(polyline: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in polyline.split())]


@given(st.lists(FINITE, max_size=20))
def test_an_axis_holds_its_values_and_a_few_ticks(values: list[float]) -> None:
    found = axis(values)
    assert found.low < found.high
    assert math.isfinite(found.high - found.low)
    assert len(found.ticks) <= 12
    assert all(-1e-9 <= found.share(v) <= 1 + 1e-9 for v in (*values, *found.ticks))


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=20))
def test_all_points_lie_inside_the_plot(points: list[tuple[float, float]]) -> None:
    for line in chart(curve(*(Point(x, y) for x, y in points))).lines:
        assert all(0 <= v <= 1000 for pair in places(line.line) for v in pair)


def test_shares_are_drawn_from_zero_to_one() -> None:
    found = chart(CURVE)
    assert [t.text for t in found.y_ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert places(found.lines[0].line)[0] == (0.0, 20.0)
    assert [t.text for t in found.x_ticks] == ["0", "0.05", "0.1", "0.15", "0.2"]


def test_the_band_runs_along_the_upper_ends_and_back_along_the_lower() -> None:
    found = chart(curve(Point(0, 0.5, 0.4, 0.6), Point(1, 0.2, 0.1, 0.3)))
    assert places(found.lines[0].band) == [(0, 400), (1000, 700), (1000, 900), (0, 600)]


def test_points_without_interval_have_no_band() -> None:
    assert chart(curve(Point(0, 0.5), Point(1, 0.2))).lines[0].band == ""


def test_a_curve_in_words_says_where_it_begins_and_ends() -> None:
    assert chart(CURVE).summary == "attacked: 0.98 at 0, 0.205 at 0.2"


def test_a_curve_without_points_is_an_empty_plot() -> None:
    found = chart(curve())
    assert (found.lines, found.summary) == ((), "")


@pytest.mark.parametrize(
    ("measure", "open_part"),
    [
        (rate(Estimate, "clean_accuracy", 80, 100), (0.0, 0.0)),
        (rate(Bound, "robust_accuracy", 80, 100), (0.0, 80.0)),
        (rate(Bound, "attack_success_rate", 80, 100), (80.0, 20.0)),
    ],
)
def test_a_strip_is_open_on_the_side_where_the_fact_lies(
    measure: Estimate | Bound, open_part: tuple[float, float]
) -> None:
    found = strip(measure)
    assert found
    assert (found.open_from, found.open_width) == open_part
    assert found.mark == 80


def test_a_count_has_no_strip() -> None:
    assert strip(Count(name="n", value=3, unit="rows", method="m")) is None


def steps(*points: tuple[float, float]) -> Series:
    return Series(name="x", points=tuple(Point(*p) for p in points))


def test_two_points_a_bar_make_a_histogram() -> None:
    assert bars(steps((0, 3), (1, 3), (1, 5), (4, 5))) == ((0, 1, 3), (1, 4, 5))


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((0, 1), (1, 1)),
        ((0, 1), (1, 1), (1, 2)),
        ((0, 1), (1, 1), (2, 2), (3, 2)),
        ((0, 1), (1, 2), (1, 2), (2, 2)),
        ((1, 1), (0, 1), (0, 2), (1, 2)),
    ],
)
def test_anything_else_is_a_line(points: tuple[tuple[float, float], ...]) -> None:
    assert bars(steps(*points)) == ()


def test_the_area_of_a_histogram_stands_on_zero() -> None:
    found = chart(Curve(title="t", x_label="x", y_label="y", series=(steps((0, 3), (1, 3), (1, 5), (4, 5)),)))
    (line,) = found.lines
    assert line.dots == ""
    assert places(line.band)[-2:] == [(1000, 1000), (0, 1000)]
