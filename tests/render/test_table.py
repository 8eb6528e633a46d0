"""The terminal's table: verdict first, at most so wide, colours only when told."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from ancile.core.exhibit import Curve, Point, Series, Table
from ancile.core.report import Record
from ancile.render.table import render
from tests.render.records import BROKEN, FINDINGS, RECORDS, assessed, failing, gate, report

GOLDEN = Path(__file__).parent / "golden"
SGR = re.compile(r"\x1b\[[\d;]*m")


def test_a_gate_reads_as_it_always_did() -> None:
    assert render(gate()) == (GOLDEN / "gate.txt").read_text("utf-8")


def test_the_verdict_is_the_first_word() -> None:
    first = {name: render(make()).splitlines()[0] for name, make in RECORDS.items()}
    assert first == {
        "assessed": "PASS WITH 7 WARNINGS  assess",
        "incomplete": "NO CONCLUSION  assess",
        "failing": "FAIL  assess",
        "empty": "NO CONCLUSION  scan",
        "gate": "FAIL  gate",
    }


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", RECORDS)
def test_no_line_is_wider_than_asked(name: str, width: int) -> None:
    assert max(len(line) for line in render(RECORDS[name](), width=width).splitlines()) <= width


def test_a_width_below_forty_is_forty() -> None:
    assert render(assessed(), width=1) == render(assessed(), width=40)


@pytest.mark.parametrize("name", RECORDS)
def test_colours_add_nothing_but_colours(name: str) -> None:
    record = RECORDS[name]()
    plain, coloured = render(record), render(record, colour=True)
    assert "\x1b" not in plain
    assert SGR.sub("", coloured) == plain
    assert coloured != plain


def test_no_line_ends_in_blanks() -> None:
    for make in RECORDS.values():
        assert not re.search(r"[ \t]$", render(make()), re.MULTILINE)


def test_what_to_do_comes_before_the_parts_and_names_each_fix() -> None:
    text = render(failing())
    assert text.index("What to do") < text.index("By class")
    assert text.index("FAIL critical") < text.index("WARN high")
    assert " ".join(BROKEN.fix.split()) in " ".join(text.split())


def test_a_curve_over_a_slice_is_shown_once() -> None:
    assert "Robust accuracy against eps" not in render(assessed())
    assert "Robust accuracy against eps" in render(Record(report=report(measures=())))


def test_what_is_not_shown_is_counted() -> None:
    many = tuple(msgspec.structs.replace(FINDINGS[7], check=f"check-{i}") for i in range(50))
    rows = tuple((i,) for i in range(100))
    places = tuple(msgspec.structs.replace(FINDINGS[0], detail=str(i)) for i in range(9))
    text = render(
        Record(
            report=report(findings=(*places, *many), exhibits=(Table(title="t", columns=("c",), rows=rows),))
        )
    )
    assert "and 11 more checks" in text
    assert "and 76 rows more" in text
    assert "and 6 more places" in text


def test_two_curves_are_told_apart_by_name() -> None:
    series = tuple(Series(name=name, points=(Point(0, 1), Point(1, 0.5))) for name in ("clean", "hard"))
    one = Curve(title="Two", x_label="step", y_label="loss", series=series)
    text = render(Record(report=report(exhibits=(one,))))
    assert text.index("  clean\n") < text.index("  hard\n")


def test_a_report_without_ledger_says_so() -> None:
    assert "not evidence" in render(RECORDS["empty"]())
