"""SARIF 2.1.0 against its schema, and what code-scanning servers make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from ancile.core.finding import Location
from ancile.core.report import Record, exit_code
from ancile.core.subject import Subject, digest_of
from ancile.render.sarif import FINGERPRINT, message, render, uri
from tests.render.records import FINDINGS, RECORDS, assessed, failing, incomplete, report

SCHEMA = Draft7Validator(json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_bytes()))


def run_of(record: Record) -> dict[str, Any]:
    document = json.loads(render(record))
    assert not list(SCHEMA.iter_errors(document))
    (run,) = document["runs"]
    assert isinstance(run, dict)
    return run


def prints(record: Record) -> list[str]:
    return [result["partialFingerprints"][FINGERPRINT] for result in run_of(record)["results"]]


def test_the_schema_refuses_what_is_not_sarif() -> None:
    assert list(SCHEMA.iter_errors({"version": "2.1.0", "runs": [{"tool": {}}]}))


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_is_valid_and_says_the_exit_code(name: str) -> None:
    record = RECORDS[name]()
    (invocation,) = run_of(record)["invocations"]
    assert invocation["exitCode"] == exit_code(record.report)


def test_statuses_become_kinds_and_levels() -> None:
    record = Record(
        report=report(
            complete=False, findings=(*failing().report.findings, *incomplete().report.findings[-1:])
        )
    )
    found = {
        (r["properties"]["status"], r["properties"]["severity"]): (r["kind"], r["level"])
        for r in run_of(record)["results"]
    }
    assert found == {
        ("FAIL", "critical"): ("fail", "error"),
        ("WARN", "high"): ("fail", "warning"),
        ("WARN", "medium"): ("fail", "warning"),
        ("WARN", "low"): ("fail", "note"),
        ("WARN", "info"): ("fail", "note"),
        ("SKIP", "high"): ("notApplicable", "none"),
        ("ERROR", "medium"): ("open", "none"),
    }


def test_an_error_is_a_notification_and_the_run_not_successful() -> None:
    (invocation,) = run_of(incomplete())["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [n["associatedRule"]["id"] for n in invocation["toolExecutionNotifications"]] == [
        "evasion-unfinished"
    ]
    assert run_of(assessed())["invocations"][0]["executionSuccessful"] is True


def test_every_result_names_a_rule_with_help() -> None:
    run = run_of(assessed())
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        rule = rules[result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        assert f"ancile explain {rule['id']}" in rule["help"]["text"]
    assert len(rules) == len({f.check for f in FINDINGS})


def test_fingerprints_survive_other_numbers_times_and_order() -> None:
    moved = [
        msgspec.structs.replace(
            f,
            detail=f"{f.detail} 17",
            location=msgspec.structs.replace(f.location, offset=9, row=1),
        )
        for f in FINDINGS
    ]
    later = report(findings=tuple(reversed(moved)), version="9.9", measures=())
    assert sorted(prints(Record(report=later))) == sorted(prints(assessed()))


@pytest.mark.parametrize(
    "change",
    [
        {"check": "another-check"},
        {"location": Location(path="other")},
        {"location": Location(member="other")},
        {"location": Location(column="other")},
    ],
)
def test_fingerprints_differ_where_check_or_place_differ(change: dict[str, Any]) -> None:
    other = msgspec.structs.replace(FINDINGS[0], **change)
    a, b = prints(Record(report=report(findings=(FINDINGS[0], other))))
    assert a.split(":")[0] != b.split(":")[0]


def test_two_findings_of_one_place_have_two_fingerprints() -> None:
    a, b = prints(Record(report=report(findings=(FINDINGS[0], FINDINGS[0]))))
    assert a.endswith(":1")
    assert b == a[:-1] + "2"


def test_a_subject_of_one_file_is_an_artifact_with_its_digest() -> None:
    alone = Subject(kind="model", name="m.onnx", digest=digest_of(b"m"))
    (artifact,) = run_of(Record(report=report(subject=alone)))["artifacts"]
    assert artifact["hashes"] == {"sha-256": digest_of(b"m").removeprefix("sha256:")}
    assert artifact["roles"] == ["analysisTarget"]


def test_parts_keep_their_encoded_paths() -> None:
    uris = [a["location"]["uri"] for a in run_of(assessed())["artifacts"]]
    assert uris == ["digits.pt2", "digits.pt2", "weights/layer%201.safetensors"]


def test_places_inside_a_file_are_regions_and_names() -> None:
    result = run_of(assessed())["results"][2]
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "weights/layer%201.safetensors"
    assert location["physicalLocation"]["region"] == {"byteOffset": 128}
    assert "member data" in location["logicalLocations"][0]["fullyQualifiedName"]


@given(st.text(max_size=60), st.booleans())
def test_a_path_becomes_a_relative_reference(path: str, is_encoded: bool) -> None:
    found = uri(path, is_encoded=is_encoded)
    assert found.isascii()
    assert not urlsplit(found).scheme
    assert not urlsplit(found).netloc
    if path and not is_encoded and not path.startswith("//"):
        assert unquote(found, errors="surrogatepass") == path


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("{0} of {1}", "{{0}} of {{1}}"),
        ("[a](http://x)", "[a] (http://x)"),
        ("a\nb", "a\\nb"),
    ],
)
def test_a_message_holds_no_placeholder_and_no_link(text: str, safe: str) -> None:
    assert message(text) == safe


def test_measures_and_evidence_are_in_the_properties() -> None:
    properties = run_of(assessed())["properties"]
    names = {m["name"] for m in properties["measures"] if not m["slice"]}
    assert {"clean_accuracy", "robust_accuracy", "attack_success_rate"} <= names
    assert properties["evidence"]["index"] == 41
    assert properties["passed"] == assessed().report.passed
