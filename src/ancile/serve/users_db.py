"""The file of who may come in: one SQLite database, and the pepper that its hashes are keyed with.

An older version is brought to this one in a single transaction; a newer one is refused.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.shared.replica import Table, Values, noting
from ancile.trust.private_file import locked, make_private_folder, read_private, write_private
from ancile.work.database import open_database

DATABASE, PEPPER = "users.db", "pepper"
PEPPER_BYTES = 32
LEAST_DISTINCT = 12  # byte values of a pepper; of 32 random ones fewer come once in 10^16
WAIT_SECONDS = 10.0  # for another process that writes
HEARD = "users.heard"  # touched whenever the database between hosts has told what is new
HEARD_SECONDS = 30.0  # after which what it might have told counts as unknown
FIRST = """
CREATE TABLE users (name TEXT PRIMARY KEY, role TEXT NOT NULL, made TEXT NOT NULL) STRICT;
CREATE TABLE keys (hash BLOB PRIMARY KEY, name TEXT NOT NULL REFERENCES users, made TEXT NOT NULL,
                   revoked TEXT) STRICT;
"""
SECOND = """
ALTER TABLE keys ADD COLUMN until TEXT;
CREATE TABLE blocked (name TEXT PRIMARY KEY, made TEXT NOT NULL) STRICT;
CREATE TABLE events (id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE people (name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL, totp BLOB NOT NULL,
                     step INTEGER NOT NULL, failures INTEGER NOT NULL, locked REAL NOT NULL,
                     made TEXT NOT NULL) STRICT;
CREATE TABLE credentials (id BLOB PRIMARY KEY, name TEXT NOT NULL REFERENCES people ON DELETE CASCADE,
                          public BLOB NOT NULL, count INTEGER NOT NULL, made TEXT NOT NULL) STRICT;
CREATE TABLE sessions (hash BLOB PRIMARY KEY, name TEXT NOT NULL REFERENCES people ON DELETE CASCADE,
                       csrf TEXT NOT NULL, made REAL NOT NULL, seen REAL NOT NULL) STRICT;
"""


def _keys_merged(theirs: Values, ours: Values) -> Values:
    """Of a key that two hosts changed: it is revoked where one says so, and ends when the first says so."""
    pairs = zip(theirs[3:], ours[3:], strict=True)
    return (*theirs[:3], *(min((str(one) for one in pair if one), default=None) for pair in pairs))


SHARED = (  # by hosts with a database between them; sessions are those of a host
    Table("users", ("name", "role", "made")),
    Table("keys", ("hash", "name", "made", "revoked", "until"), _keys_merged),
    Table("blocked", ("name", "made")),
    Table(
        "people",
        ("name", "role", "password", "totp", "step", "failures", "locked", "made"),
        anew="password",
    ),
    Table("credentials", ("id", "name", "public", "count", "made")),
)
STEPS = (FIRST, SECOND, noting(SHARED))  # from each version to the next


def open_users(folder: Path) -> tuple[sqlite3.Connection, bytes]:
    """The database and the pepper of a private folder; both are made where neither is there."""
    make_private_folder(folder)
    path = folder / DATABASE
    with locked(folder):
        if not (folder / PEPPER).exists():
            _refuse_to_lose(path)
            write_private(folder / PEPPER, secrets.token_bytes(PEPPER_BYTES), replace=False)
        pepper = read_private(folder / PEPPER, limit=PEPPER_BYTES)
        if len(pepper) != PEPPER_BYTES:
            raise AncileError(
                "the pepper is damaged", value=str(folder / PEPPER), remedy="restore it from a backup"
            )
        if len(set(pepper)) < LEAST_DISTINCT:
            raise AncileError(
                "the pepper is weak: it was not drawn at random",
                value=str(folder / PEPPER),
                remedy=f"move it and {DATABASE} away and make new keys",
            )
        with faults(path):
            db = open_database(
                path,
                holds="users",
                steps=STEPS,
                pragmas={"synchronous": "FULL", "foreign_keys": "ON"},
                wait_seconds=WAIT_SECONDS,
            )
    return db, pepper


def _refuse_to_lose(path: Path) -> None:
    if path.exists() and path.stat().st_size:
        raise AncileError(
            "the pepper is missing, without which no key can be recognised",
            value=str(path.with_name(PEPPER)),
            remedy=f"restore it from a backup, or move {DATABASE} away and make new keys",
        )


class Unheard(AncileError):  # noqa: N818 - a state that passes
    """What other hosts changed is not known; who may come in cannot be told now, and can be later."""


def require_heard(folder: Path) -> None:
    """Unheard where the database between hosts has told nothing for a while."""
    try:
        heard = (folder / HEARD).stat().st_mtime
    except FileNotFoundError:
        heard = 0.0
    if time.time() - heard > HEARD_SECONDS:
        raise Unheard(
            "what other hosts changed of the users is not known",
            value=str(folder / DATABASE),
            remedy="see that the state database runs",
        )


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """What SQLite says, as an error with a remedy."""
    try:
        yield
    except sqlite3.Error as reason:
        raise AncileError(
            "the users cannot be read or written",
            value=plain(f"{path}: {reason}"),
            remedy="free the file or the disk; where it is damaged, restore it from a backup",
        ) from reason
