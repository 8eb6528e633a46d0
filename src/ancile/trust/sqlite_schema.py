"""Tables, versions and faults of the ledger's SQLite file.

The schema is compared as text with what this program writes: a view, a trigger or a table that somebody
added could act on our own statements, so such a file is not opened.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded
from ancile.core.text import plain
from ancile.trust.private_file import sync_folder

VERSION = 1
STEPS: Mapping[int, str] = {}  # a version to the SQL that makes the next one of it; none came before 1
PAGE_BYTES = 16_384  # measured: a third more entries a second than with 4,096
WAIT_SECONDS = 120.0  # how long a writer queues behind other processes
APPEND_ONLY = "BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END"
TABLES = {
    "meta": "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "entries": "CREATE TABLE entries (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT",
    "bodies": "CREATE TABLE bodies (idx INTEGER PRIMARY KEY, salt BLOB NOT NULL, body BLOB) STRICT",
    "tiles": "CREATE TABLE tiles (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT",
    "checkpoints": """CREATE TABLE checkpoints
        (size INTEGER PRIMARY KEY, note TEXT NOT NULL, time INTEGER NOT NULL) STRICT""",
}
GUARDS = {
    "long_bodies": "CREATE INDEX long_bodies ON bodies (idx) WHERE body IS NULL",
    "entries_update": f"CREATE TRIGGER entries_update BEFORE UPDATE ON entries {APPEND_ONLY}",
    "entries_delete": f"CREATE TRIGGER entries_delete BEFORE DELETE ON entries {APPEND_ONLY}",
}
SCHEMA = TABLES | GUARDS

SETTINGS = f"""
PRAGMA busy_timeout = {int(WAIT_SECONDS * 1000)};
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA mmap_size = 0;
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA secure_delete = ON;
"""  # fullfsync: what fdatasync means on macOS; secure_delete: erased bodies are overwritten with zeros

FULL = ("the disk is full", "free some space; the ledger is as it was before")
CODES = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: ("the ledger cannot be written", "mend permissions, or mount it writable"),
    sqlite3.SQLITE_CANTOPEN: ("the ledger cannot be opened", "mend permissions and owner of its folder"),
    sqlite3.SQLITE_BUSY: ("the ledger is locked by another process", "wait for that process, or end it"),
    sqlite3.SQLITE_NOTADB: ("this is no ledger, or a damaged one", "restore ledger.db from a backup"),
    sqlite3.SQLITE_IOERR: ("the disk fails", "look at the system's log; copy the ledger to another disk"),
}
NO_INDEX = (sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE)  # no room for the shared index
LITTLE_ROOM = 2**20  # bytes: less is left on a disk that is full for everybody but root
IN_MEMORY_BYTES = 2**30  # of a ledger that is read through a copy in memory
DAMAGED = ("the ledger's file is damaged", "restore it from a backup, then run `ancile ledger verify`")


@contextmanager
def sqlite_faults(folder: Path) -> Iterator[None]:
    """Turns what SQLite or the system reports inside the block into AncileError."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as reason:  # a damaged name in SQLite's message is no UTF-8
        # extended codes carry the primary one in their low byte: https://sqlite.org/rescode.html
        code = getattr(reason, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        what, remedy = FULL if _lacks_room(code, folder) else CODES.get(code & 0xFF, DAMAGED)
        value = f"{percent_encoded(folder)}: {plain(str(reason))}"
        raise AncileError(what, value=value, remedy=remedy) from reason
    except OSError as reason:
        value = f"{percent_encoded(folder)}: {reason.strerror}"
        is_full = reason.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what, remedy = FULL if is_full else ("the ledger's folder fails", "mend the cause named")
        raise AncileError(what, value=value, remedy=remedy) from reason


def _lacks_room(code: int, folder: Path) -> bool:
    """Whether an I/O error of SQLite comes from a full disk; its message is the same for both."""
    if code in NO_INDEX:
        return True
    if code & 0xFF != sqlite3.SQLITE_IOERR:
        return False
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < LITTLE_ROOM


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """One process at a time creates or migrates the ledger in ``folder``."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")  # a damaged note is named by the audit, not by SQLite


def access(mode: str, *, can_write: bool, has_wal: bool) -> str:
    """The part of SQLite's URI that says how to open a file.

    To read in WAL mode SQLite writes a shared index beside the file; where it cannot, nobody else can.
    """
    return "immutable=1" if mode == "ro" and not can_write and not has_wal else f"mode={mode}"


def connected(path: Path, *, mode: str) -> sqlite3.Connection:
    """A connection in autocommit for use by any thread, one at a time.

    mode  "ro" or "rw"; reading a folder that cannot be written works while no write-ahead log lies there,
          and on a full disk through a copy in memory
    """
    can_write, has_wal = os.access(path.parent, os.W_OK), path.with_name(f"{path.name}-wal").exists()
    query = access(mode, can_write=can_write, has_wal=has_wal)
    uri = f"file:{quote(os.fsencode(path.absolute()))}?{query}"
    db = sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _settled(db)
    except sqlite3.OperationalError as reason:
        db.close()
        if mode == "ro" and reason.sqlite_errorcode in NO_INDEX:
            return _in_memory(path)
        raise
    except BaseException:
        db.close()
        raise
    return db


def _settled(db: sqlite3.Connection) -> None:
    db.text_factory = _lenient
    db.executescript(SETTINGS)


def _in_memory(path: Path) -> sqlite3.Connection:
    """A copy to read where a full disk has no room for SQLite's shared index.

    Whoever locks the whole file needs none: https://sqlite.org/wal.html#use_of_wal_without_shared_memory
    """
    if path.stat().st_size > IN_MEMORY_BYTES:
        raise OSError(errno.ENOSPC, "no room for SQLite's shared index", str(path))
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        with closing(sqlite3.connect(f"file:{quote(os.fsencode(path.absolute()))}?mode=rw", uri=True)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            _settled(db)
            db.backup(memory)
        _settled(memory)
        memory.execute("PRAGMA query_only = ON")
    except BaseException:
        memory.close()
        raise
    return memory


def create_database(path: Path) -> None:
    """An empty ledger with mode 0600, durable on return."""
    temporary = path.with_name(f".new-{path.name}")
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(connected(temporary, mode="rw")) as db:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("BEGIN")
        for statement in SCHEMA.values():
            db.execute(statement)
        db.execute("INSERT INTO meta VALUES ('version', ?)", (str(VERSION),))
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
    temporary.replace(path)
    sync_folder(path.parent)


def found_schema(db: sqlite3.Connection) -> dict[str, str]:
    """Name and SQL of all that the file defines; the indexes that SQLite makes for itself have none."""
    rows = db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {str(name): str(sql) for name, sql in rows}


def schema_oddities(db: sqlite3.Connection) -> list[str]:
    """What differs from the schema of this program, in words."""
    found = found_schema(db)
    odd = [f"{plain(name)} is not of ancile" for name in found if name not in SCHEMA]
    odd += [f"{name} was changed" for name in SCHEMA if found.get(name, SCHEMA[name]) != SCHEMA[name]]
    return odd + [f"{name} is missing" for name in SCHEMA if name not in found]


def version_of(db: sqlite3.Connection) -> int:
    """Version of the file; AncileError when it has none or holds what this program does not write."""
    is_ours = found_schema(db).get("meta") == SCHEMA["meta"]
    row = db.execute("SELECT value FROM meta WHERE name = 'version'").fetchone() if is_ours else None
    try:
        return int(row[0] if row else "")
    except ValueError as reason:
        raise AncileError(
            "this database is no ledger",
            value="it names no version of ancile's schema",
            remedy="check the path; a ledger is made by `ancile init`",
        ) from reason


def migrate(
    path: Path,
    *,
    wanted: int = VERSION,
    steps: Mapping[int, str] = STEPS,
    wait_seconds: float = WAIT_SECONDS,
) -> None:
    """Brings the file to the wanted version: on a copy, which then takes its place in one rename.

    wait_seconds  how long to wait for other processes that have it open
    Called under ``folder_lock``. A newer file is refused, and one with foreign definitions.
    """
    with closing(connected(path, mode="ro")) as db:
        version = version_of(db)
        foreign = sorted(set(found_schema(db).items()) - set(SCHEMA.items())) if version == VERSION else []
        lacking = sorted(set(TABLES) - set(found_schema(db))) if version == VERSION else []
    if version > wanted:
        raise AncileError(
            "the ledger was written by a newer ancile",
            value=f"version {version}, this program reads {wanted}",
            remedy="update ancile: pip install --upgrade ancile",
        )
    if foreign or lacking:
        raise AncileError(
            "the ledger's tables were changed by another program",
            value=plain(foreign[0][0] if foreign else lacking[0]),
            remedy="restore ledger.db from a backup",
        )
    if version < wanted:
        _on_a_copy(
            path,
            lambda db: _stepwise(db, version=version, wanted=wanted, steps=steps),
            wait_seconds=wait_seconds,
        )


def _stepwise(db: sqlite3.Connection, *, version: int, wanted: int, steps: Mapping[int, str]) -> None:
    for step in range(version, wanted):
        if step not in steps:
            raise AncileError(
                "the ledger's version is unknown",
                value=str(version),
                remedy="restore ledger.db from a backup",
            )
        db.executescript(steps[step])
    db.execute("UPDATE meta SET value = ? WHERE name = 'version'", (str(wanted),))


def _on_a_copy(path: Path, change: Callable[[sqlite3.Connection], None], *, wait_seconds: float) -> None:
    copy = path.with_name(f".new-{path.name}")
    copy.unlink(missing_ok=True)
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(connected(path, mode="rw")) as old:
        old.execute(f"PRAGMA busy_timeout = {int(wait_seconds * 1000)}")
        old.execute("PRAGMA locking_mode = EXCLUSIVE")  # refuses while another process has it open
        old.execute("PRAGMA journal_mode = DELETE")  # no write-ahead log may meet the new file
        with closing(connected(copy, mode="rw")) as new:
            old.backup(new)
            change(new)
            new.execute("PRAGMA journal_mode = WAL")
        copy.replace(path)
        sync_folder(path.parent)
