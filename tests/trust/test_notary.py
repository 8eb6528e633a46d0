"""Recording, finding again, exporting: every path over a real ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.core.subject import Subject, digest_of, subject_of_parts
from ancile.trust.checkpoint import open_checkpoint
from ancile.trust.dsse import sign, unverified, verify
from ancile.trust.events import RunStarted
from ancile.trust.key import AuthorKey, private_key
from ancile.trust.keys import create_key, list_keys, revoke_key, rotate_key
from ancile.trust.ledger import Draft, Ledger, open_ledger
from ancile.trust.notary import (
    Found,
    erase,
    evidence_about,
    export_evidence,
    key_event,
    record,
    record_key_event,
    sign_head,
    unannounced,
)
from ancile.trust.statement import parse_statement, statement_of
from ancile.trust.subjects import FILE, entries_about, erasures
from tests.trust.keys_help import MODEL, NOW, OPEN, report, seeds

ALICE = private_key("author", "alice", seeds(1))
BOB = private_key("author", "bob", seeds(2))
LOG = private_key("log", "example.org/log", seeds(3))
LOGS = LOG.public.vkeys
DIGEST = digest_of(MODEL)
OTHER = digest_of(b"other")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(tmp_path / "ledger", clock=lambda: NOW) as opened:
        yield opened


def put(ledger: Ledger, data: bytes = MODEL, author: AuthorKey = ALICE) -> int:
    return record(ledger, statement_of(report(data)), author=author, log=LOG, clock=lambda: NOW).index


def about(ledger: Ledger, digest: str = DIGEST, *, cache: Path | None = None) -> Found:
    return evidence_about(
        ledger,
        digest,
        logs=LOGS,
        signers=[ALICE.public, BOB.public],
        authors=[ALICE.public.id],
        cache=cache,
    )


def test_a_recorded_report_comes_back_as_accepted_evidence(ledger: Ledger) -> None:
    statement = statement_of(report())
    evidence = record(ledger, statement, author=ALICE, log=LOG, clock=lambda: NOW)
    assert evidence.statement_digest == digest_of(statement)
    (found,) = about(ledger).evidence
    assert found.accepted
    assert (found.statement.predicate, found.evidence) == (report(), evidence)
    assert (found.origin, found.author, found.time) == ("example.org/log", ALICE.public.id, NOW)


def test_the_entry_is_an_envelope_under_the_checkpoint(ledger: Ledger) -> None:
    put(ledger, b"first")
    evidence = record(ledger, statement_of(report()), author=ALICE, log=LOG, clock=lambda: NOW)
    checkpoint = open_checkpoint(evidence.checkpoint, LOGS)
    assert (checkpoint.size, checkpoint.root) == (2, ledger.root(2))
    assert ledger.latest_checkpoint() == evidence.checkpoint
    body = ledger.entry(evidence.index).body or b""
    assert verify(body, [ALICE.public]).payload == statement_of(report())


@pytest.mark.slow
def test_reports_recorded_at_once_are_each_under_their_checkpoint(ledger: Ledger) -> None:
    def one(number: int) -> bool:
        evidence = record(
            ledger, statement_of(report(b"%d" % number)), author=ALICE, log=LOG, clock=lambda: NOW
        )
        return open_checkpoint(evidence.checkpoint, LOGS).size > evidence.index

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(one, range(24)))
    assert [len(about(ledger, digest_of(b"%d" % number)).evidence) for number in range(24)] == [1] * 24


def test_what_is_no_statement_is_not_recorded(ledger: Ledger) -> None:
    with pytest.raises(AncileError):
        record(ledger, b"{}", author=ALICE, log=LOG, clock=lambda: NOW)
    assert ledger.size() == 0


@pytest.mark.parametrize("cached", [False, True])
def test_entries_are_found_by_whole_and_by_part(ledger: Ledger, tmp_path: Path, *, cached: bool) -> None:
    cache = tmp_path / "cache" if cached else None
    put(ledger, b"other")
    parts = subject_of_parts("model", "two", {"a": DIGEST, "b": digest_of(b"b")})
    run = RunStarted(run="r", stage="assess", subject=parts, started=NOW, version="1")
    record(ledger, statement_of(run), author=ALICE, log=LOG, clock=lambda: NOW)
    put(ledger)
    assert entries_about(ledger, DIGEST, cache=cache) == ((1, 2), ())
    assert entries_about(ledger, parts.digest, cache=cache) == ((1,), ())
    assert entries_about(ledger, digest_of(b"nothing"), cache=cache) == ((), ())


def test_an_index_grows_with_the_ledger_and_may_be_deleted(ledger: Ledger, tmp_path: Path) -> None:
    for count in range(1, 4):
        put(ledger)
        put(ledger, b"other")
        assert entries_about(ledger, DIGEST, cache=tmp_path / "c").entries == tuple(range(0, 2 * count, 2))
    (tmp_path / "c" / FILE).unlink()
    assert entries_about(ledger, DIGEST, cache=tmp_path / "c").entries == (0, 2, 4)


def index_change(cache: Path, sql: str) -> None:
    with closing(sqlite3.connect(cache / FILE)) as db, db:
        db.executescript(sql)


@pytest.mark.parametrize(
    "sql",
    [  # the digest takes the place of DIGEST
        "INSERT INTO subjects VALUES ('DIGEST', 1)",
        "INSERT INTO subjects VALUES ('DIGEST', 77), ('DIGEST', -1), ('DIGEST', 9223372036854775807)",
        "INSERT INTO damaged VALUES (0)",
        "INSERT INTO erased VALUES (0, 1)",
        "UPDATE state SET root = x'00'",
        "UPDATE state SET size = -5",
        "UPDATE state SET size = 1000",
        "DROP TABLE state; CREATE TABLE state(size TEXT, root TEXT); INSERT INTO state VALUES ('x', 'y')",
        "DROP TABLE subjects; CREATE TABLE subjects(digest TEXT, idx TEXT); DELETE FROM state",
        "DELETE FROM state",
        "DROP TABLE state",
    ],
)
def test_an_index_that_was_changed_adds_nothing(ledger: Ledger, tmp_path: Path, sql: str) -> None:
    put(ledger)
    put(ledger, b"other")
    entries_about(ledger, DIGEST, cache=tmp_path)
    index_change(tmp_path, sql.replace("DIGEST", DIGEST))
    assert entries_about(ledger, DIGEST, cache=tmp_path) == ((0,), ())


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""])
def test_an_index_that_is_no_database_is_made_again(ledger: Ledger, tmp_path: Path, content: bytes) -> None:
    put(ledger)
    (tmp_path / FILE).write_bytes(content)
    assert entries_about(ledger, DIGEST, cache=tmp_path).entries == (0,)
    assert entries_about(ledger, DIGEST, cache=tmp_path).entries == (0,)


def test_an_index_of_another_ledger_is_made_again(ledger: Ledger, tmp_path: Path) -> None:
    put(ledger)
    with open_ledger(tmp_path / "second", clock=lambda: NOW) as second:
        put(second, b"other")
        put(second)
        assert entries_about(second, DIGEST, cache=tmp_path).entries == (1,)
    assert entries_about(ledger, OTHER, cache=tmp_path).entries == ()
    put(ledger)
    put(ledger)
    assert entries_about(ledger, DIGEST, cache=tmp_path).entries == (0, 1, 2)


@pytest.mark.parametrize("cached", [False, True])
def test_an_erased_entry_is_not_damage_and_a_lost_one_is(
    ledger: Ledger, tmp_path: Path, *, cached: bool
) -> None:
    cache = tmp_path / "cache" if cached else None
    for _ in range(4):
        put(ledger)
    assert entries_about(ledger, DIGEST, cache=cache).entries == (0, 1, 2, 3)
    erase(ledger, 1, reason="asked to", author=ALICE, log=LOG, clock=lambda: NOW)
    with closing(sqlite3.connect(tmp_path / "ledger" / "ledger.db")) as db, db:
        db.execute("DELETE FROM bodies WHERE idx = 2")
        db.execute("UPDATE bodies SET salt = zeroblob(32) WHERE idx = 3")
    assert entries_about(ledger, DIGEST, cache=cache) == ((0,), (2, 3))


def test_who_erased_what_is_read_from_the_entries(ledger: Ledger) -> None:
    for _ in range(3):
        put(ledger)
    erase(ledger, 1, reason="asked to", author=ALICE, log=LOG, clock=lambda: NOW)
    said = ledger.entry(3).body or b""
    ledger.erase(0, Draft("erasure", ALICE.public.id_bytes, b"no statement"))
    ledger.erase(2, Draft("erasure", ALICE.public.id_bytes, sign(statement_of(report()), [ALICE])))
    found = erasures(ledger.entries(0, ledger.size()))
    assert {entry: (told.by, told.said.reason) for entry, told in found.items()} == {1: (3, "asked to")}
    assert parse_statement(unverified(said).payload).predicate == found[1].said


def test_a_lost_entry_is_damage_to_a_scan(ledger: Ledger, tmp_path: Path) -> None:
    for _ in range(3):
        put(ledger)
    with closing(sqlite3.connect(tmp_path / "ledger" / "ledger.db")) as db, db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DELETE FROM entries WHERE idx = 1")
    assert entries_about(ledger, DIGEST) == ((0, 2), (1,))
    with closing(sqlite3.connect(tmp_path / "ledger" / "ledger.db")) as db, db:
        db.execute("DELETE FROM entries WHERE idx = 0")
        db.execute("UPDATE entries SET leaf = x'00'")
    assert entries_about(ledger, DIGEST) == ((), (0, 2))  # of 0 and 1, both gone, the first


@pytest.mark.parametrize("cached", [False, True])
def test_other_kinds_of_entries_are_passed_over_and_false_statements_are_damage(
    ledger: Ledger, tmp_path: Path, *, cached: bool
) -> None:
    ledger.append([Draft("segment", b"abcd", b"no envelope"), Draft("report", b"abcd", b"no envelope")])
    sign_head(ledger, LOG, clock=lambda: NOW)
    assert about(ledger, cache=tmp_path if cached else None) == ((), (1,))


def test_an_author_outside_the_policy_is_in_doubt(ledger: Ledger) -> None:
    put(ledger, author=BOB)
    (found,) = about(ledger).evidence
    assert not found.accepted
    assert "not among the authors of the policy" in found.doubts[0]


def test_an_author_whose_key_is_nowhere_is_in_doubt_twice(ledger: Ledger) -> None:
    put(ledger, author=private_key("author", "carol", seeds(9)))
    (found,) = about(ledger).evidence
    assert len(found.doubts) == 2
    assert "its signature is not checked" in found.doubts[1]


def test_an_entry_that_no_checkpoint_covers_is_an_error_with_the_way_out(ledger: Ledger) -> None:
    put(ledger)
    body = ledger.entry(0).body or b""
    ledger.append([Draft("report", ALICE.public.id_bytes, body)])
    with pytest.raises(AncileError) as refusal:
        about(ledger)
    assert refusal.value.remedy == "run `ancile ledger checkpoint`"
    sign_head(ledger, LOG, clock=lambda: NOW)
    assert len(about(ledger).evidence) == 2


def test_a_statement_that_its_author_never_signed_is_named_by_its_place_in_the_ledger(ledger: Ledger) -> None:
    put(ledger, b"other")
    forged = sign(statement_of(report()), [BOB])
    ledger.append([Draft("report", ALICE.public.id_bytes, forged)])
    sign_head(ledger, LOG, clock=lambda: NOW)
    with pytest.raises(AncileError, match="entry 1 of the ledger does not hold"):
        about(ledger)


def test_an_export_needs_the_keys_of_its_authors_and_entries_with_bodies(ledger: Ledger) -> None:
    put(ledger)
    put(ledger, author=BOB)
    with pytest.raises(AncileError, match="public key of an entry's author"):
        export_evidence(ledger, [0, 1], logs=LOGS, signers=[ALICE.public])
    erase(ledger, 0, reason="asked to", author=ALICE, log=LOG, clock=lambda: NOW)
    with pytest.raises(AncileError, match="no body to carry"):
        export_evidence(ledger, [0], logs=LOGS, signers=[ALICE.public])
    with pytest.raises(AncileError, match="not under a checkpoint"):
        export_evidence(ledger, [], logs=LOGS, signers=[ALICE.public])


def test_a_rotation_is_told_by_the_old_key_and_a_missing_one_is_noticed(
    ledger: Ledger, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    first = create_key(keys, "author", "alice", protection=OPEN, now=NOW)
    event = key_event(first.public, now=NOW)
    run = RunStarted(
        run="r",
        stage="scan",
        subject=Subject(kind="files", name="k", digest=first.public.id),
        started=NOW,
        version="1",
    )
    record(ledger, statement_of(run), author=first, log=LOG, clock=lambda: NOW)
    assert [k.public for k in unannounced(ledger, list_keys(keys))] == [first.public]
    record_key_event(ledger, event, author=first, log=LOG, clock=lambda: NOW)
    assert unannounced(ledger, list_keys(keys)) == []
    rotation = rotate_key(keys, "author", bytes, protection=OPEN, now=NOW)
    assert [k.public for k in unannounced(ledger, list_keys(keys))] == [rotation.new.public]
    event = key_event(rotation.new.public, now=NOW, after=rotation.old.public.id)
    record_key_event(ledger, event, author=rotation.old, log=LOG, clock=lambda: NOW)
    assert unannounced(ledger, list_keys(keys)) == []
    (told,) = evidence_about(
        ledger, rotation.new.public.id, logs=LOGS, signers=[first.public], authors=[first.public.id]
    ).evidence
    assert told.accepted
    assert told.author == first.public.id
    assert (event.change, event.after) == ("rotated", first.public.id)


def test_a_revocation_is_told_and_a_missing_one_is_noticed(ledger: Ledger, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    first = create_key(keys, "author", "alice", protection=OPEN, now=NOW)
    record_key_event(ledger, key_event(first.public, now=NOW), author=first, log=LOG, clock=lambda: NOW)
    put(ledger)
    revoke_key(keys, first.public.id, reason="lost", now=NOW)
    assert len(unannounced(ledger, list_keys(keys), cache=tmp_path / "cache")) == 1
    event = key_event(first.public, now=NOW, revoked_because="lost")
    record_key_event(ledger, event, author=ALICE, log=LOG, clock=lambda: NOW)
    assert (event.change, event.reason) == ("revoked", "lost")
    assert unannounced(ledger, list_keys(keys), cache=tmp_path / "cache") == []
