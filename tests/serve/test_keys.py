"""Keys let in whom they were made for until they are revoked, and the file of users gives nobody a key."""

from __future__ import annotations

import re
import sqlite3
import string
import zlib
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.serve.keys import DATABASE, PEPPER, Identity, Users, new_key

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
    assert has_form(changed) == (changed == key)


def test_a_key_lets_in_until_it_is_revoked_and_others_see_it_without_a_restart(tmp_path: Path) -> None:
    with Users(tmp_path / "serve") as writer, Users(tmp_path / "serve") as reader:
        before = reader.version()
        key = writer.add("alice", role="analyst", now=NOW)
        assert reader.version() != before
        assert reader.identities() == {reader.hash(key.encode()): Identity("alice", "analyst")}
        second = writer.add("alice", role="analyst", now=NOW)
        assert len(reader.identities()) == 2
        assert second != key
        assert writer.revoke("alice", now=NOW) == 2
        assert reader.identities() == {}
        assert reader.list()[0][:2] == ("alice", "analyst")
        assert reader.list()[0].revoked == 2


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


def test_users_of_a_newer_version_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "serve"
    Users(folder).close()
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(AncileError, match="newer ancile"):
        Users(folder)
    for path in folder.glob(f"{DATABASE}*"):
        path.write_bytes(b"no database at all" * 300)
    with pytest.raises(AncileError, match="cannot be read"):
        Users(folder)
