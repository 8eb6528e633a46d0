"""``ancile keys``: evidence outlives a change of keys, and does not outlive a revocation."""

from __future__ import annotations

import json
import shutil

import pytest

from ancile.cli import keys as keys_module
from ancile.cli.recorder import Recorder
from ancile.trust.key import parse_public_key
from tests.cli.terminal import ASSESS, RULE, Place, clear

GATE = ("gate", "net.py:predict", "--no-record")


def ids(place: Place, purpose: str, state: str = "active") -> list[str]:
    lines = place("keys", "list").out.splitlines()
    return [
        lines[i + 1].strip()
        for i, line in enumerate(lines[:-1])
        if line.split()[0] == purpose and line.split()[1].rstrip(",") == state
    ]


def test_list_shows_each_key_with_its_state_and_no_secret(home: Place) -> None:
    shown = home("keys", "list").out
    assert shown.count("OPEN") == 2
    assert len(ids(home, "author")) == len(ids(home, "log")) == 1
    for path in (home.folder / ".ancile" / "keys").glob("*.key"):
        secrets = [w for w in path.read_text("utf-8").split() if len(w) > 40]
        assert all(w not in shown for w in secrets if not w.startswith("sha256:")), path


def test_list_as_json_says_the_same_and_holds_no_secret(home: Place) -> None:
    found = json.loads(home("keys", "list", "--format", "json").out)
    assert [(one["purpose"], one["state"], one["sealed"]) for one in found] == [
        ("author", "active", False),
        ("log", "active", False),
    ]
    assert [parse_public_key(one["public"]).id for one in found] == [one["id"] for one in found]
    assert all(one["id"] in home("keys", "list").out for one in found)
    assert set(found[0]) == {"purpose", "name", "id", "state", "sealed", "created", "public", "revoked"}


def test_rotate_without_a_purpose_is_one_clear_line(home: Place) -> None:
    told = clear(home("keys", "rotate"))
    assert told == "missing argument '{author|log}'. choose from: author, log"


@pytest.mark.parametrize("purpose", ["author", "log"])
def test_evidence_from_before_and_after_a_rotation_counts(assessed: Place, purpose: str) -> None:
    assessed.policy(RULE.format(at_least=0.1))
    path = assessed.folder / "ancile.toml"
    comments = [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]
    old = ids(assessed, purpose)
    told = assessed("keys", "rotate", purpose, "--unencrypted-key")
    assert told.code == 0
    assert "was changed" in told.err
    assert ids(assessed, purpose) != old
    text = path.read_text("utf-8")
    assert [line for line in text.splitlines() if line.startswith("#")] == comments
    assert assessed("ledger", "verify", "--against", "report.json").code == 0
    assert assessed(*GATE).code == 0
    assert assessed(*ASSESS, "-o", "after.json").code == 0
    assert assessed("ledger", "verify", "--against", "after.json", "--against", "report.json").code == 0
    document = assessed.json(*GATE)
    assert document["outcome"] == "pass"
    assert "of 2)" in str(document["exhibits"])
    assert assessed("ledger", "log", "--kind", "key").out.count("sha256:") == 3


