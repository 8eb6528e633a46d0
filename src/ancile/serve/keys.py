"""Who may ask: API keys of 256 random bits, kept as keyed hashes in one SQLite file.

A key reads ``ancile_`` + 43 characters + 6 of a checksum, all of base 62, so that one that leaked can be
found by its form and told from a typing error without asking anybody (as GitHub's tokens since 2021). What is
stored is BLAKE2b of the key under a pepper that lies in a file of its own: the database alone lets nobody in,
nor does it let anyone try keys.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.private_file import locked, make_private_folder, read_private, write_private

PREFIX = "ancile_"
SECRET_BYTES = 32
SECRET_CHARS, SUM_CHARS = 43, 6  # base 62: 256 bits take 43 characters, 32 take 6
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
DATABASE, PEPPER = "users.db", "pepper"
VERSION = 1
SCHEMA = """
CREATE TABLE users (name TEXT PRIMARY KEY, role TEXT NOT NULL, made TEXT NOT NULL) STRICT;
CREATE TABLE keys (hash BLOB PRIMARY KEY, name TEXT NOT NULL REFERENCES users, made TEXT NOT NULL,
                   revoked TEXT) STRICT;
"""
WAIT_SECONDS = 10.0  # for another process that writes


class Identity(NamedTuple):
    """Whoever a key stands for."""

    name: str
    role: str


class User(NamedTuple):
    """A line of the list: keys that let in, and those that do no more."""

    name: str
    role: str
    made: str
    keys: int
    revoked: int


def new_key() -> str:
    """A key that nobody has."""
    secret = _base62(int.from_bytes(secrets.token_bytes(SECRET_BYTES), "big"), SECRET_CHARS)
    return f"{PREFIX}{secret}{_sum(secret)}"


def _sum(secret: str) -> str:
    return _base62(zlib.crc32(secret.encode("ascii")), SUM_CHARS)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(DIGITS))
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))


class Users:
    """The users of a home; open for as long as they are asked for. One thread at a time.

    folder  private, made where it is absent
    """

    def __init__(self, folder: Path) -> None:
        make_private_folder(folder)
        path = folder / DATABASE
        with locked(folder):
            if not (folder / PEPPER).exists():
                _refuse_to_lose(path)
                write_private(folder / PEPPER, secrets.token_bytes(SECRET_BYTES), replace=False)
            self._pepper = read_private(folder / PEPPER, limit=SECRET_BYTES)
            if len(self._pepper) != SECRET_BYTES:
                raise AncileError(
                    "the pepper is damaged", value=str(folder / PEPPER), remedy="restore it from a backup"
                )
            if not path.exists():
                path.touch(mode=0o600)
            with _faults(path):
                self._db = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
                try:
                    _prepare(self._db, path)
                except BaseException:
                    self._db.close()
                    raise
        self._path = path

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, name: str, *, role: str, now: datetime) -> str:
        """A new key for a new user, or one more for a user of that role; it is not kept and told once."""
        if not NAME.fullmatch(name):
            raise AncileError(
                "not a name for a user",
                value=plain(name),
                remedy="letters, digits and . _ @ -, at most 64, the first a letter or digit",
            )
        key, made = new_key(), now.astimezone(UTC).isoformat(timespec="seconds")
        with _faults(self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute("SELECT role FROM users WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] != role:
                raise AncileError(
                    "the user has another role",
                    value=f"{name} is {plain(row[0])}",
                    remedy="one user, one role: choose another name",
                )
            if row is None:
                self._db.execute("INSERT INTO users VALUES (?, ?, ?)", (name, role, made))
            self._db.execute("INSERT INTO keys VALUES (?, ?, ?, NULL)", (self.hash(key.encode()), name, made))
        return key

    def revoke(self, name: str, *, now: datetime) -> int:
        """How many keys of the user let in no more; the user stays in the list."""
        with _faults(self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if self._db.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchone() is None:
                raise AncileError("no such user", value=plain(name), remedy="see `ancile user list`")
            when = now.astimezone(UTC).isoformat(timespec="seconds")
            done = self._db.execute(
                "UPDATE keys SET revoked = ? WHERE name = ? AND revoked IS NULL", (when, name)
            )
            return done.rowcount

    def list(self) -> list[User]:
        """All users, by name."""
        with _faults(self._path):
            rows = self._db.execute(
                "SELECT u.name, u.role, u.made, count(k.hash) - count(k.revoked), count(k.revoked) "
                "FROM users u LEFT JOIN keys k ON k.name = u.name GROUP BY u.name ORDER BY u.name"
            )
            return [User(*row) for row in rows]

    def identities(self) -> dict[bytes, Identity]:
        """Hash of every key that lets in, and whom."""
        with _faults(self._path):
            rows = self._db.execute(
                "SELECT k.hash, u.name, u.role FROM keys k JOIN users u ON u.name = k.name "
                "WHERE k.revoked IS NULL"
            )
            return {bytes(hash_): Identity(name, role) for hash_, name, role in rows}

    def version(self) -> int:
        """A number that changes when another connection has changed something."""
        with _faults(self._path):
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def hash(self, key: bytes) -> bytes:
        """What is kept of a key."""
        return hashlib.blake2b(key, key=self._pepper, digest_size=32).digest()


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA trusted_schema = OFF")
    with closing(db.execute("PRAGMA user_version")) as cursor:
        version = int(cursor.fetchone()[0])
    if version > VERSION:
        raise AncileError(
            "the users were written by a newer ancile",
            value=f"{path}: version {version}, this program reads {VERSION}",
            remedy="update ancile: pip install --upgrade ancile",
        )
    if version == 0:
        db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def _refuse_to_lose(path: Path) -> None:
    if path.exists() and path.stat().st_size:
        raise AncileError(
            "the pepper is missing, without which no key can be recognised",
            value=str(path.with_name(PEPPER)),
            remedy=f"restore it from a backup, or move {DATABASE} away and make new keys",
        )


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as reason:
        raise AncileError(
            "the users cannot be read or written",
            value=plain(f"{path}: {reason}"),
            remedy="free the file or the disk; where it is damaged, restore it from a backup",
        ) from reason
