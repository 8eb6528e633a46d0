"""Keys let in whom they were made for until they are revoked, and the file of users gives nobody a key."""

from __future__ import annotations

import re
import sqlite3
import string
import zlib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.serve.keys import Identity, Users, is_key, new_key
from ancile.serve.users_db import DATABASE, FIRST, PEPPER
from ancile.trust.events import UserEvent
from tests.cli.terminal import Place

NOW = datetime(2026, 1, 2, tzinfo=UTC)


DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def has_form(key: str) -> bool:
    """What a scanner for leaked keys needs to know: prefix, length, CRC-32 of the secret in base 62."""
    found = re.fullmatch(r"ancile_([0-9A-Za-z]{43})([0-9A-Za-z]{6})", key)
    if found is None:
        return False
    total = 0
    for digit in found[2]:
        total = total * 62 + DIGITS.index(digit)
    return total == zlib.crc32(found[1].encode())


def test_a_key_has_its_form_and_no_two_are_alike() -> None:
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    assert all(has_form(key) for key in keys)


@given(place=st.integers(7, 55), digit=st.sampled_from("0129AZaz"))
def test_a_key_with_one_character_changed_has_the_form_no_more(place: int, digit: str) -> None:
    key = new_key()
    changed = key[:place] + digit + key[place + 1 :]
    assert has_form(changed) == is_key(changed.encode()) == (changed == key)


def test_a_key_lets_in_until_it_is_revoked_and_others_see_it_without_a_restart(tmp_path: Path) -> None:
    with Users(tmp_path / "serve") as writer, Users(tmp_path / "serve") as reader:
        before = reader.version()
        key = writer.add("alice", role="analyst", now=NOW)
        assert reader.version() != before
        assert reader.identities(NOW) == {reader.hash(key.encode()): Identity("alice", "analyst")}
        second = writer.add("alice", role="analyst", now=NOW)
        assert len(reader.identities(NOW)) == 2
        assert second != key
        assert writer.revoke("alice", now=NOW) == 2
        assert reader.identities(NOW) == {}
        assert reader.list(NOW)[0][:2] == ("alice", "analyst")
        assert reader.list(NOW)[0].revoked == 2


def test_neither_key_nor_pepper_stands_in_the_file_of_users(tmp_path: Path) -> None:
    folder = tmp_path / "serve"
    with Users(folder) as users:
        key = users.add("alice", role="analyst", now=NOW)
    written = b"".join(path.read_bytes() for path in folder.glob(f"{DATABASE}*"))
    assert key.encode() not in written
    assert key[7:40].encode() not in written
    assert (folder / PEPPER).read_bytes() not in written
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}


def test_what_is_wrong_with_the_users_is_told_with_a_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "serve"
    with Users(folder) as users:
        users.add("alice", role="analyst", now=NOW)
        with pytest.raises(AncileError, match="another role"):
            users.add("alice", role="service", now=NOW)
        for name in ("", "a b", "-x", "a" * 65, "a\n", "\u0430lice"):
            with pytest.raises(AncileError, match="not a name"):
                users.add(name, role="analyst", now=NOW)
        with pytest.raises(AncileError, match="no such user"):
            users.revoke("bob", now=NOW)
    pepper = (folder / PEPPER).read_bytes()
    (folder / PEPPER).unlink()
    with pytest.raises(AncileError, match="pepper is missing"):
        Users(folder)
    (folder / PEPPER).write_bytes(pepper[:-1])
    with pytest.raises(AncileError, match="others could read"):
        Users(folder)
    (folder / PEPPER).chmod(0o600)
    with pytest.raises(AncileError, match="pepper is damaged"):
        Users(folder)
    (folder / PEPPER).write_bytes(b"secret" * 5 + b"se")
    with pytest.raises(AncileError, match="pepper is weak"):
        Users(folder)


def test_users_of_a_newer_version_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "serve"
    Users(folder).close()
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(AncileError, match="newer ancile"):
        Users(folder)
    for path in folder.glob(f"{DATABASE}*"):
        path.write_bytes(b"no database at all" * 300)
    with pytest.raises(AncileError, match="cannot be read"):
        Users(folder)


