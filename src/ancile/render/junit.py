"""The record as JUnit XML, in the form that build servers share (testmoapp/junitxml), one case a finding."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from ancile.core.finding import Finding
from ancile.core.report import Record, Report
from ancile.core.text import plain
from ancile.render.defuse import defused
from ancile.render.outline import passed
from ancile.render.phrases import label, measure_text, setting, slice_text
from ancile.render.verdict import verdict

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def render(record: Record) -> str:
    """A suite: passed checks and warnings pass, a warning with its words; FAIL, ERROR and SKIP as such.

    An incomplete run without an ERROR, and one that examined nothing, has a case of its own that is an error:
    the build then fails where the exit code is not 0.
    """
    report = record.report
    suite = ET.Element("testsuite", name=_word(f"ancile {report.stage}: {report.subject.name}"))
    cases = [_passed_case(report, check, times) for check, times in passed(report)]
    cases += [_finding_case(report, one) for one in report.findings]
    if report.outcome == "no_conclusion" and not any(f.status == "ERROR" for f in report.findings):
        cases.append(_open_case(report))
    counts = {name: sum(c.find(tag) is not None for c in cases) for name, tag in TAGS.items()}
    for name, value in {"tests": len(cases), **counts}.items():
        suite.set(name, str(value))
    suite.set("time", f"{report.cost.wall_seconds:.3f}")
    suite.set("timestamp", f"{report.started:%Y-%m-%dT%H:%M:%S%z}")
    suite.append(_properties(record))
    suite.extend(cases)
    root = ET.Element("testsuites", {k: v for k, v in suite.attrib.items() if k != "timestamp"})
    root.append(suite)
    ET.indent(root, " ")
    text = HEAD + ET.tostring(root, encoding="unicode")
    return defused(text, hash_sign="&#35;", colon="&#58;") + "\n"


TAGS = {"failures": "failure", "errors": "error", "skipped": "skipped"}
STATUS_TAGS = {"FAIL": "failure", "ERROR": "error", "SKIP": "skipped"}


def _word(text: str, limit: int = 200) -> str:
    return plain(text, limit)


def _case(report: Report, name: str) -> ET.Element:
    return ET.Element("testcase", classname=_word(f"ancile.{report.stage}", 60), name=name, time="0")


def _passed_case(report: Report, check: str, times: int) -> ET.Element:
    case = _case(report, _word(check, 100))
    ET.SubElement(case, "system-out").text = f"looked {times} times and found nothing"
    return case


def _finding_case(report: Report, one: Finding) -> ET.Element:
    where = str(one.location)
    case = _case(report, _word(f"{one.check}: {where}" if where else one.check, 300))
    tag = STATUS_TAGS.get(one.status)
    if tag is None:
        ET.SubElement(case, "system-out").text = _words(one)
        return case
    attributes = {"message": _word(f"{one.title}: {one.detail}" if one.fix else one.detail, 500)}
    if tag != "skipped":
        attributes["type"] = one.severity
    ET.SubElement(case, tag, attributes).text = _words(one)
    return case


def _open_case(report: Report) -> ET.Element:
    case = _case(report, "conclusion")
    said = verdict(report)
    ET.SubElement(case, "error", message=said.because, type="no conclusion").text = said.meaning
    return case


def _words(one: Finding) -> str:
    """Status, what was seen, what to do, references: a line each, none of which begins with foreign text."""
    lines = (
        f"{one.status}, {one.severity}: {_word(one.detail or one.title, 1000)}",
        f"fix: {_word(one.fix, 1000)}" if one.fix else "",
        f"see: {_word(', '.join(one.refs), 400)}" if one.refs else "",
    )
    return "\n".join(line for line in lines if line)


def _properties(record: Record) -> ET.Element:
    report = record.report
    found = ET.Element("properties")
    said = verdict(report)
    named = [
        ("outcome", report.outcome),
        ("verdict", f"{said.word}: {said.meaning}. {said.caution}"),
        ("subject", _word(report.subject.name)),
        ("digest", report.subject.digest),
        *((_measure_name(m.name, slice_text(m.slice)), measure_text(m)) for m in report.measures),
        *((f"parameter {label(name)}", setting(value)) for name, value in report.parameters.items()),
        ("evidence", "none" if record.evidence is None else f"ledger entry {record.evidence.index}"),
    ]
    for name, value in named:
        ET.SubElement(found, "property", name=name, value=value)
    return found


def _measure_name(name: str, of: str) -> str:
    return f"measure {label(name)}, {of}" if of else f"measure {label(name)}"
