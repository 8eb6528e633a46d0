"""JUnit XML: the counts add up, and a build fails where the exit code says so."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from ancile.core.report import Record, exit_code
from ancile.render.junit import render
from tests.render.records import RECORDS, assessed, empty, failing, gate, incomplete, report


def suite_of(record: Record) -> ET.Element:
    root = ET.fromstring(render(record))  # noqa: S314 - our own output
    suite = root.find("testsuite")
    assert suite is not None
    return suite


def kinds(record: Record) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for case in suite_of(record).iter("testcase"):
        tag = next((e.tag for e in case if e.tag != "system-out"), "passed")
        found.setdefault(tag, []).append(case.attrib["name"])
    return found


@pytest.mark.parametrize("name", RECORDS)
def test_the_counts_are_those_of_the_cases(name: str) -> None:
    suite = suite_of(RECORDS[name]())
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases)
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[count]) == sum(case.find(tag) is not None for case in cases)


@pytest.mark.parametrize("name", RECORDS)
def test_a_build_fails_exactly_where_the_exit_code_is_not_zero(name: str) -> None:
    record = RECORDS[name]()
    suite = suite_of(record)
    red = int(suite.attrib["failures"]) + int(suite.attrib["errors"]) > 0
    assert red == (exit_code(record.report) != 0)


def test_statuses_become_the_tags_of_the_format() -> None:
    assert kinds(failing())["failure"] == ["evasion-broken-claim: row 7"]
    assert kinds(incomplete())["error"] == ["evasion-unfinished"]
    assert kinds(assessed())["skipped"] == ["evasion-masked-gradient"]
    assert len(kinds(assessed())["passed"]) == 10


def test_a_warning_passes_and_says_its_words() -> None:
    case = next(c for c in suite_of(assessed()).iter("testcase") if "adversarial" in c.attrib["name"])
    words = case.findtext("system-out") or ""
    assert words.startswith("WARN, high: 169 of 981")
    assert "fix: Train against" in words


def test_nothing_examined_is_an_error_of_its_own() -> None:
    assert kinds(empty()) == {"error": ["conclusion"]}
    assert kinds(Record(report=report(complete=False)))["error"] == ["conclusion"]


def test_figures_are_properties_with_their_intervals() -> None:
    found = {p.attrib["name"]: p.attrib["value"] for p in suite_of(assessed()).iter("property")}
    assert found["measure robust accuracy"] == "at most 81.2 % (78.6 to 83.6 at 95 %, n = 1000)"
    assert found["measure robust accuracy, class zero"].startswith("at most 90.4 %")
    assert found["outcome"] == "pass"
    assert found["evidence"] == "ledger entry 41"


def test_times_are_those_of_the_run() -> None:
    suite = suite_of(assessed())
    assert suite.attrib["time"] == "200.000"
    assert suite.attrib["timestamp"] == "2026-03-02T09:30:00+0000"
    assert suite_of(gate()).attrib["name"] == "ancile gate: digits.pt2"