def test_a_rotated_key_lets_in_for_its_grace_and_a_shorter_grace_wins(tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    with Users(tmp_path / "serve") as users:
        first = users.hash(users.add("alice", role="analyst", now=NOW).encode())
        second = users.hash(users.rotate("alice", grace=2 * hour, now=NOW).encode())
        assert set(users.identities(NOW + hour)) == {first, second}
        assert users.next_end(NOW) == NOW + 2 * hour
        assert set(users.identities(NOW + 2 * hour)) == {second}
        assert users.next_end(NOW + 2 * hour) is None
        users.rotate("alice", grace=timedelta(0), now=NOW + hour)
        assert not {first, second} & set(users.identities(NOW + hour))
        assert users.list(NOW + hour)[0][3:5] == (1, 2)
        with pytest.raises(AncileError, match="no such user"):
            users.rotate("bob", grace=hour, now=NOW)


def test_every_change_leaves_its_event_until_the_ledger_has_it(tmp_path: Path) -> None:
    with Users(tmp_path / "serve") as users:
        key = users.add("alice", role="analyst", now=NOW)
        users.rotate("alice", grace=timedelta(hours=1), now=NOW)
        users.set_role("alice", "service", now=NOW, by="carol")
        users.set_role("alice", "service", now=NOW)  # no change
        assert users.revoke("alice", now=NOW) == 2

    def fails(event: UserEvent) -> None:
        raise AncileError("the ledger is full", value=event.user, remedy="make room")

    with Users(tmp_path / "serve") as users:
        with pytest.raises(AncileError, match="the ledger is full"):
            users.hand_over(fails)
        seen: list[UserEvent] = []
        assert users.hand_over(seen.append) == 4
        assert users.hand_over(seen.append) == 0
    assert [(one.change, one.role, one.by) for one in seen] == [
        ("added", "analyst", ""),
        ("rotated", "analyst", ""),
        ("role", "service", "carol"),
        ("revoked", "service", ""),
    ]
    assert set(seen[3].keys) == {seen[0].keys[0], seen[1].keys[0]}
    assert key not in repr(seen)


def test_users_of_the_version_before_are_brought_to_this_one(tmp_path: Path) -> None:
    folder = tmp_path / "serve"
    with Users(folder) as users:
        key = users.hash(new_key().encode())
    (folder / DATABASE).unlink()
    with closing(sqlite3.connect(folder / DATABASE)) as db, db:
        db.executescript(FIRST)
        db.execute("INSERT INTO users VALUES ('alice', 'analyst', 'then')")
        db.execute("INSERT INTO keys VALUES (?, 'alice', 'then', NULL)", (key,))
        db.execute("PRAGMA user_version = 1")
    with Users(folder) as users:
        assert users.identities(NOW) == {key: Identity("alice", "analyst")}
        users.rotate("alice", grace=timedelta(hours=1), now=NOW)
        assert len(users.identities(NOW)) == 2


@pytest.mark.slow
def test_keys_given_out_and_taken_back_are_entries_of_the_ledger(home: Place) -> None:
    """A key that is taken back is taken back although the ledger cannot be written, which is told."""
    assert home("user", "add", "alice", "--role", "analyst").code == 0
    assert home("user", "rotate", "alice", "--grace", "1").code == 0
    assert home("user", "role", "alice", "service").err == "ancile: alice is service\n"
    listed = home("ledger", "log", "--kind", "user").out
    assert [line.split()[-1] for line in listed.splitlines()] == ["added", "rotated", "role"]
    assert home("evidence", "export", "out.bundle").code == 0
    (home.folder / ".ancile" / "keys").rename(home.folder / "away")
    ended = home("user", "revoke", "alice")
    assert ended.code == 2
    assert "2 keys of alice let in no more" in ended.err
    (home.folder / "away").rename(home.folder / ".ancile" / "keys")
    assert home("user", "add", "bob", "--role", "monitor").code == 0
    assert "alice: revoked" in home("ledger", "log", "--kind", "user").out
    assert home("ledger", "verify").code == 0
