"""Backups of keys: complete, under their own passphrase, and never in the way of what is there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.backup import Backup, backup_keys, restore_keys
from ancile.trust.keys import create_key, list_keys, revoke_key, rotate_key, unlock_key
from ancile.trust.lockbox import Protection, lock
from tests.trust.keys_help import CHEAP, NOW, OPEN, SEALED, passphrase

VAULT = b"another passphrase"


def filled(folder: Path) -> Path:
    """An author with a past, a revoked one, and a log."""
    lost = create_key(folder, "author", "alice", protection=SEALED, now=NOW)
    revoke_key(folder, lost.public.id, reason="lost", now=NOW)
    create_key(folder, "author", "alice", protection=SEALED, now=NOW)
    rotate_key(folder, "author", passphrase, protection=SEALED, now=NOW)
    create_key(folder, "log", "example.org/log", protection=OPEN, now=NOW)
    return folder


def backed_up(folder: Path, target: Path) -> int:
    return backup_keys(
        folder, target, passphrase=passphrase, backup_passphrase=VAULT, now=NOW, stretching=CHEAP
    )


def test_every_key_comes_back_with_its_state_under_the_new_passphrase(tmp_path: Path) -> None:
    keys = filled(tmp_path / "keys")
    assert backed_up(keys, tmp_path / "vault") == 4
    added = restore_keys(
        tmp_path / "vault", tmp_path / "new", backup_passphrase=VAULT, protection=Protection(b"n", CHEAP)
    )
    assert (len(added.written), added.kept) == (4, ())
    states = {k.public: (k.state, k.file.created, k.file.after, k.file.revoked) for k in list_keys(keys)}
    assert states == {
        k.public: (k.state, k.file.created, k.file.after, k.file.revoked) for k in list_keys(tmp_path / "new")
    }
    assert unlock_key(tmp_path / "new", "log", lambda: b"n").seeds == unlock_key(keys, "log", bytes).seeds
    assert (
        unlock_key(tmp_path / "new", "author", lambda: b"n").seeds
        == unlock_key(keys, "author", passphrase).seeds
    )


def test_a_backup_is_for_its_owner_alone_and_shows_no_seed(tmp_path: Path) -> None:
    keys = filled(tmp_path / "keys")
    backed_up(keys, tmp_path / "vault")
    assert (tmp_path / "vault").stat().st_mode & 0o777 == 0o600
    content = (tmp_path / "vault").read_bytes()
    assert b"alice" not in content
    assert unlock_key(keys, "log", bytes).seeds.ed25519 not in content


def test_a_backup_never_replaces_a_file(tmp_path: Path) -> None:
    keys = filled(tmp_path / "keys")
    (tmp_path / "vault").write_bytes(b"mine")
    with pytest.raises(AncileError, match="not overwritten"):
        backed_up(keys, tmp_path / "vault")
    assert (tmp_path / "vault").read_bytes() == b"mine"


def test_a_restore_never_replaces_a_key_and_can_be_repeated(tmp_path: Path) -> None:
    keys = filled(tmp_path / "keys")
    backed_up(keys, tmp_path / "vault")
    before = {path: path.read_bytes() for path in keys.iterdir()}
    (gone, *_) = keys.glob("log-*.key")
    gone.unlink()
    added = restore_keys(tmp_path / "vault", keys, backup_passphrase=VAULT, protection=OPEN)
    assert (len(added.written), len(added.kept)) == (1, 3)
    after = {path: path.read_bytes() for path in keys.iterdir()}
    assert set(after) == set(before)
    assert all(after[path] == before[path] for path in before if path != gone)


def test_an_old_backup_does_not_bring_a_revoked_key_back(tmp_path: Path) -> None:
    keys = filled(tmp_path / "keys")
    backed_up(keys, tmp_path / "vault")
    log = next(k for k in list_keys(keys) if k.public.purpose == "log")
    revoke_key(keys, log.public.id, reason="leaked", now=NOW)
    restore_keys(tmp_path / "vault", keys, backup_passphrase=VAULT, protection=OPEN)
    assert next(k for k in list_keys(keys) if k.public.purpose == "log").state == "revoked"


def test_a_backup_beside_another_active_key_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    backed_up(filled(tmp_path / "keys"), tmp_path / "vault")
    create_key(tmp_path / "other", "author", "bob", protection=OPEN, now=NOW)
    with pytest.raises(AncileError, match="would be two active author keys"):
        restore_keys(tmp_path / "vault", tmp_path / "other", backup_passphrase=VAULT, protection=OPEN)
    assert len(list_keys(tmp_path / "other")) == 1


def test_a_wrong_passphrase_of_a_key_is_found_when_backing_up(tmp_path: Path) -> None:
    keys = filled(tmp_path / "keys")
    with pytest.raises(AncileError, match="wrong passphrase"):
        backup_keys(keys, tmp_path / "vault", passphrase=lambda: b"x", backup_passphrase=VAULT, now=NOW)
    assert not (tmp_path / "vault").exists()


def test_no_keys_make_no_backup(tmp_path: Path) -> None:
    with pytest.raises(AncileError, match="no keys to back up"):
        backed_up(tmp_path / "keys", tmp_path / "vault")


def test_a_wrong_passphrase_of_a_backup_restores_nothing(tmp_path: Path) -> None:
    backed_up(filled(tmp_path / "keys"), tmp_path / "vault")
    with pytest.raises(AncileError, match="wrong passphrase"):
        restore_keys(tmp_path / "vault", tmp_path / "new", backup_passphrase=b"x", protection=OPEN)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("secret", [b"", b"{}", b"[1]", b'[{"format":"ancile/key/v1"}]', b"\xff"])
def test_a_backup_of_something_else_is_refused(tmp_path: Path, secret: bytes) -> None:
    box = lock(secret, VAULT, header=b'["ancile/backup/v1","2026-11-21T12:00:00Z"]', stretching=CHEAP)
    (tmp_path / "vault").write_bytes(msgspec.json.encode(Backup(created=NOW, box=box)))
    (tmp_path / "vault").chmod(0o600)
    with pytest.raises(AncileError, match="not a backup of keys"):
        restore_keys(tmp_path / "vault", tmp_path / "new", backup_passphrase=VAULT, protection=OPEN)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_fuzz_a_damaged_backup_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    vault = tmp_path / "vault"
    if not (tmp_path / "whole").exists():
        create_key(tmp_path / "keys", "author", "alice", protection=OPEN, now=NOW)
        backed_up(tmp_path / "keys", tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes().rstrip()
    place = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    cut = data.draw(st.booleans())
    vault.write_bytes(
        content[:place] if cut else content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :]
    )
    vault.chmod(0o600)
    with pytest.raises(AncileError):
        restore_keys(vault, tmp_path / "new", backup_passphrase=VAULT, protection=OPEN)
