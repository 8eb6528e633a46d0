"""Inputs, kept so that only whoever has a key that is not here can read them.

Each identity has a random key a day (AES-256-GCM), which is sealed to the recipient's public key by HPKE (RFC
9180: X25519, HKDF-SHA256, AES-256-GCM) and kept beside what it seals; the open one is in the worker's memory
alone, for that day. Deleting the sealed key deletes the inputs of that identity and day, wherever copies of
them lie; the ledger holds keyed digests and is not touched. Inputs are written once a second: a kill takes
those of the last, whose digests are recorded all the same.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.call import Call
from ancile.serve.review.holding import body_of
from ancile.trust.private_file import locked, make_private_folder
from ancile.work.database import open_database

DATABASE = "inputs.db"
SCHEMA = """
CREATE TABLE keys (id BLOB PRIMARY KEY, who TEXT NOT NULL, day INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE inputs (digest TEXT NOT NULL, key BLOB NOT NULL REFERENCES keys ON DELETE CASCADE,
                     at REAL NOT NULL, model TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE INDEX by_digest ON inputs (digest);
CREATE INDEX by_key ON inputs (key);
CREATE INDEX by_day ON keys (day);
"""
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
PURPOSE = b"ancile/input-key/v1"
KEY_BYTES, ID_BYTES, NONCE_BYTES = 32, 16, 12
DAY_SECONDS = 86_400
WAIT_SECONDS = 0.5  # for another worker that writes
MOST_KEYS = 10_000  # of identities, that a worker has open
SHARE = 16  # of the room is one identity's for a day
AT_ONCE_BYTES = 4 << 20  # that wait for the next second; beyond them they are written at once
PURGE_WRITES = 30
GONE_AT_ONCE = 100  # keys, the oldest, where there is no more room


class Kept(NamedTuple):
    """An input, as somebody with the key may read it: a request of the Open Inference Protocol."""

    who: str
    model: str
    at: float
    body: bytes


class _Key:
    """One identity's of a day.

    spent    bytes that it sealed
    written  whether the file has it, or has had it
    """

    __slots__ = ("cipher", "day", "id", "sealed", "spent", "who", "written")

    def __init__(self, who: str, day: int, public: X25519PublicKey) -> None:
        secret = AESGCM.generate_key(8 * KEY_BYTES)
        self.who, self.day, self.id = who, day, os.urandom(ID_BYTES)
        self.cipher, self.sealed = (
            AESGCM(secret),
            SUITE.encrypt(secret, public, info=_info(self.id, who, day)),
        )
        self.spent, self.written = 0, False


class _Waiting(NamedTuple):
    digest: str
    key: _Key
    at: float
    model: str
    sealed: bytes


class KeptInputs:
    """A worker's side: it can seal, and read nothing back; one thread at a time, any number of processes.

    public  PEM of the recipient's X25519 key
    room    bytes of all inputs: the oldest days go first
    days    after which they go in any case
    wall    seconds of Unix time
    """

    def __init__(
        self, folder: Path, public: str, *, room: int, days: float, wall: Callable[[], float] = time.time
    ) -> None:
        self._public, self._room, self._days, self._wall = recipient(public), room, days, wall
        self._keys: OrderedDict[str, _Key] = OrderedDict()
        self._waiting: list[_Waiting] = []
        self._bytes = self._writes = 0
        self._db = _opened(folder)

    def keep(self, call: Call) -> None:
        """Seal the input of a call that came so far as to have a digest; one that is repeated is there."""
        if call.infer is None or not call.digest or call.repeat:
            return
        now, body = self._wall(), body_of(call.infer)
        key = self._key(call.caller.identity.name, int(now // DAY_SECONDS))
        if body is None or key.spent + len(body) > self._room // SHARE:
            return
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + key.cipher.encrypt(nonce, body, _bound(call.digest, call.route.model))
        key.spent += len(sealed)
        self._waiting.append(_Waiting(call.digest, key, now, call.route.model, sealed))
        self._bytes += len(sealed)
        if self._bytes > AT_ONCE_BYTES:
            self.tick()

    def _key(self, who: str, day: int) -> _Key:
        key = self._keys.get(who)
        if key is None or key.day != day:
            key = self._keys[who] = _Key(who, day, self._public)
            if len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        self._keys.move_to_end(who)
        return key

    def tick(self) -> None:
        """Once a second: write what waits; what the file does not take is lost, as room for it is bounded."""
        if not self._waiting:
            return
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        with suppress(sqlite3.Error):
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for one in waiting:
                    self._write(one)
                if self._writes % PURGE_WRITES == 0:
                    self._purge()
            self._writes += 1
            for one in waiting:
                one.key.written = True

    def _write(self, one: _Waiting) -> None:
        key = one.key
        if self._db.execute("SELECT 1 FROM keys WHERE id = ?", (key.id,)).fetchone() is None:
            if key.written:  # and erased since: what it seals is nobody's to read
                if self._keys.get(key.who) is key:
                    del self._keys[key.who]
                return
            self._db.execute("INSERT INTO keys VALUES (?, ?, ?, ?)", (key.id, key.who, key.day, key.sealed))
        values = (one.digest, key.id, one.at, one.model, one.sealed)
        self._db.execute("INSERT INTO inputs VALUES (?, ?, ?, ?, ?)", values)

    def _purge(self) -> None:
        oldest = int((self._wall() - self._days * DAY_SECONDS) // DAY_SECONDS)
        self._db.execute("DELETE FROM keys WHERE day < ?", (oldest,))
        while self._used() > self._room:
            gone = self._db.execute(
                "DELETE FROM keys WHERE id IN (SELECT id FROM keys ORDER BY day, rowid LIMIT ?)",
                (GONE_AT_ONCE,),
            )
            if not gone.rowcount:
                return

    def _used(self) -> int:
        pages = [
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")
        ]
        return (int(pages[0]) - int(pages[1])) * int(self._db.execute("PRAGMA page_size").fetchone()[0])

    def close(self) -> None:
        """Write what waits, and close the file."""
        self.tick()
        self._db.close()


# Who has the key, and who erases.


def recipient(pem: str) -> X25519PublicKey:
    """The public key of a PEM text; AncileError where it is none of X25519."""
    try:
        found = load_pem_public_key(pem.encode("utf-8"))
    except ValueError as reason:
        raise _no_key(str(reason)) from reason
    if not isinstance(found, X25519PublicKey):
        raise _no_key(type(found).__name__)
    return found


def _no_key(why: str) -> AncileError:
    return AncileError(
        "inputs cannot be sealed to this key",
        value=plain(why),
        remedy="set [serve] inputs_key to the PEM file of an X25519 public key: openssl pkey -pubout",
    )


def private_key(pem: bytes, passphrase: Callable[[], bytes]) -> X25519PrivateKey:
    """The private half; ``passphrase`` is asked where it is encrypted."""
    try:
        try:
            found = load_pem_private_key(pem, None)
        except TypeError:  # it is encrypted
            found = load_pem_private_key(pem, passphrase())
    except ValueError as reason:
        raise AncileError(
            "the key cannot be read",
            value=plain(str(reason)),
            remedy="name the PEM file of the private half, and its passphrase",
        ) from reason
    if not isinstance(found, X25519PrivateKey):
        raise AncileError("not an X25519 key", value=type(found).__name__, remedy="name another file")
    return found


def read_kept(folder: Path, digest: str, key: X25519PrivateKey) -> list[Kept]:
    """The inputs of that digest that were kept, the oldest first; AncileError where the key opens none."""
    query = (
        "SELECT k.id, k.who, k.day, k.sealed, i.model, i.at, i.sealed "
        "FROM inputs i JOIN keys k ON k.id = i.key WHERE i.digest = ? ORDER BY i.at"
    )
    with _reading(folder) as db:
        rows = db.execute(query, (digest,)).fetchall()
    try:
        return [_read(row, digest, key) for row in rows]
    except InvalidTag as reason:
        raise AncileError(
            "the input is not opened by this key, or was changed",
            value=plain(digest),
            remedy="name the private half of what [serve] inputs_key was when it came",
        ) from reason


def _read(row: tuple[bytes, str, int, bytes, str, float, bytes], digest: str, key: X25519PrivateKey) -> Kept:
    id_, who, day, wrapped, model, at, sealed = row
    cipher = AESGCM(SUITE.decrypt(wrapped, key, info=_info(id_, who, day)))
    body = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(digest, model))
    return Kept(who, model, at, body)


def erase_kept(folder: Path, who: str) -> int:
    """How many inputs of an identity are gone, as the keys that open them are."""
    with _reading(folder) as db:
        count = db.execute(
            "SELECT count(*) FROM inputs i JOIN keys k ON k.id = i.key WHERE k.who = ?", (who,)
        ).fetchone()[0]
        db.execute("DELETE FROM keys WHERE who = ?", (who,))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(count)


@contextmanager
def _reading(folder: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(_opened(folder)) as db:
            yield db
    except sqlite3.Error as reason:
        raise AncileError(
            "the kept inputs cannot be read or written",
            value=plain(f"{folder / DATABASE}: {reason}"),
            remedy="free the file or the disk",
        ) from reason


def _opened(folder: Path) -> sqlite3.Connection:
    make_private_folder(folder)
    with locked(folder):
        return open_database(
            folder / DATABASE,
            holds="inputs",
            steps=(SCHEMA,),
            pragmas={"synchronous": "NORMAL", "secure_delete": "ON", "foreign_keys": "ON"},
            wait_seconds=WAIT_SECONDS,
        )


def _info(id_: bytes, who: str, day: int) -> bytes:
    return b"\0".join((PURPOSE, id_.hex().encode("ascii"), str(day).encode("ascii"), who.encode("utf-8")))


def _bound(digest: str, model: str) -> bytes:
    return f"{digest}\0{model}".encode()
