"""A backup is one verified file, whatever goes on meanwhile; restoring overwrites nothing."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.trust.audit import Audit, audit
from ancile.trust.ledger import Draft
from ancile.trust.sqlite_backup import backup_ledger, restore_ledger
from ancile.trust.sqlite_store import INLINE_BYTES, object_path
from tests.trust.ledger_help import AUTHOR, ERASER, VKEYS, drafts, erased, filled, opened
from tests.trust.tamper_help import flipped, leaves, tampered

AUTHORS = [ERASER.public.text]


def backed_up(folder: Path, target: Path) -> Audit:
    return backup_ledger(folder, target, vkeys=VKEYS, authors=AUTHORS)


def restored(source: Path, folder: Path) -> Audit:
    return restore_ledger(source, folder, vkeys=VKEYS, authors=AUTHORS)


def emptied(folder: Path) -> None:
    """Loses the ledger, keeps the folder."""
    shutil.rmtree(folder)
    folder.mkdir(mode=0o700)


def test_a_backup_comes_back_with_long_and_erased_bodies(tmp_path: Path) -> None:
    folder, target = tmp_path / "ledger", tmp_path / "backup"
    body = bytes(INLINE_BYTES + 1)
    with opened(folder) as ledger:
        ledger.append([*drafts(5), Draft("report", AUTHOR, body)])
        erased(ledger, 2)
        assert backed_up(folder, target).size == 7
        root = ledger.root(7)
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "ledger"]
    emptied(folder)
    assert restored(target, folder).erased[0][:2] == (2, 6)
    with opened(folder, create=False) as ledger:
        assert (ledger.root(7), ledger.entry(5).body, ledger.entry(2).body) == (root, body, None)
        ledger.append(drafts(3))
        assert audit(ledger, vkeys=VKEYS, authors=AUTHORS).is_intact


def test_a_backup_while_others_write_is_one_state_of_the_ledger(tmp_path: Path) -> None:
    folder, stop = tmp_path / "ledger", threading.Event()
    filled(folder)

    def write() -> None:
        with opened(folder) as ledger:
            while not stop.is_set():
                ledger.append(drafts(20))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        sizes = [backed_up(folder, tmp_path / f"backup-{n}").size for n in range(5)]
    finally:
        stop.set()
        writer.join()
    assert sizes == sorted(sizes)
    assert (sizes[-1] - 300) % 20 == 0


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder, target = tmp_path / "ledger", tmp_path / "backup"
    filled(folder, 3)
    backed_up(folder, target)
    data = target.read_bytes()
    with pytest.raises(AncileError, match="not overwritten"):
        backed_up(folder, target)
    with pytest.raises(AncileError, match="not overwritten") as refusal:
        restored(target, folder)
    assert "ledger.db-wal" in refusal.value.remedy
    assert target.read_bytes() == data
    (folder / "ledger.db").unlink()
    (folder / "ledger.db-wal").write_bytes(b"of the lost one")  # would be replayed into the restored file
    with pytest.raises(AncileError, match="not overwritten"):
        restored(target, folder)


def test_a_changed_ledger_is_neither_backed_up_nor_restored(tmp_path: Path) -> None:
    folder, target = tmp_path / "ledger", tmp_path / "backup"
    filled(folder, 9)
    backed_up(folder, target)
    with closing(sqlite3.connect(target)) as db, db:
        db.execute("DELETE FROM bodies WHERE idx = 4")
    leaf = leaves(folder)[2]
    tampered(folder, ("UPDATE entries SET leaf = ? WHERE idx = 2", (flipped(leaf),)))
    with pytest.raises(AncileError, match="entry 2"):
        backed_up(folder, tmp_path / "second")
    emptied(folder)
    with pytest.raises(AncileError, match="body of entry 4"):
        restored(target, folder)
    assert list(folder.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "ledger"]


def test_what_is_no_backup_or_has_lost_a_long_body_is_one_error(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    with pytest.raises(AncileError, match="cannot be opened"):
        backed_up(folder, tmp_path / "backup")
    with opened(folder) as ledger:
        ledger.append([Draft("report", AUTHOR, bytes(INLINE_BYTES + 1))])
    object_path(folder, leaves(folder)[0]).unlink()
    with pytest.raises(AncileError, match="cannot be read"):
        backed_up(folder, tmp_path / "backup")
    emptied(folder)
    with pytest.raises(AncileError, match="no such backup"):
        restored(tmp_path / "backup", folder)
    (tmp_path / "backup").write_bytes(b"not a database" * 100)
    with pytest.raises(AncileError, match="no ledger"):
        restored(tmp_path / "backup", folder)
