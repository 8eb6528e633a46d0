"""What every released version wrote is still read, verified and believed: ``tests/golden/v*/``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ancile.trust.backup import restore_keys
from ancile.trust.evidence import verify_bundle
from ancile.trust.key import parse_public_key
from ancile.trust.keys import list_keys, unlock_key
from ancile.trust.lockbox import Protection
from tests.golden.write import BACKUP_PASSPHRASE, ORIGIN, PASSPHRASE, WHEN, golden_predicates, write

VERSIONS = sorted((Path(__file__).parents[1] / "golden").glob("v*/"))


def test_there_are_golden_files() -> None:
    assert VERSIONS


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_evidence_of_every_released_version_verifies(version: Path) -> None:
    public = [parse_public_key(line) for line in (version / "public.txt").read_text().splitlines()]
    author = next(key for key in public if key.purpose == "author")
    found = verify_bundle(
        (version / "bundle.json").read_bytes(),
        logs=(version / "vkeys.txt").read_text().splitlines(),
        authors=[author.id],
    )
    assert [e.statement.kind for e in found] == ["key", "key", "key", "run", "report", "decision"]
    assert all(e.accepted and e.origin == ORIGIN for e in found)
    assert found[0].time == WHEN.replace(microsecond=123000)
    if version.name == "v1":
        assert [e.statement.predicate for e in found[3:]] == golden_predicates(author.id)


def private_copy(version: Path, folder: Path) -> Path:
    """The key files and the backup as their owner would have them: git keeps no mode 0600."""
    folder.mkdir(mode=0o700)
    for path in (*version.glob("*.key"), version / "backup.json"):
        shutil.copyfile(path, folder / path.name)
        (folder / path.name).chmod(0o600)
    return folder


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_keys_and_backups_of_every_released_version_open(version: Path, tmp_path: Path) -> None:
    keys = private_copy(version, tmp_path / "keys")
    states = {k.public.text: k.state for k in list_keys(keys)}
    assert sorted(states.values()) == ["active", "active", "retired", "revoked"]
    assert sorted(states) == sorted((version / "public.txt").read_text().splitlines())
    retired = next(k.public.id for k in list_keys(keys) if k.state == "retired")
    unlock_key(keys, "author", lambda: PASSPHRASE, id_=retired)
    unlock_key(keys, "log", lambda: PASSPHRASE)
    added = restore_keys(
        keys / "backup.json",
        tmp_path / "new",
        backup_passphrase=BACKUP_PASSPHRASE,
        protection=Protection(None),
    )
    assert {key.text for key in added.written} == set(states)
    assert (
        unlock_key(tmp_path / "new", "log", bytes).seeds == unlock_key(keys, "log", lambda: PASSPHRASE).seeds
    )


def test_golden_files_are_written_once(tmp_path: Path) -> None:
    write(tmp_path / "v9")
    before = {path.name for path in (tmp_path / "v9").iterdir()}
    assert {"bundle.json", "public.txt", "vkeys.txt", "backup.json"} < before
    with pytest.raises(FileExistsError):
        write(tmp_path / "v9")
