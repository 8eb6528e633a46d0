"""Nouns to and from JSON."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core import wire
from ancile.core.decision import Decision
from ancile.core.errors import AncileError
from ancile.core.exhibit import PNG, Curve, Picture, Point, Series, Table, Text
from ancile.core.measure import Bound, Count
from ancile.core.report import Evidence, Record, Report
from ancile.core.subject import subject_of_parts
from tests.core.nouns import SUBJECT, finding, rate, report

FULL = report(
    subject=subject_of_parts("model", "net", {"a%20b": SUBJECT.digest}),
    parameters={"eps": 0.3, "norms": ["linf", "l2"], "budget": None, "seed": 7},
    measures=(
        rate(),
        rate("robust_accuracy", slice={"class": 3, "eps": 0.3, "attack": "pgd"}),
        Bound(name="distance", value=0.1, unit="linf", method="minimum", side="at_least"),
        Count(name="queries", value=9, unit="queries", method="counted"),
    ),
    findings=(finding("WARN"), finding("SKIP")),
    exhibits=(
        Text(title="note", text="words"),
        Table(title="rows", columns=("a", "b"), rows=((1, "x"), (None, True))),
        Curve(title="c", x_label="x", y_label="y", series=(Series(name="s", points=(Point(0, 1), Point(1, 0, 0, 1))),)),
        Picture(title="p", png=PNG + b"\0\xff", alt="a seven"),
    ),
)  # fmt: skip
EVIDENCE = Evidence(index=4, statement_digest=SUBJECT.digest, checkpoint="log\n5\nroot\n")
RECORDS = [Record(report=FULL), Record(report=FULL, evidence=EVIDENCE), Record(report=report())]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_comes_back_from_what_format_json_prints(record: Record) -> None:
    data = json.dumps(wire.record_document(record)).encode()
    assert wire.read_record(data, name="report.json") == record


def test_the_report_stands_at_the_top_level_beside_its_evidence() -> None:
    document = wire.record_document(RECORDS[1])
    for key in ("schema", "stage", "outcome", "complete", "subject", "parameters", "measures", "findings",
                "exhibits", "cost", "evidence"):  # fmt: skip
        assert key in document
    assert document["subject"].keys() == {"kind", "name", "digest", "parts"}
    assert document["evidence"].keys() == {"index", "statement_digest", "checkpoint"}
    assert wire.record_document(RECORDS[0])["evidence"] is None
    assert [m["kind"] for m in document["measures"]] == ["estimate", "estimate", "bound", "count"]


def test_a_document_without_evidence_is_a_record_without() -> None:
    document = wire.record_document(RECORDS[0])
    del document["evidence"]
    assert wire.read_record(json.dumps(document).encode(), name="a").evidence is None


@pytest.mark.parametrize("outcome", ["fail", "passed"])
def test_an_outcome_that_does_not_follow_is_refused(outcome: str) -> None:
    document = wire.record_document(RECORDS[0]) | {"outcome": outcome}
    with pytest.raises(AncileError, match=r"report\.json is damaged or of another kind") as told:
        wire.read_record(json.dumps(document).encode(), name="report.json")
    assert outcome in told.value.value


def test_a_failed_report_cannot_be_passed_off() -> None:
    document = wire.record_document(Record(report=report(findings=(finding("FAIL"),))))
    assert document["outcome"] == "fail"
    with pytest.raises(AncileError, match="outcome pass does not follow"):
        wire.read_record(json.dumps(document | {"outcome": "pass"}).encode(), name="a")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[null]", b"null", b"\xff", b'{"schema": "ancile/report/v2"}', b'{"evidence": 3}', b"[" * 100_000,
     b'{"a":' * 100_000, b'"\xed\xa0\x80"'],
)  # fmt: skip
def test_what_is_no_document_is_one_error(data: bytes) -> None:
    for kind in (Report, Record, Decision, list[int]):
        with pytest.raises(AncileError, match="evidence is damaged or of another kind"):
            wire.read(kind, data, name="evidence")
    with pytest.raises(AncileError, match="is damaged or of another kind"):
        wire.read_record(data, name="evidence")


def test_a_document_beyond_its_cap_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST", 4)
    assert wire.read(list[int], b"[11]", name="a") == [11]
    with pytest.raises(AncileError, match="a is too large: 5 bytes"):
        wire.read(list[int], b"[111]", name="a")


@given(data=st.data())
def test_a_changed_byte_is_read_or_refused(data: st.DataObject) -> None:
    sound = bytearray(json.dumps(wire.record_document(RECORDS[1])).encode())
    sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    told = None
    try:
        found = wire.read_record(bytes(sound), name="a")
    except AncileError as reason:
        told = reason
    if told is None:
        assert found.report.outcome in ("pass", "no_conclusion")


def scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def test_builtins_are_what_json_is_made_of() -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(one) for key, one in value.items())
        return all(plain(one) for one in value) if isinstance(value, list | tuple) else scalar(value)

    assert plain(wire.builtins(FULL))


@pytest.mark.parametrize("record", RECORDS)
def test_what_is_printed_agrees_with_the_published_schema(record: Record) -> None:
    schema = wire.record_schema(id_="https://example.org/report.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(json.dumps(wire.record_document(record)))
    jsonschema.Draft202012Validator(schema).validate(document)
    for key in ("schema", "evidence", "stage", "findings"):
        broken = {k: v for k, v in document.items() if k != key} | ({key: 7} if key != "evidence" else {})
        assert not jsonschema.Draft202012Validator(schema).is_valid(broken), key


def test_a_schema_names_its_dialect_and_itself() -> None:
    schema = wire.schema(Report, id_="https://example.org/a")
    assert (schema["$schema"], schema["$id"]) == (
        "https://json-schema.org/draft/2020-12/schema", "https://example.org/a",
    )  # fmt: skip
    jsonschema.Draft202012Validator(schema).validate(json.loads(msgspec.json.encode(FULL)))
