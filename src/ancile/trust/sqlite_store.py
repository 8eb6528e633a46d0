"""A ledger's storage in one SQLite file in WAL mode, and a folder for bodies beyond 1 MiB.

Layout as measured: rows only ever join at the end of a table, nothing on the way in has a random key (an
index on digests costs a factor of 3 to 17), pages of 16 KiB. ``synchronous=FULL``: a commit returns after
its fdatasync. Bodies stand outside the append-only tables, and what is deleted is overwritten.
https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_secure_delete
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded
from ancile.trust.merkle import MAX_SIZE
from ancile.trust.private_file import make_private_folder, read_private, sync_folder, write_private
from ancile.trust.sqlite_schema import (
    connected,
    create_database,
    folder_lock,
    migrate,
    schema_oddities,
    sqlite_faults,
)
from ancile.trust.store import Reader, Row, Store, Stored, StoredCheckpoint, Transaction
from ancile.trust.tiles import Tile

DATABASE = "ledger.db"
OBJECTS = "objects"
INLINE_BYTES = 2**20  # a longer body becomes a file: SQLite's own advice is files from about 100 KB on
MAX_BODY_BYTES = 2**30  # below SQLite's and Python's limits; what is longer belongs beside the ledger
LEVEL_SHIFT = 56  # tile id = level << 56 | n: levels 0..7 cover 2**63 leaves and keep the id positive
ENTRIES = """SELECT e.idx, e.leaf, b.idx, b.salt, b.body FROM entries e LEFT JOIN bodies b ON b.idx = e.idx
    WHERE e.idx >= ? AND e.idx < ? ORDER BY e.idx"""
LAST = MAX_SIZE - 1  # index of the last entry that a log can have
BEYOND = "SELECT idx FROM entries WHERE idx NOT BETWEEN 0 AND ? LIMIT 1"
STRAY = "SELECT idx FROM bodies WHERE idx NOT IN (SELECT idx FROM entries) LIMIT 1"


def tile_id(tile: Tile) -> int:
    """Key of a tile's row: neighbours in a level are neighbours in the file."""
    return tile.level << LEVEL_SHIFT | tile.n


def object_path(folder: Path, leaf: bytes) -> Path:
    """Where the long body of the entry with this leaf lies; every leaf is unique, its salt is random."""
    return folder / OBJECTS / hashlib.sha256(leaf).hexdigest()


def read_object(path: Path) -> bytes:
    """A long body; AncileError when it is absent, open to others or beyond 1 GiB."""
    if path.exists() and path.stat().st_size > MAX_BODY_BYTES:  # refused before memory is taken
        raise AncileError(
            "file is too large",
            value=percent_encoded(path),
            remedy="restore it from a backup: no body has over 1 GiB",
        )
    return read_private(path, limit=MAX_BODY_BYTES, allowed=0o077)


