"""The record as SARIF 2.1.0: OASIS Standard, 27 March 2020, with Errata 01; section numbers are its own.

FAIL is an error; WARN a warning, or a note where its severity is low; ERROR has kind ``open`` and SKIP
``notApplicable``, both of level ``none`` (3.27.9, 3.27.10), and an ERROR is a notification of the run too,
since viewers may show failing results only. Passes are counted in the run's properties.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ancile.core.finding import Finding, Location, Severity
from ancile.core.report import Evidence, Record, Report, exit_code
from ancile.core.text import plain
from ancile.core.wire import builtins
from ancile.render.json import written
from ancile.render.outline import passed
from ancile.render.verdict import verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "ancileCheckAndPlace/v1"
ARTIFACTS = 1000  # parts of a subject that are listed
URI_LENGTH = 1000  # characters of a path before it is percent-encoded
# "security-severity", 0.0 to 10.0, by which GitHub code scanning sorts: inside its bands of these names
SCORES: dict[Severity, str] = {
    "critical": "9.5",
    "high": "8.0",
    "medium": "5.5",
    "low": "2.0",
    "info": "0.0",
}
KINDS = {"FAIL": "fail", "WARN": "fail", "ERROR": "open", "SKIP": "notApplicable"}


def render(record: Record) -> str:
    """A log with one run: the findings as results, the measures in the run's properties."""
    report = record.report
    rules = _rules(report)
    order = {rule["id"]: place for place, rule in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "ancile", "version": plain(report.version, 40), "rules": rules}},
        "invocations": [_invocation(report)],
        "artifacts": list(_artifacts(report)),
        "results": list(_results(report, order)),
        "columnKind": "unicodeCodePoints",
        "properties": _properties(record),
    }
    return written({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def message(text: str, limit: int = 1000) -> str:
    """A plain text message: braces doubled, since single ones are placeholders (3.11.5), no link (3.11.6)."""
    return plain(text, limit).replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _rules(report: Report) -> list[dict[str, Any]]:
    """One rule a check, from the finding that says most about it: one with a fix where there is one."""
    first: dict[str, Finding] = {}
    for finding in sorted(report.findings, key=lambda f: not f.fix):
        first.setdefault(finding.check, finding)
    return [_rule(one) for one in first.values()]


def _rule(one: Finding) -> dict[str, Any]:
    see = f"See {', '.join(one.refs)}." if one.refs else ""
    help_ = " ".join(part for part in (one.fix, see, f"More: ancile explain {one.check}") if part)
    return {
        "id": plain(one.check, 100),
        "shortDescription": {"text": message(one.title)},
        "help": {"text": message(help_, 2000)},
        "defaultConfiguration": {"level": _level(one) if one.fix else "none"},
        "properties": {
            "tags": ["security", *dict.fromkeys(plain(ref, 100) for ref in one.refs if ref != "security")],
            "security-severity": SCORES[one.severity],
        },
    }


def _level(one: Finding) -> str:
    if KINDS[one.status] != "fail":
        return "none"
    if one.status == "FAIL":
        return "error"
    return "note" if one.severity in ("low", "info") else "warning"


def _results(report: Report, order: dict[str, int]) -> Iterator[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for one in report.findings:
        print_ = fingerprint(report, one)
        seen[print_] += 1
        rule = plain(one.check, 100)
        yield {
            "ruleId": rule,
            "ruleIndex": order[rule],
            "kind": KINDS[one.status],
            "level": _level(one),
            "message": {"text": message(": ".join(part for part in (one.title, one.detail) if part))},
            "locations": [_location(report, one.location)],
            "partialFingerprints": {FINGERPRINT: f"{print_}:{seen[print_]}"},
            "properties": {"status": one.status, "severity": one.severity},
        }


def fingerprint(report: Report, one: Finding) -> str:
    """What stays the same from run to run: check, subject's kind and name, file, member and column.

    Offsets, rows, counts and times are left out, since they move when something else changes; findings that
    differ in these alone are told apart by a running number behind the fingerprint.
    """
    where = one.location
    parts = (one.check, report.subject.kind, report.subject.name, where.path, where.member, where.column)
    digest = hashlib.sha256()
    for part in parts:
        data = (part or "").encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def _location(report: Report, where: Location) -> dict[str, Any]:
    path = report.subject.name if where.path is None else where.path
    place = uri(path, is_encoded=path in report.subject.parts)
    physical: dict[str, Any] = {"artifactLocation": {"uri": place}}
    if where.offset is not None and where.offset >= 0:
        physical["region"] = {"byteOffset": where.offset}
    found: dict[str, Any] = {"physicalLocation": physical}
    if any(part is not None for part in (where.member, where.row, where.column)):
        found["logicalLocations"] = [{"fullyQualifiedName": plain(str(where), 400)}]
    return found


def uri(path: str, *, is_encoded: bool) -> str:
    """A path as a relative reference (RFC 3986, 4.2): no scheme, no authority, nothing but ASCII.

    is_encoded  the path is percent-encoded already, as the parts of a subject are
    """
    shown = path if len(path) <= URI_LENGTH else plain(path, URI_LENGTH)
    safe = "/._-~+@=,%" if is_encoded else "/._-~+@=,"
    encoded = quote(shown.encode("utf-8", "surrogatepass"), safe=safe)
    return f"/.{encoded}" if encoded.startswith("//") else encoded or "."


def _artifacts(report: Report) -> Iterator[dict[str, Any]]:
    subject = report.subject
    target = {"location": {"uri": uri(subject.name, is_encoded=False)}, "roles": ["analysisTarget"]}
    if subject.parts:
        yield target | {"description": {"text": f"{len(subject.parts)} files, together {subject.digest}"}}
    else:
        yield target | _hashes(subject.digest)
    for path, digest in list(subject.parts.items())[:ARTIFACTS]:
        yield {"location": {"uri": uri(path, is_encoded=True)}} | _hashes(digest)


def _hashes(digest: str) -> dict[str, Any]:
    return {"hashes": {"sha-256": digest.removeprefix("sha256:")}}


def _invocation(report: Report) -> dict[str, Any]:
    said = verdict(report)
    failed = [f for f in report.findings if f.status == "ERROR"]
    return {
        "executionSuccessful": report.complete and not failed,
        "exitCode": exit_code(report),
        "exitCodeDescription": said.word + ("; with --strict it is 1" if said.warned else ""),
        "startTimeUtc": _time(report.started.astimezone(UTC)),
        "endTimeUtc": _time(report.finished.astimezone(UTC)),
        "toolExecutionNotifications": [
            {
                "level": "error",
                "message": {"text": message(f"{one.check}: {one.detail}")},
                "associatedRule": {"id": plain(one.check, 100)},
            }
            for one in failed
        ],
    }


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _properties(record: Record) -> dict[str, Any]:
    report = record.report
    said = verdict(report)
    return {
        "stage": plain(report.stage, 40),
        "outcome": report.outcome,
        "verdict": f"{said.word}: {said.meaning}. {said.caution}",
        "complete": report.complete,
        "subject": {
            "kind": report.subject.kind,
            "name": plain(report.subject.name),
            "digest": report.subject.digest,
        },
        "measures": _shortened([builtins(one) for one in report.measures]),
        "parameters": _shortened(report.parameters),
        "cost": builtins(report.cost),
        "passed": _shortened(dict(passed(report))),
        "evidence": _evidence(record.evidence),
    }


def _evidence(evidence: Evidence | None) -> dict[str, Any] | None:
    """Where the report is recorded; the checkpoint is in the JSON form."""
    if evidence is None:
        return None
    return {
        "index": evidence.index,
        "statement_digest": plain(evidence.statement_digest),
        "log": plain(evidence.checkpoint.partition("\n")[0]),
    }


def _shortened(value: Any) -> Any:
    """The value with every string of it safe to show."""
    if isinstance(value, str):
        return plain(value, 400)
    if isinstance(value, dict):
        return {plain(str(key), 100): _shortened(one) for key, one in value.items()}
    return [_shortened(one) for one in value] if isinstance(value, list | tuple) else value
