"""in-toto statements: what goes in comes out, in one spelling, and nothing else is read."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ancile.core.decision import Decision, Ground, Requirement
from ancile.core.errors import AncileError
from ancile.core.exhibit import Text
from ancile.core.subject import digest_of, subject_of_parts
from ancile.trust.canonical import canonical
from ancile.trust.events import Erasure, KeyEvent, Loss, Release, RunStarted, Segment, UserEvent
from ancile.trust.key import private_key
from ancile.trust.merkle import root_of
from ancile.trust.statement import (
    LARGEST,
    TYPE,
    Predicate,
    kind_of,
    parse_statement,
    statement_of,
)
from tests.trust.keys_help import NOW, report, review, seeds

KEY = private_key("author", "alice", seeds(1)).public
GROUND = Ground(origin="example.org/log", index=3, statement_digest=digest_of(b"s"), author=KEY.id)
LINES = [b'{"time":1}', b'{"time":2}', b'{"time":3}']
PREDICATES: dict[str, Predicate] = {
    "report": report(),
    "decision": Decision(
        subject=report().subject,
        policy_digest=digest_of(b"policy"),
        requirements=(
            Requirement(name="r", answer="met", reason="0.5 is enough", remedy="none", grounds=(GROUND,)),
        ),
        runs=2,
        decided=NOW,
        version="0.1.0",
    ),
    "run": RunStarted(run="ab" * 16, stage="assess", subject=report().subject, started=NOW, version="0.1.0"),
    "release": Release(
        subject=subject_of_parts("model", "net", {"a%20b.bin": digest_of(b"1")}),
        time=NOW,
        expires=NOW + timedelta(days=90),
        scans=(digest_of(b"scan"),),
        version="0.1.0",
    ),
    "key": KeyEvent(change="introduced", key=KEY.text, id=KEY.id, time=NOW, version="0.1.0"),
    "user": UserEvent(
        event="ab" * 16,
        change="rotated",
        user="alice",
        role="analyst",
        keys=(digest_of(b"key"),),
        until=NOW,
        by="carol",
        time=NOW,
        version="0.1.0",
    ),
    "review": review(),
    "segment": Segment(
        stream="verdicts",
        journal="j/0",
        count=3,
        first=NOW,
        last=NOW + timedelta(seconds=1),
        root=f"sha256:{root_of(LINES).hex()}",
        records=b"\n".join(LINES).decode(),
        version="0.1.0",
    ),
    "erasure": Erasure(entry=3, leaf=digest_of(b"leaf"), reason="asked to", time=NOW, version="0.1.0"),
    "loss": Loss(
        kept=3, checkpoint="note", root=digest_of(b"root"), reason="disk", time=NOW, version="0.1.0"
    ),
}


def changed(**fields: object) -> bytes:
    content: dict[str, Any] = json.loads(statement_of(report()))
    return canonical(content | fields)


@pytest.mark.parametrize("kind", PREDICATES)
def test_a_statement_is_read_back_to_what_it_was_made_from(kind: str) -> None:
    data = statement_of(PREDICATES[kind])
    found = parse_statement(data)
    assert (found.kind, found.predicate) == (kind, PREDICATES[kind])
    assert found.digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert statement_of(found.predicate) == data
    assert kind_of(found.predicate) == kind


@pytest.mark.parametrize("kind", PREDICATES)
def test_a_statement_has_the_fields_of_in_toto_v1(kind: str) -> None:
    content = json.loads(statement_of(PREDICATES[kind]))
    assert set(content) == {"_type", "subject", "predicateType", "predicate"}
    assert content["_type"] == TYPE
    assert content["predicateType"].startswith("urn:ancile:")
    assert all(len(s["digest"]["sha256"]) == 64 for s in content["subject"])


def test_a_subject_is_found_by_the_whole_and_by_each_part() -> None:
    parts = {"a%20b.bin": digest_of(b"1"), "model": digest_of(b"2")}
    run = RunStarted(
        run="r", stage="assess", subject=subject_of_parts("model", "model", parts), started=NOW, version="1"
    )
    found = parse_statement(statement_of(run))
    assert list(found.subjects) == ["model", "model/a%20b.bin", "model/model"]
    assert all(found.covers(d) for d in (run.subject.digest, *parts.values()))
    assert not found.covers(digest_of(b"3"))


def test_names_of_subjects_are_percent_encoded_and_never_empty() -> None:
    odd = report().subject.__class__(kind="model", name="ñ\n\udcff", digest=digest_of(b"1"))
    run = RunStarted(run="r", stage="assess", subject=odd, started=NOW, version="1")
    with pytest.raises(AncileError, match="no canonical form"):
        statement_of(run)
    surrogate = report().subject.__class__(kind="model", name="\ud800", digest=digest_of(b"1"))
    with pytest.raises(AncileError, match="not a statement"):
        statement_of(structs.replace(run, subject=surrogate))
    empty = report().subject.__class__(kind="model", name="", digest=digest_of(b"1"))
    named = RunStarted(run="r", stage="assess", subject=empty, started=NOW, version="1")
    assert list(parse_statement(statement_of(named)).subjects) == ["model"]


def test_integers_that_a_double_cannot_hold_are_refused_with_the_way_out() -> None:
    run = RunStarted(
        run="r",
        stage="assess",
        subject=report().subject,
        parameters={"seed": 2**63},
        started=NOW,
        version="1",
    )
    with pytest.raises(AncileError) as refusal:
        statement_of(run)
    assert "strings" in refusal.value.remedy


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        changed(_type="https://in-toto.io/Statement/v0.1"),
        changed(predicateType="urn:ancile:report:v2"),
        changed(predicateType="urn:ancile:decision:v1"),
        changed(predicateType=1),
        changed(predicateType=[]),
        changed(subject=[]),
        changed(subject=[{"name": "digits.pt2", "digest": {"sha256": "0" * 64}}]),
        changed(predicate={}),
        changed(predicate=None),
        changed(extra=1),
        statement_of(report()) + b"\n",
        statement_of(report()).replace(b'"complete":true', b'"complete": true'),
        statement_of(report()).replace(b'"outcome":"fail"', b'"outcome":"pass"'),
        b" " * (LARGEST + 1),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(AncileError):
        parse_statement(data)


def test_a_field_of_a_later_version_is_let_through() -> None:
    content = json.loads(statement_of(report()))
    content["predicate"]["later"] = {"more": 1}
    assert parse_statement(canonical(content)).predicate == report()


def test_a_statement_beyond_the_cap_is_refused_when_made() -> None:
    large = Text(title="x", text="x" * 20_000)
    many = report().__class__(
        stage="assess",
        complete=True,
        subject=report().subject,
        exhibits=(large,) * 900,
        started=NOW,
        finished=NOW,
        version="1",
    )
    with pytest.raises(AncileError, match="too large"):
        statement_of(many)


@given(st.integers(0, len(statement_of(report())) - 1), st.binary(min_size=1, max_size=3))
def test_fuzz_a_changed_statement_is_refused_or_canonical(place: int, new: bytes) -> None:
    data = statement_of(report())
    mutated = data[:place] + new + data[place + 1 :]
    try:
        found = parse_statement(mutated)
    except AncileError:
        return
    assert found.digest == digest_of(mutated)


@pytest.mark.parametrize(
    "fields",
    [
        {"change": "rotated"},
        {"change": "introduced", "after": KEY.id},
        {"change": "revoked"},
        {"change": "introduced", "id": "sha256:0"},
        {"change": "introduced", "time": NOW.replace(tzinfo=None)},
    ],
)
def test_a_key_event_that_contradicts_itself_cannot_be_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        structs.replace(PREDICATES["key"], **fields)


def test_a_started_run_has_a_name_and_an_aware_time() -> None:
    with pytest.raises(ValueError, match="aware time"):
        RunStarted(run="", stage="assess", subject=report().subject, started=NOW, version="1")