@pytest.mark.slow
@pytest.mark.parametrize("told", [True, False])
def test_a_rotation_of_the_log_that_was_killed_signs_nothing_until_it_is_finished(
    home: Place, monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    """Killed after the new key was made: before the ledger tells it, or before ancile.toml pins it."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(keys_module if told else Recorder, "pin_log" if told else "write", killed)
        assert home("keys", "rotate", "log", "--unencrypted-key").code == 130
    assert "is not the one that ancile.toml pins" in clear(home(*ASSESS))
    assert home("ledger", "verify").code == 0
    before = ids(home, "log")
    finished = home("keys", "rotate", "log")
    assert finished.code == 0, finished.err
    assert "interrupted" in finished.err
    assert ids(home, "log") == before
    assert home(*ASSESS).code == 0
    assert home("ledger", "verify").code == 0
    assert "not told" not in home("keys", "list").err
    assert [line.split()[3] for line in home("ledger", "log").out.splitlines()].count("key") == 3
    assert home("keys", "rotate", "log", "--unencrypted-key").code == 0
    assert ids(home, "log") != before


def test_each_key_may_be_rotated_more_than_once(assessed: Place) -> None:
    for purpose in ("log", "author", "log"):
        assert assessed("keys", "rotate", purpose, "--unencrypted-key").code == 0
    assert assessed("ledger", "verify", "--against", "report.json").code == 0


@pytest.mark.slow
def test_a_rotation_may_seal_an_open_key(home: Place) -> None:
    assert home("keys", "rotate", "author", ANCILE_PASSPHRASE="new").code == 0
    assert "active, sealed" in home("keys", "list").out
    assert "passphrase" in clear(home("ledger", "checkpoint", ANCILE_PASSPHRASE="other"))
    assert home("ledger", "checkpoint", ANCILE_PASSPHRASE="new").code == 0


def test_a_rotation_under_a_damaged_configuration_changes_no_key(home: Place) -> None:
    path = home.folder / "ancile.toml"
    kept, old = path.read_bytes(), ids(home, "author")
    path.write_bytes(kept + b'\n[policy]\nx = "')
    assert "configuration" in clear(home("keys", "rotate", "author", "--unencrypted-key"))
    path.write_bytes(kept)
    assert ids(home, "author") == old


def test_what_a_revoked_key_signed_no_longer_counts(assessed: Place) -> None:
    assessed.policy(RULE.format(at_least=0.1))
    (old,) = ids(assessed, "author")
    assert assessed("keys", "rotate", "author", "--unencrypted-key").code == 0
    assert assessed(*GATE).code == 0
    assert assessed("keys", "revoke", old, "--reason", "laptop lost").code == 0
    document = assessed.json(*GATE)
    assert document["outcome"] == "no_conclusion"
    assert "laptop lost" in str(document["exhibits"])
    assert "laptop lost" in assessed("keys", "list").out
    assert assessed("ledger", "verify").code == 0


@pytest.mark.slow
def test_revoking_the_active_key_with_a_lost_passphrase_needs_no_entry(place: Place) -> None:
    place("init", ANCILE_PASSPHRASE="forgotten")
    (id_,) = ids(place, "author")
    clear(place("keys", "revoke", id_, "--reason", "lost", ANCILE_PASSPHRASE="wrong"))
    told = place("keys", "revoke", id_, "--reason", "lost", "--unrecorded")
    assert told.code == 0
    assert "strike it from ancile.toml" in told.err
    assert ids(place, "author", "revoked") == [id_]
    assert "not told in the ledger" in place("keys", "list").err or place("ledger", "verify").code == 0


def test_a_key_that_is_not_there_is_told(home: Place) -> None:
    clear(home("keys", "revoke", "sha256:" + "0" * 64, "--reason", "x"))
    clear(home("keys", "revoke", "nonsense", "--reason", "x"))
    clear(home("keys", "revoke", "sha256:" + "0" * 64))


@pytest.mark.slow
def test_keys_that_were_lost_come_back_from_a_backup(assessed: Place) -> None:
    away = {"ANCILE_BACKUP_PASSPHRASE": "kept apart"}
    assert assessed("keys", "backup", "away.json", **away).code == 0
    keys = assessed.folder / ".ancile" / "keys"
    shutil.rmtree(keys)
    keys.mkdir(mode=0o700)
    clear(assessed("ledger", "checkpoint"))
    wrong = assessed("keys", "restore", "away.json", "--unencrypted-key", ANCILE_BACKUP_PASSPHRASE="no")
    clear(wrong)
    told = assessed("keys", "restore", "away.json", "--unencrypted-key", **away)
    assert told.code == 0
    assert "2 keys restored, 0 were there already" in told.err
    again = assessed("keys", "restore", "away.json", "--unencrypted-key", **away)
    assert "0 keys restored, 2 were there already" in again.err
    assert assessed("ledger", "checkpoint").code == 0
    assert assessed("ledger", "verify", "--against", "report.json").code == 0


def test_a_backup_needs_a_passphrase_of_its_own_and_a_place(home: Place) -> None:
    assert "passphrase" in clear(home("keys", "backup", "away.json", ANCILE_PASSPHRASE="keys"))
    clear(home("keys", "backup", "absent/away.json", ANCILE_BACKUP_PASSPHRASE="x"))
    clear(home("keys", "restore", "absent.json", ANCILE_BACKUP_PASSPHRASE="x"))
    clear(home("keys", "restore", "data.npz", ANCILE_BACKUP_PASSPHRASE="x"))


def test_keys_that_others_can_read_are_refused(home: Place) -> None:
    for path in (home.folder / ".ancile" / "keys").glob("author*"):
        path.chmod(0o644)
    clear(home("ledger", "checkpoint"))
