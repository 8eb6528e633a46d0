"""The terminal's table: verdict first, at most so wide, colours only when told."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from ancile.core.exhibit import Curve, Point, Series, Table
from ancile.core.measure import Estimate
from ancile.core.report import Record
from ancile.core.subject import digest_of
from ancile.render.table import render
from ancile.render.width import columns
from tests.render.records import (
    ATTACKS,
    BROKEN,
    CASCADE,
    CHANGES,
    FINDINGS,
    HISTOGRAM,
    MANY,
    RECORDS,
    assessed,
    failing,
    gate,
    picture,
    rate,
    report,
)

GOLDEN = Path(__file__).parent / "golden"
SGR = re.compile(r"\x1b\[[\d;]*m")


def test_a_gate_reads_as_its_page_shows() -> None:
    assert render(gate()) == (GOLDEN / "gate.txt").read_text("utf-8")


def test_the_verdict_is_the_first_word() -> None:
    first = {name: render(make()).splitlines()[0] for name, make in RECORDS.items()}
    assert first == {
        "assessed": "PASS WITH 7 WARNINGS  clean 98.1 %, robust at most 81.2 % (78.6 to 83.6)",
        "incomplete": "NO CONCLUSION  assess",
        "failing": "FAIL  assess",
        "empty": "NO CONCLUSION  scan",
        "gate": "FAIL  gate",
    }


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", RECORDS)
def test_no_line_is_wider_than_asked(name: str, width: int) -> None:
    assert max(columns(line) for line in render(RECORDS[name](), width=width).splitlines()) <= width


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


def test_figures_that_are_not_to_be_quoted_stand_beside_no_verdict() -> None:
    first = render(RECORDS["incomplete"]()).splitlines()[0]
    assert first == "NO CONCLUSION  assess"


def test_figures_by_slice_say_how_many_samples_they_rest_on() -> None:
    assert "By eps, n = 200\n" in render(assessed())
    measures = tuple(rate(Estimate, "clean_accuracy", 9 * n // 10, n, **{"class": str(n)}) for n in (50, 70))
    text = render(Record(report=report(measures=measures)))
    rows = text[text.index("By class\n") :].splitlines()[1:4]
    assert [row.split()[:2] for row in rows] == [["n", "clean"], ["50", "50"], ["70", "70"]]


def test_three_examples_are_shown_and_the_others_counted() -> None:
    pictures = tuple(picture(i) for i in range(8))
    tables = tuple(msgspec.structs.replace(CHANGES, title=f"row {i}") for i in range(5))
    text = render(Record(report=report(exhibits=(*pictures, *tables))))
    assert text.count("three becomes eight") == 3
    assert "and 5 more pictures" in text
    assert "row 2\n" in text
    assert "row 3\n" not in text
    assert "and 2 more such tables" in text


def test_wide_signs_keep_the_columns_under_their_names() -> None:
    rows = (("蘋果🍎 x", 1.5, "a"), ("plain", 22.25, "b"), ("cafe\u0301", 3.0, "c"))
    text = render(
        Record(report=report(exhibits=(Table(title="Wide", columns=("name", "size", "k"), rows=rows),)))
    )
    lines = text[text.index("Wide\n") :].splitlines()[1:5]
    assert [columns(line[: line.rindex(" ")]) for line in lines] == [18] * 4
    assert [line.split()[-2] for line in lines] == ["size", "1.5", "22.25", "3"]


def test_a_table_too_wide_for_one_line_keeps_its_columns_by_a_header_of_several() -> None:
    text = render(assessed())
    lines = text[text.index(ATTACKS.title) :].splitlines()
    assert max(map(len, lines)) <= 80
    start = next(i for i, line in enumerate(lines) if line.startswith("  attack"))
    assert lines[start].split()[-2:] == ["forwards", "CPU"] or "CPU s" in lines[start]


def test_a_first_column_too_wide_stands_above_its_values() -> None:
    name = "middle 0.35, cross entropy, step 0.25, momentum 0.75, restarts 3, all samples"
    rows = tuple((name, 100_000 + i, 5, 2, 0.5) for i in range(2))
    table = Table(title="Hanging", columns=("attack", "tried on", "set aside", "broke", "rest"), rows=rows)
    text = render(Record(report=report(exhibits=(table,))))
    lines = text[text.index("Hanging\n") :].splitlines()[1:7]
    assert lines[2] == lines[4] == f"  {name}"
    assert [len(lines[i]) for i in (1, 3, 5)] == [len(lines[1])] * 3
    assert lines[3].split() == ["100000", "5", "2", "0.5"]


def test_many_short_values_share_a_line_where_no_table_fits() -> None:
    names = tuple(f"value number {i}" for i in range(9))
    table = Table(title="t", columns=("what", *names), rows=(("one", *range(100_000, 100_009)),))
    text = render(Record(report=report(exhibits=(table,))), width=50)
    assert "value number 0 100000; value number 1" in text


def test_a_histogram_is_told_bar_by_bar() -> None:
    text = render(Record(report=report(exhibits=(HISTOGRAM,))))
    assert re.search(r"0 to 0\.05 +12\n +0\.05 to 0\.1 +30\n", text)


def test_of_many_attacks_those_that_broke_something_are_shown_with_a_sum() -> None:
    text = render(Record(report=report(exhibits=(CASCADE,))))
    lines = text[text.index(CASCADE.title) :].splitlines()
    assert [line.split() for line in lines[2:5]] == [
        ["phase", "2", "898", "7", "0.88", "100", "0.5"],
        ["phase", "9", "891", "7", "0.81", "100", "0.5"],
        ["all", "25", "14", "0.66", "2500", "12.5"],
    ]
    assert " ".join(" ".join(lines[5:7]).split()).endswith("Left out: 23 attacks that broke nothing.")


def test_few_attacks_are_all_shown() -> None:
    assert "\n  all 3" not in render(assessed())


def test_of_many_classes_the_weakest_are_shown() -> None:
    text = render(Record(report=report(measures=MANY)))
    assert "By class, n = 50, the 10 weakest of 43\n" in text
    rows = text[text.index("By class") :].splitlines()[2:12]
    assert rows[0].split()[:2] == ["sign", "0"]
    assert text.count("  sign ") == 10


def test_settings_stand_one_a_line_and_those_that_nobody_gave_are_left_out() -> None:
    given: dict[str, object] = {
        "norm": "linf",
        "model_notes": [],
        "budget_seconds": None,
        "data_digest": digest_of(b"d"),
    }
    lines = render(Record(report=report(parameters=given))).splitlines()
    start = lines.index("Run")
    assert lines[start + 3 : start + 6] == ["  norm         linf", "  data digest", f"    {digest_of(b'd')}"]
    assert not any(line.startswith(("  model notes", "  budget")) for line in lines)


def test_a_figure_that_is_no_share_says_how_it_was_found() -> None:
    text = render(assessed())
    assert "  brier score: bootstrap over the samples, 1,000 draws\n" in text


def test_a_gate_says_each_reason_once_and_nothing_that_is_empty() -> None:
    text = render(gate())
    assert text.count("upper end 0.72 is below 0.80") == 1
    assert text.count("no scan of this digest") == 1
    assert not re.search(r"^ *(evidence|to do):$", text, re.MULTILINE)


def test_a_gate_without_requirements_still_says_what_is_wrong() -> None:
    bare = msgspec.structs.replace(gate().report, exhibits=())
    assert "ERROR gate-without-conclusion" in render(Record(report=bare))


def test_references_are_a_command_away() -> None:
    text = render(assessed())
    assert "AML.T0043" not in text
    assert text.count("why, and references: ancile explain CHECK") == 1


def test_a_report_without_ledger_says_so() -> None:
    assert "not evidence" in render(RECORDS["empty"]())
