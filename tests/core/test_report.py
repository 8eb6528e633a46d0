"""Reports, and what follows from their findings."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import product
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest

from ancile.core.finding import Status
from ancile.core.report import EXIT_CODES, MOST_ROWS, Outcome, RankedRow, Record, exit_code, outcome_of
from tests.core.nouns import finding, rate, report

TABLE: list[tuple[str, bool, bool, Outcome, int, int]] = [
    # statuses found, some check passed, complete: outcome, exit code, exit code under --strict
    ("", False, True, "no_conclusion", 2, 2),
    ("", True, True, "pass", 0, 0),
    ("", True, False, "no_conclusion", 2, 2),
    ("WARN", False, True, "pass", 0, 1),
    ("WARN", True, True, "pass", 0, 1),
    ("WARN", True, False, "no_conclusion", 2, 2),
    ("SKIP", False, True, "no_conclusion", 2, 2),
    ("SKIP", True, True, "pass", 0, 0),
    ("SKIP WARN", False, True, "pass", 0, 1),
    ("ERROR", False, True, "no_conclusion", 2, 2),
    ("ERROR", True, True, "no_conclusion", 2, 2),
    ("ERROR WARN", True, True, "no_conclusion", 2, 2),
    ("FAIL", False, True, "fail", 1, 1),
    ("FAIL", False, False, "fail", 1, 1),
    ("FAIL WARN SKIP ERROR", True, False, "fail", 1, 1),
]


@pytest.mark.parametrize(("found", "passed", "complete", "outcome", "code", "strict"), TABLE)
def test_the_outcome_follows_from_the_findings(
    found: str, passed: bool, complete: bool, outcome: Outcome, code: int, strict: int
) -> None:
    findings = tuple(finding(status) for status in found.split())  # type: ignore[arg-type]  # the table holds statuses
    made = report(findings=findings, passed={"a-b": 1} if passed else {}, complete=complete)
    assert (made.outcome, exit_code(made), exit_code(made, strict=True)) == (outcome, code, strict)


def test_no_mixture_of_findings_makes_a_pass_of_a_fault() -> None:
    statuses = [s for s in get_args(Status) if s != "PASS"]
    for chosen, passed, complete in product(product((False, True), repeat=4), (False, True), (False, True)):
        found = {status for status, there in zip(statuses, chosen, strict=True) if there}
        outcome = outcome_of([finding(s) for s in found], {"a-b": 1} if passed else {}, complete=complete)
        assert (outcome == "fail") == ("FAIL" in found)
        if outcome == "pass":
            assert complete
            assert "ERROR" not in found
            assert passed or "WARN" in found


def test_exit_codes_are_those_of_the_contract() -> None:
    assert EXIT_CODES == {"pass": 0, "fail": 1, "no_conclusion": 2}
    assert set(EXIT_CODES) == set(get_args(Outcome))


@pytest.mark.parametrize(("stated", "findings"), [("pass", (finding("FAIL"),)), ("fail", ())])
def test_a_stated_outcome_that_does_not_follow_is_refused(stated: str, findings: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=f"outcome {stated} does not follow"):
        report(outcome=stated, findings=findings)


def test_a_stated_outcome_that_follows_is_kept() -> None:
    assert report(outcome="pass").outcome == "pass"
    assert report(outcome="fail", findings=(finding("FAIL"),)).outcome == "fail"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"started": datetime(2026, 1, 1)}, "times of a report are aware"),  # noqa: DTZ001 - what is refused
        ({"finished": datetime(2026, 1, 1)}, "times of a report are aware"),  # noqa: DTZ001 - likewise
        ({"passed": {"a-b": 0}}, "a count of passes is at least 1"),
        ({"rows": (RankedRow(row=0, score=1.0, reasons=()),) * (MOST_ROWS + 1)}, "at most 10000 rows"),
        ({"measures": (rate(), rate())}, "two measures of one name and slice"),
        ({"measures": (rate(slice={"a": 1, "b": "x"}), rate(slice={"b": "x", "a": 1}))}, "two measures"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        report(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"row": -1}, "has a place"),
        ({"score": -0.1}, "finite and not negative"),
        ({"score": float("nan")}, "finite and not negative"),
        ({"score": float("inf")}, "finite and not negative"),
        ({"reasons": ("x" * 301,)}, "reasons of 300 characters"),
        ({"reasons": ("x",) * 6}, "at most 5 reasons"),
    ],
)
def test_a_row_that_cannot_be_ranked_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RankedRow(**{"row": 0, "score": 0.0, "reasons": ("x",), **changes})


def test_a_measure_is_found_by_name_and_slice() -> None:
    whole, part = rate(), rate(slice={"class": 3})
    made = report(measures=(whole, part))
    assert made.measure("clean_accuracy") is whole
    assert made.measure("clean_accuracy", **{"class": 3}) is part
    assert made.measure("clean_accuracy", **{"class": 4}) is None
    assert made.measure("robust_accuracy") is None


def test_a_report_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        report().outcome = "pass"  # type: ignore[misc]  # what must not be possible


def test_changing_a_copy_judges_it_anew() -> None:
    with pytest.raises(ValueError, match="does not follow"):
        msgspec.structs.replace(report(), findings=(finding("FAIL"),))


def test_a_notebook_gets_the_page_of_the_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    page = ModuleType("ancile.render.html")

    def render(record: Record) -> str:
        return f"<p>{record.report.stage}, {record.evidence}</p>"

    page.__dict__["render"] = render
    monkeypatch.setitem(sys.modules, "ancile.render.html", page)
    assert report(started=datetime.now(UTC))._repr_html_() == "<p>assess, None</p>"