class SqliteReader:
    """Reads through one connection, from any thread."""

    def __init__(self, db: sqlite3.Connection, folder: Path) -> None:
        self._db = db
        self._folder = folder
        self._lock = threading.Lock()

    def _one(self, query: str, *values: int) -> object:
        with self._lock, sqlite_faults(self._folder):
            row = self._db.execute(query, values).fetchone()
        return row[0] if row else None

    def size(self) -> int:
        """Number of entries, taken from the highest index."""
        last = self._one("SELECT MAX(idx) FROM entries")
        return min(last, LAST) + 1 if isinstance(last, int) else 0

    def tile(self, tile: Tile) -> bytes:
        """A tile's hashes; empty where it is absent or no blob."""
        hashes = self._one("SELECT hashes FROM tiles WHERE id = ?", tile_id(tile))
        return hashes if isinstance(hashes, bytes) else b""

    def tiles(self) -> Iterator[tuple[Tile, bytes | None]]:
        """Every tile by level and number; None where it is no blob."""
        with sqlite_faults(self._folder):
            for at, hashes in self._db.execute("SELECT id, hashes FROM tiles ORDER BY id"):
                tile = Tile(at >> LEVEL_SHIFT, at & ((1 << LEVEL_SHIFT) - 1))
                yield tile, hashes if isinstance(hashes, bytes) else None

    def entries(self, start: int, stop: int) -> Iterator[Stored]:
        """Entries with start <= index < stop that exist, in order."""
        with sqlite_faults(self._folder):
            for index, leaf, has_body, salt, body in self._db.execute(ENTRIES, (start, stop)):
                if isinstance(leaf, bytes):
                    yield self._stored(index, leaf, has_body=has_body is not None, salt=salt, body=body)
                else:
                    yield Stored(index, None, None, None, "its leaf is no blob")

    def _stored(self, index: int, leaf: bytes, *, has_body: bool, salt: object, body: object) -> Stored:
        if not has_body:
            return Stored(index, leaf, None, None, "")
        if not isinstance(salt, bytes) or not isinstance(body, bytes | None):
            return Stored(index, leaf, None, None, "its salt or body is no blob")
        if body is not None:
            return Stored(index, leaf, salt, body, "")
        try:
            return Stored(index, leaf, salt, read_object(object_path(self._folder, leaf)), "")
        except AncileError as reason:
            return Stored(index, leaf, salt, None, f"its long body cannot be read: {reason}")

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Every checkpoint by size, largest first."""
        with sqlite_faults(self._folder):
            for size, note in self._db.execute("SELECT size, note FROM checkpoints ORDER BY size DESC"):
                yield StoredCheckpoint(size, note if isinstance(note, str) else None)

    def oddities(self) -> list[str]:
        """What stands in the store that ancile did not put there, or is missing from it, in words."""
        with self._lock, sqlite_faults(self._folder):
            odd = schema_oddities(self._db)
            stray = self._db.execute(STRAY).fetchone()
            beyond = self._db.execute(BEYOND, (LAST,)).fetchone()
        odd += [f"a body for entry {stray[0]}, which does not exist"] if stray else []
        return odd + ([f"an entry {beyond[0]}, which no log can have"] if beyond else [])


class SqliteTransaction:
    """Changes inside BEGIN IMMEDIATE; made and ended by ``SqliteStore.transaction``."""

    def __init__(self, db: sqlite3.Connection, folder: Path) -> None:
        self._db = db
        self._folder = folder
        self.written: list[Path] = []
        self.erased: list[Path] = []
        self._reader = SqliteReader(db, folder)
        self.size = self._reader.size
        self.tile = self._reader.tile

    def append(self, first: int, rows: Sequence[Row]) -> None:
        """Adds entries from index ``first`` on; long bodies are durable in their files before the commit."""
        leaves, bodies = [], []
        for index, (leaf, salt, body) in enumerate(rows, first):
            leaves.append((index, leaf))
            is_long = len(body) > INLINE_BYTES
            if is_long:
                self._write_object(leaf, body)
            bodies.append((index, salt, None if is_long else body))
        self._db.executemany("INSERT INTO entries VALUES (?, ?)", leaves)
        self._db.executemany("INSERT INTO bodies VALUES (?, ?, ?)", bodies)

    def _write_object(self, leaf: bytes, body: bytes) -> None:
        path = object_path(self._folder, leaf)
        if not path.parent.exists():
            make_private_folder(path.parent)
            sync_folder(self._folder)
        self.written.append(path)
        write_private(path, body, replace=True)

    def put_tiles(self, tiles: Mapping[Tile, bytes]) -> None:
        """Replaces the content of tiles."""
        rows = [(tile_id(tile), hashes) for tile, hashes in tiles.items()]
        self._db.executemany("INSERT OR REPLACE INTO tiles VALUES (?, ?)", rows)

    def erase_body(self, index: int) -> None:
        """Removes salt and body of an entry; its file goes after the commit."""
        (leaf,) = self._db.execute("SELECT leaf FROM entries WHERE idx = ?", (index,)).fetchone()
        self.erased.append(object_path(self._folder, leaf))
        self._db.execute("DELETE FROM bodies WHERE idx = ?", (index,))

    def put_checkpoint(self, size: int, *, note: str, time_ms: int) -> None:
        """Keeps a checkpoint; one of the same size is replaced."""
        self._db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (size, note, time_ms))


class SqliteStore(SqliteReader):
    """The store in ``folder``; the writing connection is made by the first transaction."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DATABASE
        super().__init__(connected(self._path, mode="ro"), folder)
        self._writing = threading.Lock()
        self._write: sqlite3.Connection | None = None

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """Reads that all see one state, through a connection of their own."""
        with sqlite_faults(self._folder), closing(connected(self._path, mode="ro")) as db:
            db.execute("BEGIN")
            db.execute("SELECT MAX(idx) FROM entries").fetchone()  # a deferred BEGIN sees nothing before
            yield SqliteReader(db, self._folder)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Writers of all processes queue here; durable when the block ends, undone when it raises."""
        with self._writing, sqlite_faults(self._folder):
            db = self._writer()
            changes = SqliteTransaction(db, self._folder)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield changes
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # some errors have rolled back already
                    db.execute("ROLLBACK")
                _remove(changes.written)
                raise
            _remove(changes.erased)

    def _writer(self) -> sqlite3.Connection:
        if self._write is None:
            db = connected(self._path, mode="rw")
            try:
                _refuse_changed(db)
                self._sweep(db)
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what a killed process had erased
            except BaseException:
                db.close()
                raise
            self._write = db
        return self._write

    def _sweep(self, db: sqlite3.Connection) -> None:
        """Removes files that no entry needs: left by a crash before a commit, or after an erasure's."""
        folder = self._folder / OBJECTS
        if not folder.exists():
            return
        db.execute("BEGIN IMMEDIATE")  # else a file that another process is about to name would go
        named = db.execute("SELECT e.leaf FROM bodies b JOIN entries e ON e.idx = b.idx WHERE b.body IS NULL")
        needed = {object_path(self._folder, leaf) for (leaf,) in named}
        _remove([path for path in folder.iterdir() if path not in needed])
        db.execute("COMMIT")

    def forget(self) -> None:
        """Empties the write-ahead log, which may still hold erased bodies.

        A reader of an older state delays it for as long as it reads, at most until the next opening.
        """
        with self._writing, sqlite_faults(self._folder):
            self._writer().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes both connections; the last one of all processes moves the write-ahead log into the file."""
        self._db.close()
        if self._write is not None:
            self._write.close()


def _refuse_changed(db: sqlite3.Connection) -> None:
    if odd := schema_oddities(db):
        raise AncileError(
            "the ledger was changed by another program",
            value=odd[0],
            remedy="run `ancile ledger verify`; nothing is appended to a changed ledger",
        )


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths if path.parent.exists()}:
        sync_folder(folder)


def open_sqlite(folder: Path, *, create: bool = False) -> Store:
    """The store in ``folder``, migrated when it is older than this program.

    create  make it where there is none: folder 0700, file 0600
    AncileError: absent, damaged, no ledger, newer than this program, read-only, locked, disk full.
    """
    path = folder / DATABASE
    if create:
        make_private_folder(folder)
    if not folder.is_dir() or not (create or path.exists()):
        raise AncileError(
            "there is no ledger here", value=percent_encoded(folder), remedy="run `ancile init`"
        )
    with sqlite_faults(folder), folder_lock(folder):
        if not path.exists():
            create_database(path)
        migrate(path)
        return SqliteStore(folder)
