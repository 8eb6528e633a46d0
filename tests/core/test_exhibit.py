"""What belongs to a report, with sizes that are capped when built."""

from __future__ import annotations

import math

import pytest

from ancile.core.exhibit import (
    CELL_LENGTH,
    CURVE_POINTS,
    PICTURE_BYTES,
    PNG,
    TABLE_CELLS,
    TEXT_LENGTH,
    Curve,
    Picture,
    Point,
    Series,
    Table,
    Text,
)


def curve(points: int) -> Curve:
    each = tuple(Point(at, at) for at in range(points))
    return Curve(title="a", x_label="eps", y_label="rate", series=(Series(name="one", points=each),))


def test_an_exhibit_may_be_as_large_as_its_cap() -> None:
    assert len(Text(title="a", text="x" * TEXT_LENGTH).text) == TEXT_LENGTH
    assert (
        len(Table(title="a", columns=("a",), rows=(("x" * CELL_LENGTH,),) * TABLE_CELLS).rows) == TABLE_CELLS
    )
    assert len(curve(CURVE_POINTS).series[0].points) == CURVE_POINTS
    assert len(Picture(title="a", png=PNG.ljust(PICTURE_BYTES, b"\0"), alt="a seven").png) == PICTURE_BYTES


def test_an_exhibit_beyond_its_cap_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        Text(title="a", text="x" * (TEXT_LENGTH + 1))
    with pytest.raises(ValueError, match="more than 5000 cells"):
        Table(title="a", columns=("a",), rows=((1,),) * (TABLE_CELLS + 1))
    with pytest.raises(ValueError, match="a cell beyond 500 characters"):
        Table(title="a", columns=("a",), rows=(("x" * (CELL_LENGTH + 1),),))
    with pytest.raises(ValueError, match="more than 2000 points"):
        curve(CURVE_POINTS + 1)
    with pytest.raises(ValueError, match="not a PNG of at most 65536 bytes"):
        Picture(title="a", png=PNG.ljust(PICTURE_BYTES + 1, b"\0"), alt="a seven")


def test_points_are_counted_over_all_lines() -> None:
    half = Series(name="half", points=(Point(0, 0),) * (CURVE_POINTS // 2 + 1))
    with pytest.raises(ValueError, match="more than 2000 points"):
        Curve(title="a", x_label="x", y_label="y", series=(half, half))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="another length than the columns"):
        Table(title="a", columns=("a", "b"), rows=((1, 2), (1,)))


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(broken: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        Table(title="a", columns=("a",), rows=((broken,),))
    for point in (
        (broken, 0.0, None, None),
        (0.0, broken, None, None),
        (0.0, 0.0, broken, 1.0),
        (0.0, 0.0, 0.0, broken),
    ):
        with pytest.raises(ValueError, match="not finite"):
            Point(*point)


@pytest.mark.parametrize("png", [b"", b"GIF89a", b"<svg/>", PNG[:-1]])
def test_a_picture_that_is_no_png_is_refused(png: bytes) -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        Picture(title="a", png=png, alt="a seven")


def test_a_picture_has_words_that_stand_for_it() -> None:
    with pytest.raises(ValueError, match="words that stand for it"):
        Picture(title="a", png=PNG, alt="")
