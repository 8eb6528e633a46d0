"""A ledger in one file, taken while others write and verified before it gets its name; and the way back.

SQLite's own backup reads one state of the database, write-ahead log included, which copying files does not:
https://sqlite.org/backup.html. Long bodies are taken into the copy, so that nothing lies beside it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded
from ancile.trust.audit import Audit, audit
from ancile.trust.ledger import Ledger
from ancile.trust.private_file import sync_folder
from ancile.trust.sqlite_schema import connected, folder_lock, sqlite_faults
from ancile.trust.sqlite_store import DATABASE, object_path, open_sqlite, read_object

LONG = "SELECT b.idx, e.leaf FROM bodies b JOIN entries e ON e.idx = b.idx WHERE b.body IS NULL"
LIVE = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")


def backup_ledger(folder: Path, target: Path, *, vkeys: Sequence[str], authors: Sequence[str]) -> Audit:
    """The judgement on the copy that is now in ``target``, a new file with mode 0600, durable.

    vkeys, authors  as for ``audit``; a ledger in which anything is wrong is not backed up
    AncileError: no ledger, one that was changed, an existing target, a disk that is full or read-only.
    """
    _refuse_present([target], remedy="name a new file")
    with (
        sqlite_faults(target.parent),
        tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as name,
    ):
        work = Path(name)
        _copy(folder / DATABASE, work / DATABASE, objects=folder)
        found = _judged(work, vkeys=vkeys, authors=authors)
        _give_name(work / DATABASE, target)
    return found


def restore_ledger(source: Path, folder: Path, *, vkeys: Sequence[str], authors: Sequence[str]) -> Audit:
    """The judgement on the backup ``source`` that is now the ledger in ``folder``; nothing is overwritten.

    Whether it goes on from what this machine signed last is another question: ``set_back``.
    """
    live = [folder / name for name in LIVE]
    remedy = "move ledger.db, ledger.db-wal and ledger.db-shm away first, and keep them"
    _refuse_present(live, remedy=remedy)
    if not source.is_file():
        raise AncileError(
            "there is no such backup",
            value=percent_encoded(source),
            remedy="name a file that `ancile ledger backup` wrote",
        )
    with sqlite_faults(folder), tempfile.TemporaryDirectory(prefix=".restoring-", dir=folder) as name:
        work = Path(name)
        _copy(source, work / DATABASE, objects=None)
        found = _judged(work, vkeys=vkeys, authors=authors)
        with closing(connected(work / DATABASE, mode="rw")) as db:
            db.execute("PRAGMA journal_mode = WAL")
        with folder_lock(folder):
            _refuse_present(live, remedy=remedy)
            _give_name(work / DATABASE, folder / DATABASE)
    return found


def _refuse_present(paths: Sequence[Path], *, remedy: str) -> None:
    for path in paths:
        if os.path.lexists(path):
            raise AncileError(
                "file exists and is not overwritten", value=percent_encoded(path), remedy=remedy
            )


def _copy(source: Path, copy: Path, *, objects: Path | None) -> None:
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(connected(source, mode="ro")) as old, closing(connected(copy, mode="rw")) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")  # a backup is one file
        for index, leaf in new.execute(LONG).fetchall() if objects else ():
            body = read_object(object_path(objects or copy, leaf))
            new.execute("UPDATE bodies SET body = ? WHERE idx = ?", (body, index))


def _judged(folder: Path, *, vkeys: Sequence[str], authors: Sequence[str]) -> Audit:
    with Ledger(open_sqlite(folder), clock=lambda: datetime.now(UTC)) as ledger:
        found = audit(ledger, vkeys=vkeys, authors=authors)
    if found.first is not None:
        raise AncileError(
            "this is not what the log signed, and no copy of it is taken",
            value=f"{found.first.place}: {found.first.what}",
            remedy="see `ancile ledger verify`; a copy for forensics is one of the whole folder, by hand",
        )
    return found


def _give_name(file: Path, target: Path) -> None:
    with file.open("rb") as data:
        os.fsync(data.fileno())
    target.hardlink_to(file)
    sync_folder(target.parent)
