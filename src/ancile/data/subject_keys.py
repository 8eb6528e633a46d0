"""Keys of subjects, one each, in a folder of their own: who deletes a key deletes what it sealed, everywhere.

They must not lie where the data is backed up: a copy of the key would bring the rows back. AES-SIV (RFC 5297)
seals; it draws nothing, so that a row of a subject is sealed to the same bytes in every version, which then
share chunks. Which subject a key is of stands there only as an HMAC under a key of this folder.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.private_file import locked, make_private_folder
from ancile.work.database import open_database

DATABASE = "keys.db"
SCHEMA = """
CREATE TABLE naming (key BLOB NOT NULL) STRICT;
CREATE TABLE keys (token BLOB PRIMARY KEY, key BLOB NOT NULL) STRICT;
CREATE TABLE erased (token BLOB PRIMARY KEY, entry INTEGER) STRICT;
CREATE TABLE plains (sealed TEXT PRIMARY KEY, plain TEXT NOT NULL) STRICT;
"""
TOKEN_BYTES = 16
KEY_BYTES = 64  # AES-256-SIV has two keys
WAIT_SECONDS = 30.0


class SubjectKeys:
    """The keys of a home; ``opened_keys`` gives them."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        found = self._one("SELECT key FROM naming")
        if found is None:
            found = os.urandom(KEY_BYTES)
            self._db.execute("INSERT INTO naming VALUES (?)", (found,))
        self._naming = found
        self._known: dict[bytes, AESSIV | None] = {}

    def token(self, subject: str) -> bytes:
        """What stands for a subject: nobody without this folder can tell whom."""
        return hmac.new(self._naming, subject.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()[
            :TOKEN_BYTES
        ]

    def cipher(self, token: bytes) -> AESSIV | None:
        """What opens a subject's rows; None where its key was erased, or was never here."""
        if token not in self._known:
            key = self._one("SELECT key FROM keys WHERE token = ?", token)
            self._known[token] = AESSIV(key) if key is not None else None
        return self._known[token]

    def made(self, token: bytes) -> AESSIV:
        """The same, with a new key where there is none; AncileError where the subject was erased."""
        known = self.cipher(token)
        if known is not None:
            return known
        if self.is_erased(token):
            raise AncileError(
                "rows of a subject that was erased are in this data",
                value=f"subject {token.hex()}",
                remedy="take them out; where the subject agreed anew, give them another identifier",
            )
        key = os.urandom(KEY_BYTES)
        self._db.execute("INSERT INTO keys VALUES (?, ?)", (token, key))
        self._known[token] = made = AESSIV(key)
        return made

    def foreign(self, token: bytes) -> AESSIV:
        """What seals rows of whom no key is here, to compare alone: its bytes are in no version."""
        return AESSIV(hmac.new(self._naming, b"foreign" + token, hashlib.sha512).digest())

    def is_erased(self, token: bytes) -> bool:
        """Whether the subject's key was erased."""
        return self._db.execute("SELECT 1 FROM erased WHERE token = ?", (token,)).fetchone() is not None

    def erase(self, token: bytes) -> None:
        """The key is gone from the file, and from what the file had before, when this returns."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM keys WHERE token = ?", (token,))
            self._db.execute("INSERT OR IGNORE INTO erased VALUES (?, NULL)", (token,))
            self._db.execute("COMMIT")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._known.pop(token, None)

    def entered(self, token: bytes, entry: int) -> None:
        """Note where in the ledger the erasure stands."""
        self._db.execute("UPDATE erased SET entry = ? WHERE token = ?", (entry, token))

    def entry(self, token: bytes) -> int | None:
        """Where in the ledger the erasure stands."""
        found = self._db.execute("SELECT entry FROM erased WHERE token = ?", (token,)).fetchone()
        return None if found is None or found[0] is None else int(found[0])

    def sealed_as(self, sealed: str, plain_digest: str) -> None:
        """Note the digest of a file beside that of the sealed table that it became."""
        self._db.execute("INSERT OR REPLACE INTO plains VALUES (?, ?)", (sealed, plain_digest))

    def plain_of(self, sealed: str) -> str | None:
        """The digest of the file that became a sealed table."""
        found = self._db.execute("SELECT plain FROM plains WHERE sealed = ?", (sealed,)).fetchone()
        return None if found is None else str(found[0])

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All new keys of a ``with`` are kept at its end, or none."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            self._known.clear()
            raise

    def _one(self, sql: str, *values: object) -> bytes | None:
        row = self._db.execute(sql, values).fetchone()
        return bytes(row[0]) if row is not None else None


@contextmanager
def opened_keys(folder: Path) -> Iterator[SubjectKeys]:
    """The keys in a folder, made where there are none; AncileError where they cannot be read or written."""
    try:
        make_private_folder(folder)
        with locked(folder):
            db = open_database(
                folder / DATABASE,
                holds="keys of subjects",
                steps=[SCHEMA],
                pragmas={"synchronous": "FULL", "secure_delete": "ON"},
                wait_seconds=WAIT_SECONDS,
            )
            with closing(db):
                yield SubjectKeys(db)
    except sqlite3.Error as reason:
        raise AncileError(
            "the keys of subjects cannot be read or written",
            value=plain(f"{folder / DATABASE}: {reason}"),
            remedy="free the file or the disk",
        ) from reason
