"""What people see: the page stays small whatever the data, marks what is wrong, and needs no script."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ancile.core.exhibit import PICTURE_BYTES, Curve, Picture, Table
from ancile.core.report import Record, Report
from ancile.data.checking.exhibits import exhibits_of, marked
from ancile.data.checking.facts import Facts, Searched, ranking
from ancile.data.checking.raster import enlarged, framed, png, scatter, sheet
from ancile.data.checking.report import Order, check_data
from ancile.data.checking.tables import Asked
from ancile.data.poison.combine import combined
from ancile.data.poison.signal import Group, Signal
from ancile.render.html import render
from ancile.work.clock import system_clock
from tests.data.checking.sets import opened, texts, write_lines, write_pictures, write_table


def checked(path: Path, *, reference: Path | None = None, rows: int = 500) -> Report:
    order = Order(path=path, asked=Asked(), rows=rows, seed=0, reference=reference)
    return check_data(order, clock=system_clock()).report


def seen(packed: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(packed)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_of_ours_is_one_to_others(channels: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, channels)).astype(np.uint8)
    np.testing.assert_array_equal(seen(png(pixels)).reshape(pixels.shape), pixels)


def test_a_frame_stands_around_what_is_marked_and_changes_nothing_else() -> None:
    picture = np.full((8, 8, 1), 90, np.uint8)
    mask = np.zeros((8, 8), bool)
    mask[2:4, 5:7] = True
    large = framed(picture, mask, 32)
    red = (large == (200, 0, 0)).all(axis=2)
    assert large.shape == (32, 32, 3)
    assert red[7, 19:29].all()
    assert red[7:17, 19].all()
    assert red.sum() == 2 * 10 + 2 * 8
    assert not (framed(picture, np.zeros((8, 8), bool), 32) == (200, 0, 0)).all(axis=2).any()


def test_large_pictures_are_thinned_and_small_ones_enlarged() -> None:
    assert max(enlarged(np.zeros((300, 200, 3), np.uint8), 84).shape[:2]) <= 84
    assert enlarged(np.zeros((20, 10, 1), np.uint8), 84).shape == (80, 40, 3)
    assert sheet([np.zeros((4, 4, 3), np.uint8)] * 7, 3).shape == (3 * 8 + 4, 3 * 8 + 4, 3)


def test_a_scatter_shows_marked_dots_over_the_others() -> None:
    points = np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]])
    drawn = scatter(points, np.array([0, 1, 8]), np.array([False, False, True]), (100, 80))
    assert (drawn[40, 50] == (230, 159, 0)).all()  # of the eighth colour, which is the first but one again
    assert (drawn == 0).all(axis=2).any()


def test_what_a_reason_names_is_marked_in_the_text() -> None:
    text = "x" * 300 + " Buy cf now " + "y" * 300
    shown = marked(text, ["buy CF", "absent"])
    assert "\u00bbBuy cf\u00ab" in shown
    assert shown.startswith("\u2026")
    assert shown.endswith("\u2026")
    assert marked("short", []) == "short"


def planted(path: Path) -> Facts:
    """Rows of which a detector says that some share a pattern."""
    data = opened(path)
    (rows,) = data.rows
    some = np.arange(0, 30, 3)
    score = np.zeros(len(rows))
    score[some] = 9.0
    mask = np.zeros((8, 8), bool)
    mask[6:, 6:] = True
    group = Group(what="a bright corner", rows=some, evidence=9.5, label=1, mask=mask)
    signal = Signal(
        name="corner", score=score, reason=lambda _: "has 'free' in it, and 'v1' is high", groups=(group,)
    )
    return Facts(data, (Searched(rows, combined([signal], len(rows))),))


def test_a_group_of_pictures_is_shown_with_its_pattern_framed(tmp_path: Path) -> None:
    facts = planted(write_pictures(tmp_path / "set"))
    found = exhibits_of(facts, (), seed=0)
    first = found[0]
    assert isinstance(first, Picture)
    assert first.title == "a bright corner"
    assert "all labelled class 1" in first.alt
    assert (seen(first.png) == (200, 0, 0)).all(axis=2).any()
    assert any(isinstance(one, Picture) and one.title == "Where rows lie" for one in found)
    assert {one.place for one in ranking(facts, 10)} == set(range(0, 30, 3))


def test_texts_are_shown_with_the_pattern_marked(tmp_path: Path) -> None:
    facts = planted(write_lines(tmp_path / "a.jsonl", texts(60)))
    (table,) = (
        one for one in exhibits_of(facts, (), seed=0) if isinstance(one, Table) and "Worst" in one.title
    )
    shown = [str(row[4]) for row in table.rows]
    assert len(shown) == 10
    assert any("\u00bbfree\u00ab" in one for one in shown)


def test_a_reference_stands_beside_the_data_in_the_distributions(tmp_path: Path) -> None:
    path = write_table(tmp_path, "csv")
    report = checked(path, reference=path)
    curves = [
        one for one in report.exhibits if isinstance(one, Curve) and one.title.startswith("Distribution")
    ]
    assert [one.name for one in curves[0].series] == ["data", "reference"]
    assert any(one.title.startswith("Difference from") for one in report.exhibits)
    assert report.parameters["reference"] == report.subject.digest


def test_the_page_stays_below_two_megabytes_and_has_no_script(tmp_path: Path) -> None:
    """Noise does not shrink, names are a thousand characters, and each cell wants to be a script."""
    rng = np.random.default_rng(3)
    for at in range(40):
        place = tmp_path / "set" / ("<script>alert(1)<" + "x" * 200 + str(at % 2))
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (400, 400, 3)).astype(np.uint8)).save(
            place / f"{'n' * 200}{at}.png"
        )
    hostile = [{"text": f"<script>alert(1)</script> {'w ' * 3000} {at}", "label": at % 2} for at in range(60)]
    for path in (tmp_path / "set", write_lines(tmp_path / "a.jsonl", hostile)):
        report = checked(path)
        page = render(Record(report=report))
        assert len(page.encode()) < 2_000_000
        assert "<script" not in page
        assert all(len(one.png) <= PICTURE_BYTES for one in report.exhibits if isinstance(one, Picture))
