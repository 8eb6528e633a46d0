"""Where versions lie: packs of chunks, and a SQLite file that says which chunk is where.

A pack is written once, synced, and named in the same transaction as the version that needs it: a crash leaves
the old versions and at most a pack that nobody names, which the next writer removes. One writes at a time;
readers wait for nobody.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.data.cutting import MOST_MEAN, sizes_of
from ancile.data.forgetting import DROPS, Drop, copy_rest, pieces_of, touched
from ancile.data.reading import Chunk
from ancile.data.version import Piece, Spelled, Version
from ancile.trust.private_file import locked, make_private_folder, sync_folder
from ancile.work.database import open_database

DATABASE, PACKS = "data.db", "packs"
WAIT_SECONDS = 30.0  # for another process that writes
SCHEMA = """
CREATE TABLE packs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE chunks (
    digest BLOB PRIMARY KEY, pack INTEGER NOT NULL REFERENCES packs,
    place INTEGER NOT NULL, size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE versions (
    name TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL, body BLOB NOT NULL, entry INTEGER,
    PRIMARY KEY (name, number)
) STRICT, WITHOUT ROWID;
"""
LONGEST = sizes_of(MOST_MEAN).most  # bytes of a chunk, whatever a database that was changed says
OWN = re.compile("[0-9a-f]{32}")  # a file that this program made; any other is somebody's
PACK_NAMES = "SELECT name FROM packs"
ROWS = "rows"  # the folder of lists of rows
ROW_TREES = """
CREATE TABLE row_trees (
    name TEXT NOT NULL, number INTEGER NOT NULL, file TEXT NOT NULL UNIQUE, root BLOB NOT NULL,
    leaves INTEGER NOT NULL, total INTEGER NOT NULL, entry INTEGER NOT NULL,
    PRIMARY KEY (name, number), FOREIGN KEY (name, number) REFERENCES versions
) STRICT, WITHOUT ROWID;
"""
SYNC_BYTES = 64 << 20  # handed to the disk at once, so that the last sync has little left to do


class Kept(NamedTuple):
    """A version with its entry in the ledger; None where whoever added it was stopped before."""

    version: Version
    entry: int | None


class KeptTree(NamedTuple):
    """The list of a version's rows: its file, its root, different rows, rows in all, entry in the ledger."""

    path: Path
    root: bytes
    leaves: int
    rows: int
    entry: int


class _Place(NamedTuple):
    """Where a chunk lies."""

    pack: Path
    at: int


class Pack:
    """A file of chunks that is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[bytes, tuple[int, int]] = {}
        self._at = self._handed = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._at

    def add(self, chunk: Chunk) -> None:
        """Write a chunk."""
        self.places[chunk.digest] = (self._at, len(chunk.data))
        rest = chunk.data
        with _keeping(self.path):
            while rest:
                rest = rest[os.write(self._file, rest) :]
        self._at += len(chunk.data)
        if self._at - self._handed >= SYNC_BYTES and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, self._handed, self._at - self._handed, os.POSIX_FADV_DONTNEED)
            self._handed = self._at

    def sync(self) -> None:
        """What was written is on the disk when this returns."""
        with _keeping(self.path):
            os.fsync(self._file)

    def close(self) -> None:
        """No more is written."""
        os.close(self._file)


class DataStore:
    """The versions of a home; use it in a ``with``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_private_folder(folder)
        make_private_folder(folder / PACKS)
        for one in (folder / PACKS, folder / ROWS):
            if one.is_symlink():  # files that no version needs are removed in there
                raise AncileError(
                    "a folder of the store is a link",
                    value=plain(str(one)),
                    remedy="put the folder itself there; the whole home may lie behind a link",
                )
        with locked(folder), _reading(folder / DATABASE):
            self._db = open_database(
                folder / DATABASE,
                holds="versions of data",
                steps=[SCHEMA, ROW_TREES, DROPS],
                pragmas={"synchronous": "FULL", "foreign_keys": "ON"},
                wait_seconds=WAIT_SECONDS,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def _rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        with _reading(self.folder / DATABASE), closing(self._db.execute(sql, values)) as cursor:
            return cursor.fetchall()

    def names(self) -> list[str]:
        """Data sets that have a version."""
        return [str(name) for (name,) in self._rows("SELECT DISTINCT name FROM versions ORDER BY name")]

    def versions(self, name: str) -> list[Kept]:
        """All versions of a set, the oldest first."""
        rows = self._rows("SELECT body, entry FROM versions WHERE name = ? ORDER BY number", name)
        return [_kept(row) for row in rows]

    def find(self, wanted: Spelled) -> Kept:
        """The version that is named; AncileError where there is none."""
        known = self.versions(wanted.name)
        for kept in reversed(known):
            if wanted.number in (None, kept.version.number):
                return kept
        raise AncileError(
            "no such version",
            value=plain(wanted.name if wanted.number is None else f"{wanted.name}@{wanted.number}", 80),
            remedy=f"it has versions 1 to {len(known)}"
            if known
            else "see `ancile data log`, or add it first",
        )

    def latest(self, name: str) -> Kept | None:
        """The latest version of a set, if it has any."""
        return next(reversed(self.versions(name)), None)

    def entered(self, version: Version, entry: int) -> None:
        """Note where in the ledger a version stands."""
        sql = "UPDATE versions SET entry = ? WHERE name = ? AND number = ?"
        self._rows(sql, entry, version.name, version.number)

    # Lists of rows.

    def row_tree(self, version: Version) -> KeptTree | None:
        """The list of a version's rows, if it was made and is there."""
        sql = "SELECT file, root, leaves, total, entry FROM row_trees WHERE name = ? AND number = ?"
        for file, *rest in self._rows(sql, version.name, version.number):
            path = self.folder / ROWS / str(file)
            return KeptTree(path, *rest) if path.exists() else None  # type: ignore[arg-type]  # STRICT columns
        return None

    @contextmanager
    def listing(self) -> Iterator[Path]:
        """A new file for a list of rows; it goes unless ``keep_rows`` names it. Waits as ``writing`` does."""
        folder = self.folder / ROWS
        make_private_folder(folder)
        with locked(self.folder), _keeping(folder):
            try:
                yield folder / secrets.token_hex(16)
            finally:
                self._remove_unnamed(folder, "SELECT file FROM row_trees")

    def keep_rows(self, version: Version, tree: KeptTree) -> None:
        """The list is found when this returns; one that was there before gives way."""
        row = version.name, version.number, tree.path.name, tree.root, tree.leaves, tree.rows, tree.entry
        self._rows("INSERT OR REPLACE INTO row_trees VALUES (?, ?, ?, ?, ?, ?, ?)", *row)

    # Writing.

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """To add a version; waits for another process that does. Nothing is kept unless it is committed."""
        with locked(self.folder):
            self._remove_unnamed(self.folder / PACKS, PACK_NAMES)
            made = Pack(self.folder / PACKS / secrets.token_hex(16))
            try:
                yield Writing(self._db, made)
            finally:
                made.close()
                self._remove_unnamed(self.folder / PACKS, PACK_NAMES)

    def _remove_unnamed(self, folder: Path, names: str) -> None:
        named = {str(name) for (name,) in self._rows(names)}
        for path in folder.iterdir():
            if path.name not in named and OWN.fullmatch(path.name):
                path.unlink()

    # Forgetting.

    def dropped(self, version: Version) -> Drop | None:
        """Whether the content of a version is gone on purpose."""
        sql = "SELECT entry FROM drops WHERE name = ? AND number = ?"
        for (entry,) in self._rows(sql, version.name, version.number):
            return Drop(None if entry is None else int(str(entry)))
        return None

    def drop(self, versions: Sequence[Version]) -> int:
        """Bytes that are gone: chunks of these versions that no other has; nothing is where it fails."""
        with locked(self.folder), _keeping(self.folder):
            going = {one.spelled for one in versions}
            known = [kept.version for name in self.names() for kept in self.versions(name)]
            needed = pieces_of(one for one in known if one.spelled not in going and not self.dropped(one))
            there = {digest: one for digest, one in pieces_of(versions).items() if self._place(one)}
            gone = {digest: one for digest, one in there.items() if digest not in needed}
            rest = touched(self._db, gone)
            made = Pack(self.folder / PACKS / secrets.token_hex(16))
            try:
                copy_rest(rest.values(), self.read, made.add)
                made.sync()
                sync_folder(made.path.parent)
                self._drop(versions, gone, list(rest), made)
            finally:
                made.close()
                self._remove_unnamed(self.folder / PACKS, PACK_NAMES)
                if (self.folder / ROWS).exists():
                    self._remove_unnamed(self.folder / ROWS, "SELECT file FROM row_trees")
        return sum(one.size for one in gone.values())

    def _drop(
        self, versions: Sequence[Version], gone: Mapping[bytes, Piece], packs: Sequence[int], made: Pack
    ) -> None:
        with _committing(self._db):
            if made.places:
                new = self._db.execute("INSERT INTO packs (name) VALUES (?)", (made.path.name,)).lastrowid
                moved = [(new, at, digest) for digest, (at, _) in made.places.items()]
                self._db.executemany("UPDATE chunks SET pack = ?, place = ? WHERE digest = ?", moved)
            self._db.executemany("DELETE FROM chunks WHERE digest = ?", [(one,) for one in gone])
            self._db.executemany("DELETE FROM packs WHERE id = ?", [(one,) for one in packs])
            named = [(one.name, one.number) for one in versions]
            self._db.executemany("DELETE FROM row_trees WHERE name = ? AND number = ?", named)
            self._db.executemany("INSERT OR IGNORE INTO drops VALUES (?, ?, NULL)", named)

    def drop_entered(self, version: Version, entry: int) -> None:
        """Note where in the ledger it stands that a version's content is gone."""
        self._rows(
            "UPDATE drops SET entry = ? WHERE name = ? AND number = ?", entry, version.name, version.number
        )

    # Reading back.

    def read(self, piece: Piece) -> bytes:
        """The bytes of a chunk; AncileError where they are not what they were."""
        return self.reader([piece])(piece)

    def reader(self, pieces: Iterable[Piece]) -> Callable[[Piece], bytes]:
        """What gives each of these chunks as ``read`` does, in any thread."""
        places = {one.digest: self._place(one) for one in pieces}
        return lambda piece: self._checked(piece, places[piece.digest])

    def _place(self, piece: Piece) -> _Place | None:
        sql = "SELECT packs.name, place FROM chunks JOIN packs ON packs.id = pack WHERE digest = ?"
        for name, at in self._rows(sql, piece.digest):
            return _Place(self.folder / PACKS / str(name), int(str(at)))
        return None

    def _checked(self, piece: Piece, place: _Place | None) -> bytes:
        data = b""
        if place is not None:
            with suppress(OSError), place.pack.open("rb") as file:
                data = os.pread(file.fileno(), min(piece.size, LONGEST), place.at)
        if hashlib.sha256(data).digest() != piece.digest:
            raise AncileError(
                "a chunk of the store is damaged or gone",
                value=f"sha256:{piece.digest.hex()}",
                remedy=f"restore {self.folder} from a copy, or add the data again under another name",
            )
        return data


class Writing:
    """A version that is being written."""

    def __init__(self, db: sqlite3.Connection, pack: Pack) -> None:
        self._db, self.pack = db, pack

    def take(self, chunk: Chunk) -> None:
        """Keep a chunk, unless it is there already."""
        if chunk.digest not in self.pack.places and not self._is_there(chunk.digest):
            self.pack.add(chunk)

    def _is_there(self, digest: bytes) -> bool:
        with closing(self._db.execute("SELECT 1 FROM chunks WHERE digest = ?", (digest,))) as cursor:
            return cursor.fetchone() is not None

    def commit(self, version: Version) -> None:
        """The version and its chunks are kept when this returns, or nothing of it is."""
        self.pack.sync()
        sync_folder(self.pack.path.parent)
        with _keeping(self.pack.path.parent):
            self._commit(version, msgspec.msgpack.encode(version))

    def _commit(self, version: Version, body: bytes) -> None:
        row = version.name, version.number, version.subject().digest, body
        with _committing(self._db):
            if self.pack.places:
                made = self._db.execute(
                    "INSERT INTO packs (name) VALUES (?)", (self.pack.path.name,)
                ).lastrowid
                places = ((digest, made, at, size) for digest, (at, size) in self.pack.places.items())
                self._db.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?)", places)
            self._db.execute("INSERT INTO versions (name, number, digest, body) VALUES (?, ?, ?, ?)", row)


@contextmanager
def _committing(db: sqlite3.Connection) -> Iterator[None]:
    """All of a ``with``, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk ends it by itself
            db.execute("ROLLBACK")
        raise


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What SQLite says of a file that is damaged, locked or not its own, as a user's error."""
    try:
        yield
    except sqlite3.Error as reason:
        raise AncileError(
            "the versions of the data cannot be read",
            value=f"{plain(str(path))}: {reason}",
            remedy=f"restore {DATABASE} from a copy, or wait until whoever holds it is done",
        ) from reason


@contextmanager
def _keeping(path: Path) -> Iterator[None]:
    """What keeps a version from being kept, as a user's error: a full disk most of all."""
    try:
        yield
    except (OSError, sqlite3.Error) as reason:
        raise AncileError(
            "the version could not be kept, and nothing of it was",
            value=f"{plain(str(path))}: {getattr(reason, 'strerror', None) or reason}",
            remedy="make room on the disk, or mend the folder; then add it again",
        ) from reason


def _kept(row: tuple[object, ...]) -> Kept:
    body, entry = row
    if not isinstance(body, bytes) or not isinstance(entry, int | None):
        raise TypeError("a row of versions")
    try:
        return Kept(msgspec.msgpack.decode(body, type=Version), entry)
    except (msgspec.MsgspecError, ValueError) as reason:
        raise AncileError(
            "the versions of the data are damaged",
            value=plain(str(reason), 80),
            remedy=f"restore {DATABASE} from a copy",
        ) from reason
