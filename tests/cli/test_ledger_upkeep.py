"""``ancile ledger erase | backup | restore | accept-loss``, as a user meets them."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.cli.terminal import Place, clear


def lost(place: Place) -> None:
    """The ledger is gone; keys and configuration are there."""
    for path in (place.folder / ".ancile").glob("ledger.db*"):
        path.unlink()


def test_an_erased_report_is_gone_and_the_ledger_says_who_and_why(assessed: Place) -> None:
    done = assessed("ledger", "erase", "3", "--reason", "asked\nto", "--yes")
    assert done.code == 0, done
    assert "entry 4 says so" in done.err
    assert "not touched" in done.err
    lines = assessed("ledger", "log").out.splitlines()
    assert lines[3].endswith(r"report    (erased by entry 4: asked\nto)")
    assert lines[4].endswith(r"erasure   of entry 3: asked\nto")
    shown = json.loads(assessed("ledger", "show", "3").out)
    assert (shown["statement"], shown["erased"]) == (None, {"by": 4, "reason": r"asked\nto"})
    document = assessed.json("ledger", "verify", "--against", "report.json")
    assert document["outcome"] == "pass"
    assert "erased by entry 4" in str(document["parameters"]["erased"])
    assert "nothing to erase" in clear(assessed("ledger", "erase", "3", "--reason", "again", "--yes"))


def test_a_body_that_disappears_without_a_word_is_tampering(assessed: Place) -> None:
    with closing(sqlite3.connect(assessed.folder / ".ancile" / "ledger.db")) as db, db:
        db.execute("DELETE FROM bodies WHERE idx = 3")
    ended = assessed("ledger", "verify")
    assert ended.code == 1
    assert "body of entry 3" in ended.out
    assert "missing" in assessed("ledger", "log").out.splitlines()[3]
    assert json.loads(assessed("ledger", "show", "3").out)["erased"] is None


def test_erasing_asks_first_needs_a_reason_and_spares_what_must_stay(assessed: Place) -> None:
    for arguments, said in (
        (("3", "--reason", "x"), "nobody can answer"),
        (("3", "--reason", " ", "--yes"), "no reason"),
        (("3", "--reason", "x" * 501, "--yes"), "too long"),
        (("0", "--reason", "x", "--yes"), "of kind key says stays"),
        (("9", "--reason", "x", "--yes"), "does not reach"),
    ):
        assert said in clear(assessed("ledger", "erase", *arguments))
    assert len(assessed("ledger", "log").out.splitlines()) == 4


class Keyboard(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


def test_who_is_asked_may_say_no(assessed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, code, count in (("n\n", 130, 4), ("y\n", 0, 5)):
        monkeypatch.setattr("sys.stdin", Keyboard(answer))
        ended = assessed("ledger", "erase", "3", "--reason", "x")
        assert ended.code == code
        assert "for good?" in ended.err
        assert len(assessed("ledger", "log").out.splitlines()) == count


def test_a_backup_brings_a_lost_ledger_back(assessed: Place) -> None:
    assert "4 entries in ledger.backup" in assessed("ledger", "backup", "ledger.backup").err
    assert "not overwritten" in clear(assessed("ledger", "backup", "ledger.backup"))
    assert "not overwritten" in clear(assessed("ledger", "restore", "ledger.backup"))
    lost(assessed)
    assert assessed("ledger", "restore", "ledger.backup").err == "ancile: 4 entries restored\n"
    assert assessed("ledger", "verify", "--against", "report.json").code == 0
    assert assessed("ledger", "checkpoint").code == 0
    assert "nothing is lost" in clear(assessed("ledger", "accept-loss", "--reason", "x", "--yes"))


def test_an_old_backup_is_not_signed_until_the_owner_accepts_the_loss(home: Place, assessed: Place) -> None:
    assert assessed("ledger", "checkpoint").code == 0
    # the same log, two entries less
    shutil.copy(home.folder / ".ancile" / "ledger.db", assessed.folder / "old")
    lost(assessed)
    told = assessed("ledger", "restore", "old").err
    assert "2 entries restored" in told
    assert "accept-loss" in told
    ended = assessed("ledger", "verify")
    assert ended.code == 1
    assert "checkpoint signed last at size 4" in ended.out
    for command in (("ledger", "checkpoint"), ("ledger", "erase", "1", "--reason", "x", "--yes")):
        assert assessed(*command).code == 2
    assert "set back" in clear(assessed("ledger", "checkpoint"))
    assert "nobody can answer" in clear(assessed("ledger", "accept-loss", "--reason", "the disk"))
    assert "entry 2 says" in assessed("ledger", "accept-loss", "--reason", "the disk", "--yes").err
    assert assessed("ledger", "log").out.splitlines()[-1].endswith("loss      2 entries are left: the disk")
    assert assessed("ledger", "verify").code == 0
    assert assessed("ledger", "verify", "--against", "report.json").code == 1


def test_a_changed_rest_is_not_accepted(home: Place, assessed: Place) -> None:
    lost(assessed)
    shutil.copy(home.folder / ".ancile" / "ledger.db", assessed.folder / ".ancile" / "ledger.db")
    with closing(sqlite3.connect(assessed.folder / ".ancile" / "ledger.db")) as db, db:
        db.execute("DELETE FROM bodies WHERE idx = 1")
    told = clear(assessed("ledger", "accept-loss", "--reason", "x", "--yes"))
    assert "body of entry 1" in told


@pytest.mark.parametrize("command", [("backup", "x"), ("restore", "x"), ("accept-loss", "--reason", "x")])
def test_upkeep_needs_a_home(place: Place, command: tuple[str, ...]) -> None:
    assert "no .ancile" in clear(place("ledger", *command))
