"""``ancile ledger``: read, verify, prove; and a witness that really listens."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ancile.trust.ledger import Draft, open_ledger
from tests.cli.terminal import Place, clear
from tests.cli.witnessing import witness_of, witnessing


def flipped(place: Place, kind: str) -> int:
    """One leaf of this kind is another; the index of its entry."""
    with sqlite3.connect(place.folder / ".ancile" / "ledger.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        rows = database.execute("SELECT idx, leaf FROM entries ORDER BY idx").fetchall()
        index, leaf = next((i, bytes(leaf)) for i, leaf in rows if f"\n{kind}\n".encode() in bytes(leaf))
        lines = leaf.split(b"\n")
        lines[2] = str(int(lines[2]) + 1).encode()
        database.execute("UPDATE entries SET leaf = ? WHERE idx = ?", (b"\n".join(lines), index))
    database.close()
    return int(index)


def test_log_lists_the_entries_in_order_with_their_kinds(assessed: Place) -> None:
    lines = assessed("ledger", "log").out.splitlines()
    assert [line.split()[3] for line in lines] == ["key", "key", "run", "report"]
    assert assessed("ledger", "log", "-n", "1").out.splitlines() == lines[-1:]
    assert assessed("ledger", "log", "--kind", "key").out.splitlines() == lines[:2]
    assert assessed("ledger", "log", "--kind", "nothing").out == ""


def test_log_as_json_is_one_document_a_line(assessed: Place) -> None:
    rows = [json.loads(line) for line in assessed("ledger", "log", "-f", "json").out.splitlines()]
    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    assert "net.py" in rows[3]["about"]


def test_show_prints_the_statement_of_an_entry(assessed: Place) -> None:
    shown = json.loads(assessed("ledger", "show", "3").out)
    assert shown["kind"] == "report"
    assert shown["statement"]["predicate"]["stage"] == "assess"
    assert "99" in clear(assessed("ledger", "show", "99"))


def test_log_tells_what_a_report_came_to(assessed: Place) -> None:
    lines = assessed("ledger", "log").out.splitlines()
    assert lines[3].endswith(" pass")
    assert "outcome" not in json.loads(assessed("ledger", "log", "-f", "json").out.splitlines()[2])
    assert json.loads(assessed("ledger", "log", "-f", "json", "-n", "1").out)["outcome"] == "pass"


def test_a_recorded_report_is_printed_again_in_any_format(assessed: Place) -> None:
    """Nothing but the checkpoint differs: it is the latest of the log, and covers the entry as well."""
    first = json.loads((assessed.folder / "report.json").read_text("utf-8"))
    again = assessed.json("ledger", "show", "3", "-f", "json")
    for record in (first, again):
        del record["evidence"]["checkpoint"]
    assert again == first
    assert "<h1" in assessed("ledger", "show", "3", "-f", "html").out
    assert assessed("ledger", "show", "3", "-o", "kept.json").code == 0
    assert assessed("ledger", "verify", "--against", "kept.json").code == 0


def test_what_is_no_report_is_not_printed_as_one(assessed: Place) -> None:
    ended = assessed("ledger", "show", "2", "-f", "html")
    assert ended.code == 2
    assert "no report: entry 2" in ended.err


def test_an_entry_that_does_not_hold_is_not_printed_as_a_report(assessed: Place) -> None:
    assert flipped(assessed, "report") == 3
    assert assessed("ledger", "show", "3", "-o", "again.html").code == 2
    assert not (assessed.folder / "again.html").exists()


def test_an_intact_ledger_verifies_and_says_what_it_cannot_see(assessed: Place) -> None:
    document = assessed.json("ledger", "verify")
    assert document["outcome"] == "pass"
    assert document["subject"]["kind"] == "ledger"
    assert "kept elsewhere" in assessed("ledger", "verify").out


def test_verification_names_the_first_entry_that_is_wrong(assessed: Place) -> None:
    index = flipped(assessed, "run")
    ended = assessed("ledger", "verify")
    assert ended.code == 1
    assert f"entry {index}" in ended.out
    assert assessed("ledger", "verify", "--format", "sarif").code == 1


def test_a_report_that_was_kept_is_a_checkpoint_to_verify_against(assessed: Place) -> None:
    verified = assessed("ledger", "verify", "--against", "report.json")
    assert verified.code == 0
    assert "It goes on from what was kept elsewhere." in verified.out
    note = assessed("ledger", "checkpoint")
    assert note.code == 0
    (assessed.folder / "kept.txt").write_text(note.out, "utf-8")
    assert assessed("ledger", "verify", "--against", "kept.txt", "--against", "report.json").code == 0


def test_a_ledger_that_was_rolled_back_is_found_by_what_was_kept(assessed: Place, home: Place) -> None:
    """The home of before the assessment is put in the place of the later one: same keys, fewer entries."""
    (home.folder / "report.json").write_bytes((assessed.folder / "report.json").read_bytes())
    assert home("ledger", "verify").code == 0
    ended = home("ledger", "verify", "--against", "report.json")
    assert ended.code == 1


def test_what_was_not_recorded_is_nothing_to_verify_against(assessed: Place) -> None:
    document = json.loads((assessed.folder / "report.json").read_text("utf-8"))
    (assessed.folder / "bare.json").write_text(json.dumps(document | {"evidence": None}), "utf-8")
    assert "not recorded" in clear(assessed("ledger", "verify", "--against", "bare.json"))
    (assessed.folder / "bad.json").write_text("{", "utf-8")
    clear(assessed("ledger", "verify", "--against", "bad.json"))
    clear(assessed("ledger", "verify", "--against", "data.npz"))
    assert "cannot be read" in clear(assessed("ledger", "verify", "--against", "absent"))
    assert "cannot be read" in clear(assessed("ledger", "verify", "--against", "."))


def test_a_proof_verifies_elsewhere_with_the_keys_alone(assessed: Place, place: Place) -> None:
    assert assessed("ledger", "prove", "3", "-o", "proof.txt").code == 0
    text = (assessed.folder / "proof.txt").read_text("utf-8")
    assert assessed("ledger", "prove", "3").out == text
    (place.folder / "proof.txt").write_text(text, "utf-8")
    keys = [
        k
        for line in assessed("keys", "list", "--public").out.splitlines()
        if line.startswith("keys")
        for k in line.split('"')[1::2]
    ]
    told = place("ledger", "check-proof", "proof.txt", *(part for key in keys for part in ("--key", key)))
    assert told.code == 0
    assert told.out.startswith("entry 3 of test.example/log, report of ")
    assert assessed("ledger", "check-proof", "proof.txt").out == told.out
    assert "no key to verify the proof with" in clear(place("ledger", "check-proof", "proof.txt"))


def test_a_proof_of_another_leaf_or_without_one_is_refused(assessed: Place) -> None:
    text = assessed("ledger", "prove", "3").out
    other = assessed("ledger", "prove", "2").out
    extra = [next(line for line in t.splitlines() if line.startswith("extra ")) for t in (text, other)]
    for changed, name in (
        (text.replace(extra[0], extra[1]), "swapped"),
        (text.replace(extra[0] + "\n", ""), "bare"),
    ):
        (assessed.folder / name).write_text(changed, "utf-8")
        clear(assessed("ledger", "check-proof", name))


def test_what_no_checkpoint_covers_cannot_be_proved(assessed: Place) -> None:
    with open_ledger(assessed.folder / ".ancile", clock=lambda: datetime.now(UTC)) as ledger:
        ledger.append([Draft("run", bytes(32), b"signed by nobody")])
    assert clear(assessed("ledger", "prove", "4")).startswith("no checkpoint covers this entry: entry 4")
    assert "cannot be written" in clear(assessed("ledger", "prove", "3", "-o", "absent/proof"))


def test_an_entry_that_does_not_exist_is_told_with_the_last_that_does(assessed: Place) -> None:
    """No checkpoint would help there."""
    assert clear(assessed("ledger", "prove", "9999")) == "there is no entry 9999: the last is 3"


def test_the_log_is_exported_as_static_tiles(assessed: Place) -> None:
    assert assessed("ledger", "export", "site").code == 0
    assert (assessed.folder / "site" / "checkpoint").read_text("utf-8").startswith("test.example/log\n4\n")
    assert list((assessed.folder / "site").rglob("tile/**/*"))
    clear(assessed("ledger", "export", "data.npz"))


def test_a_ledger_needs_a_home(place: Place) -> None:
    for command in (
        ("log",),
        ("show", "0"),
        ("verify",),
        ("prove", "0"),
        ("checkpoint",),
        ("export", "x"),
        ("witness",),
    ):
        assert "no .ancile" in clear(place("ledger", *command))


def test_a_key_of_another_log_than_the_pinned_one_signs_nothing(assessed: Place) -> None:
    path = assessed.folder / "ancile.toml"
    path.write_text(
        path.read_text("utf-8").replace('origin = "test.example/log"', 'origin = "other/log"'), "utf-8"
    )
    assert "pins is another one" in clear(assessed("ledger", "checkpoint"))


@pytest.mark.slow
def test_a_witness_of_its_own_cosigns_and_the_quorum_holds_offline(assessed: Place, tmp_path: Path) -> None:
    """One process is the witness, with a home of its own; the log asks it and needs its cosignature."""
    witness = witness_of(assessed, tmp_path / "witness")
    assert "no witness key yet" in clear(witness("ledger", "witness", "--port", "0"))
    with witnessing(witness) as pins:
        keys = [
            k
            for line in assessed("keys", "list", "--public").out.splitlines()
            if line.startswith("keys")
            for k in line.split('"')[1::2]
        ]
        quorum = (
            "".join(f"log {key}\n" for key in keys)
            + "".join(pins)
            + "group all all classical quantum\nquorum all\n"
        )
        (assessed.folder / "quorum").write_text(quorum, "utf-8")
        note = assessed("ledger", "checkpoint", "--quorum", "quorum")
    assert note.code == 0, note
    assert sum(line.startswith("\u2014 test.example/w ") for line in note.out.splitlines()) == 2
    assert assessed("ledger", "prove", "3", "-o", "proof").code == 0
    assert assessed("ledger", "check-proof", "proof", "--quorum", "quorum").code == 0
    silent = assessed("ledger", "checkpoint", "--quorum", "quorum")
    assert silent.code == 2
    assert "ancile: witness http://127.0.0.1:" in silent.err
    assert "witness" in witness("keys", "list").out


@pytest.mark.parametrize("payload", [b"not json", b"[" * 100_000, b"\xff", b"1" * 5000, b"{}"])
def test_what_an_entry_does_not_commit_to_is_not_shown_as_its_own(assessed: Place, payload: bytes) -> None:
    """Somebody put another body into the file."""
    body = {"payload": base64.b64encode(payload).decode(), "payloadType": "x", "signatures": []}
    with closing(
        sqlite3.connect(assessed.folder / ".ancile" / "ledger.db", isolation_level=None)
    ) as database:
        database.execute("UPDATE bodies SET body = ? WHERE idx = 3", (json.dumps(body).encode(),))
    assert "the body of an entry was changed: entry 3" in clear(assessed("ledger", "show", "3"))
    assert "(changed: see ledger verify)" in assessed("ledger", "log").out.splitlines()[3]


@pytest.mark.parametrize("command", [("log",), ("show", "3"), ("erase", "3", "--reason", "x", "--yes")])
def test_a_leaf_from_beyond_the_calendar_is_told(assessed: Place, command: tuple[str, ...]) -> None:
    """Somebody changed the file: no date says when, and no traceback either."""
    path = assessed.folder / ".ancile" / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        (guard,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'entries_update'").fetchone()
        database.execute("DROP TRIGGER entries_update")
        (leaf,) = database.execute("SELECT leaf FROM entries WHERE idx = 3").fetchone()
        lines = bytes(leaf).split(b"\n")
        lines[2] = b"9999999999999999999"
        database.execute("UPDATE entries SET leaf = ? WHERE idx = 3", (b"\n".join(lines),))
        database.execute(guard)
    assert "leaf is malformed" in clear(assessed("ledger", *command))
