"""The folder of keys: permissions, purposes, states, damage."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.key import private_key
from ancile.trust.keyfile import KeyFile, encode_key_file, file_name, parse_key_file, seal_key
from ancile.trust.keys import (
    MOST_KEYS,
    active_key,
    add_key_files,
    create_key,
    find_key,
    list_keys,
    revoke_key,
    rotate_key,
    unlock_key,
)
from ancile.trust.lockbox import Protection
from tests.trust.keys_help import CHEAP, NOW, OPEN, SEALED, passphrase, seeds

ALICE = private_key("author", "alice", seeds(1))
SEALED_ALICE = encode_key_file(
    seal_key(ALICE.public, ALICE.seeds, created=NOW, after=None, protection=SEALED)
)


def never() -> bytes:
    raise AssertionError("an open key asks for no passphrase")


def put(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_a_new_key_is_listed_and_unlocked(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    author = create_key(keys, "author", "alice", protection=SEALED, now=NOW)
    log = create_key(keys, "log", "example.org/log", protection=OPEN, now=NOW)
    witness = create_key(keys, "witness", "example.org/witness", protection=OPEN, now=NOW)
    assert {k.public.purpose: (k.state, k.is_open) for k in list_keys(keys)} == {
        "author": ("active", False),
        "log": ("active", True),
        "witness": ("active", True),
    }
    assert unlock_key(keys, "author", passphrase).seeds == author.seeds
    assert unlock_key(keys, "log", never).seeds == log.seeds
    assert unlock_key(keys, "witness", never, id_=witness.public.id[7:15]).seeds == witness.seeds


def test_files_are_for_their_owner_alone_and_hold_no_open_seed(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    author = create_key(keys, "author", "alice", protection=SEALED, now=NOW)
    (path,) = keys.glob("*.key")
    assert (keys.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    content = json.loads(path.read_bytes())
    assert content["seeds"]["protection"] == "argon2id-aes-256-gcm"
    assert content["seeds"]["stretching"] == {"iterations": 1, "lanes": 1, "memory_kib": 128}
    assert author.seeds.ed25519 not in path.read_bytes()


def test_an_empty_or_absent_folder_holds_no_keys(tmp_path: Path) -> None:
    assert list_keys(tmp_path / "absent") == ()
    with pytest.raises(AncileError, match="no active author key"):
        active_key(tmp_path / "absent", "author")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o601])
def test_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    path = put(tmp_path / "keys", file_name(ALICE.public), SEALED_ALICE)
    path.chmod(mode)
    with pytest.raises(AncileError) as refusal:
        list_keys(tmp_path / "keys")
    assert refusal.value.remedy == f"chmod 600 {path}"


def test_a_folder_that_others_can_enter_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    put(tmp_path / "keys", file_name(ALICE.public), SEALED_ALICE)
    (tmp_path / "keys").chmod(0o750)
    with pytest.raises(AncileError) as refusal:
        list_keys(tmp_path / "keys")
    assert refusal.value.remedy == f"chmod 700 {tmp_path / 'keys'}"


def test_a_link_in_the_place_of_a_key_is_refused(tmp_path: Path) -> None:
    target = put(tmp_path / "elsewhere", "key", SEALED_ALICE)
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / file_name(ALICE.public)).symlink_to(target)
    with pytest.raises(AncileError, match="cannot be read"):
        list_keys(tmp_path / "keys")


def test_a_wrong_passphrase_is_one_error_that_does_not_tell_it(tmp_path: Path) -> None:
    create_key(tmp_path / "keys", "author", "alice", protection=SEALED, now=NOW)
    with pytest.raises(AncileError, match="wrong passphrase") as refusal:
        unlock_key(tmp_path / "keys", "author", lambda: b"hunter2")
    assert "hunter2" not in repr(refusal.value)


def test_a_second_active_key_of_one_purpose_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path / "keys", "log", "example.org/log", protection=OPEN, now=NOW)
    with pytest.raises(AncileError, match="active log key already"):
        create_key(tmp_path / "keys", "log", "example.org/other", protection=OPEN, now=NOW)


def test_two_active_keys_that_were_copied_together_are_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        key = private_key("author", "alice", seeds(number))
        file = seal_key(key.public, key.seeds, created=NOW, after=None, protection=OPEN)
        put(tmp_path / "keys", file_name(key.public), encode_key_file(file))
    with pytest.raises(AncileError, match="2 active author keys"):
        unlock_key(tmp_path / "keys", "author", never)


def test_a_key_serves_one_purpose_only(tmp_path: Path) -> None:
    log = create_key(tmp_path / "keys", "log", "example.org/log", protection=OPEN, now=NOW)
    with pytest.raises(AncileError, match="not an author key"):
        unlock_key(tmp_path / "keys", "author", never, id_=log.public.id)
    with pytest.raises(AncileError, match="not a witness key"):
        unlock_key(tmp_path / "keys", "witness", never, id_=log.public.id)


def test_one_key_under_two_purposes_or_names_is_refused(tmp_path: Path) -> None:
    for purpose, name in (("log", "example.org/log"), ("witness", "example.org/log")):
        key = private_key(purpose, name, seeds(1))  # type: ignore[call-overload]  # a loop over both uses
        file = seal_key(key.public, key.seeds, created=NOW, after=None, protection=OPEN)
        put(tmp_path / "keys", file_name(key.public), encode_key_file(file))
    with pytest.raises(AncileError, match="two names or two purposes"):
        list_keys(tmp_path / "keys")


def test_a_copy_of_a_key_under_another_file_name_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "keys", "author-copy.key", SEALED_ALICE)
    with pytest.raises(AncileError) as refusal:
        list_keys(tmp_path / "keys")
    assert file_name(ALICE.public) in refusal.value.remedy


def test_an_id_is_found_by_its_beginning(tmp_path: Path) -> None:
    key = create_key(tmp_path / "keys", "author", "alice", protection=OPEN, now=NOW).public
    assert find_key(tmp_path / "keys", key.id[:15]).public == key
    for wrong in ("", "sha256:", key.id[7:14], "0" * 64):
        with pytest.raises(AncileError, match="id names no key"):
            find_key(tmp_path / "keys", wrong)


def test_rotation_retires_the_old_key_and_both_still_open(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    old = create_key(keys, "author", "alice", protection=SEALED, now=NOW)
    later = NOW + timedelta(days=1)
    rotation = rotate_key(keys, "author", passphrase, protection=Protection(b"new", CHEAP), now=later)
    assert [k.state for k in list_keys(keys)] == ["retired", "active"]
    assert rotation.old.public == old.public
    assert active_key(keys, "author").file.after == old.public.id
    assert unlock_key(keys, "author", lambda: b"new").public == rotation.new.public
    assert unlock_key(keys, "author", passphrase, id_=old.public.id).seeds == old.seeds


def test_a_rotated_log_keeps_its_origin(tmp_path: Path) -> None:
    create_key(tmp_path / "keys", "log", "example.org/log", protection=OPEN, now=NOW)
    rotation = rotate_key(tmp_path / "keys", "log", never, protection=OPEN, now=NOW)
    assert rotation.new.public.name == rotation.old.public.name == "example.org/log"


def test_a_wrong_passphrase_rotates_nothing(tmp_path: Path) -> None:
    create_key(tmp_path / "keys", "author", "alice", protection=SEALED, now=NOW)
    with pytest.raises(AncileError, match="wrong passphrase"):
        rotate_key(tmp_path / "keys", "author", lambda: b"x", protection=OPEN, now=NOW)
    assert len(list_keys(tmp_path / "keys")) == 1


def test_a_revoked_key_has_no_seeds_and_makes_room_for_another(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    key = create_key(keys, "author", "alice", protection=SEALED, now=NOW).public
    revoked = revoke_key(keys, key.id, reason="laptop lost\x1b[2J", now=NOW)
    assert revoked.state == "revoked"
    assert revoked.file.revoked is not None
    assert (revoked.file.revoked.time, revoked.file.revoked.reason) == (NOW, "laptop lost\\x1b[2J")
    assert b"sealed" not in revoked.path.read_bytes()
    with pytest.raises(AncileError, match="revoked and cannot sign"):
        unlock_key(keys, "author", never, id_=key.id)
    create_key(keys, "author", "alice", protection=SEALED, now=NOW)


def test_a_second_revocation_changes_nothing_and_one_without_reason_is_refused(tmp_path: Path) -> None:
    key = create_key(tmp_path / "keys", "author", "alice", protection=OPEN, now=NOW).public
    first = revoke_key(tmp_path / "keys", key.id, reason="first", now=NOW)
    again = revoke_key(tmp_path / "keys", key.id, reason="second", now=NOW + timedelta(days=1))
    assert again == first
    with pytest.raises(AncileError, match="needs a reason"):
        revoke_key(tmp_path / "keys", key.id, reason=" ", now=NOW)


def test_a_revoked_successor_leaves_the_old_key_retired(tmp_path: Path) -> None:
    create_key(tmp_path / "keys", "author", "alice", protection=OPEN, now=NOW)
    new = rotate_key(tmp_path / "keys", "author", never, protection=OPEN, now=NOW).new.public
    revoke_key(tmp_path / "keys", new.id, reason="leaked", now=NOW)
    assert sorted(k.state for k in list_keys(tmp_path / "keys")) == ["retired", "revoked"]


def test_too_many_files_are_refused_before_any_is_read(tmp_path: Path) -> None:
    for number in range(MOST_KEYS + 1):
        put(tmp_path / "keys", f"{number}.key", b"")
    with pytest.raises(AncileError, match="too many keys"):
        list_keys(tmp_path / "keys")


def edited(**fields: object) -> bytes:
    content: dict[str, Any] = json.loads(SEALED_ALICE)
    for dotted, value in fields.items():
        *path, last = dotted.split("__")
        inner = content
        for step in path:
            inner = inner[step]
        inner[last] = value
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def test_the_editor_of_these_tests_writes_what_ancile_writes() -> None:
    assert edited() == SEALED_ALICE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        b"[" * 10_000,
        SEALED_ALICE[:-1],
        SEALED_ALICE + b"\n",
        SEALED_ALICE[: len(SEALED_ALICE) // 2],
        b"x" * (1 << 16) + b"x",
        edited(format="ancile/key/v2"),
        edited(extra=1),
        edited(seeds=None),
        edited(after="someone"),
        edited(created="2026-11-21T12:00:00"),
        edited(revoked={"time": "2026-11-21T12:00:00Z", "reason": "r"}),
        edited(public=private_key("log", "a", seeds(1)).public.text),
        edited(public="author:v1:x"),
        edited(seeds__protection="rot13"),
        edited(seeds__stretching__memory_kib=1 << 30),
        edited(seeds__stretching__memory_kib=(1 << 18) + 1),
        edited(seeds__stretching__iterations=1 << 30),
        edited(seeds__stretching__iterations=0),
        edited(seeds__stretching__lanes=1 << 20),
        edited(seeds__salt=""),
        edited(seeds__nonce="AAAA"),
        edited(seeds__sealed=""),
    ],
)
def test_a_damaged_or_hostile_key_file_is_one_error_before_memory_is_taken(
    tmp_path: Path, data: bytes
) -> None:
    put(tmp_path / "keys", file_name(ALICE.public), data)
    with pytest.raises(AncileError):
        unlock_key(tmp_path / "keys", "author", passphrase)


@pytest.mark.parametrize(
    "data",
    [
        edited(created="2020-01-01T00:00:00Z"),
        edited(after="sha256:" + "0" * 64),
        edited(seeds__stretching__iterations=2),
        edited(public=ALICE.public.text.replace("alice", "mallory")),
    ],
)
def test_the_readable_part_of_a_sealed_key_cannot_be_changed(tmp_path: Path, data: bytes) -> None:
    put(tmp_path / "keys", file_name(ALICE.public), data)
    with pytest.raises(AncileError, match="wrong passphrase, or the file was changed"):
        unlock_key(tmp_path / "keys", "author", passphrase)


def test_open_seeds_of_another_key_are_refused(tmp_path: Path) -> None:
    other = private_key("author", "bob", seeds(2))
    file = seal_key(ALICE.public, other.seeds, created=NOW, after=None, protection=OPEN)
    put(tmp_path / "keys", file_name(ALICE.public), encode_key_file(file))
    with pytest.raises(AncileError, match="key file is damaged"):
        unlock_key(tmp_path / "keys", "author", never)


def test_open_seeds_of_a_wrong_length_are_refused(tmp_path: Path) -> None:
    content = json.loads(SEALED_ALICE) | {"seeds": {"protection": "none", "seeds": "AAAA"}}
    data = (json.dumps(content, indent=1) + "\n").encode()
    put(tmp_path / "keys", file_name(ALICE.public), data)
    with pytest.raises(AncileError, match="wrong length"):
        unlock_key(tmp_path / "keys", "author", never)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(0, len(SEALED_ALICE) - 1), st.integers(0, 7))
def test_fuzz_a_flipped_bit_in_a_key_file_is_refused(tmp_path: Path, place: int, bit: int) -> None:
    mutated = bytearray(SEALED_ALICE)
    mutated[place] ^= 1 << bit
    put(tmp_path / "keys", file_name(ALICE.public), bytes(mutated))
    with pytest.raises(AncileError):
        unlock_key(tmp_path / "keys", "author", passphrase)


@given(st.binary(max_size=200))
def test_fuzz_bytes_in_the_place_of_a_key_raise_one_error_type(data: bytes) -> None:
    with pytest.raises(AncileError):
        parse_key_file(data)


def sealed_file(number: int, *, after: str | None = None) -> KeyFile:
    key = private_key("author", "alice", seeds(number))
    return seal_key(key.public, key.seeds, created=NOW, after=after, protection=OPEN)


def test_added_keys_never_replace_what_is_there(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    first = add_key_files(keys, [sealed_file(1)])
    before = (keys / file_name(first.written[0])).read_bytes()
    again = add_key_files(keys, [sealed_file(1)])
    assert (again.written, again.kept) == ((), first.written)
    assert (keys / file_name(first.written[0])).read_bytes() == before


def test_keys_that_would_make_two_active_ones_are_not_added(tmp_path: Path) -> None:
    add_key_files(tmp_path / "keys", [sealed_file(1)])
    with pytest.raises(AncileError, match="would be two active"):
        add_key_files(tmp_path / "keys", [sealed_file(2)])
    added = add_key_files(tmp_path / "keys", [sealed_file(2, after=ALICE.public.id)])
    assert len(added.written) == 1


CREATE = """
import sys; from datetime import datetime, UTC; from pathlib import Path
from ancile.core.errors import AncileError
from ancile.trust.keys import create_key, rotate_key
from ancile.trust.lockbox import Protection
for _ in range(5):
    rotate_key(Path(sys.argv[1]), "author", lambda: b"", protection=Protection(None), now=datetime.now(UTC))
"""


def test_two_processes_that_rotate_at_once_lose_no_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    create_key(keys, "author", "alice", protection=OPEN, now=NOW)
    both = [subprocess.Popen([sys.executable, "-c", CREATE, str(keys)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    found = list_keys(keys)
    assert [k.state for k in found].count("active") == 1
    assert len(found) == 11
    after = [k.file.after for k in found]
    assert len(set(after)) == 11
