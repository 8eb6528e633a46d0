"""Who may ask: API keys of 256 random bits, kept as keyed hashes in one SQLite file.

A key reads ``ancile_`` + 43 characters + 6 of a checksum, all of base 62, so that one that leaked can be
found by its form and told from a typing error without asking anybody (as GitHub's tokens since 2021). What is
stored is BLAKE2b of the key under a pepper that lies in a file of its own: the database alone lets nobody in,
nor does it let anyone try keys.

Every change leaves an event behind in the transaction that makes it; who has the home's keys puts events into
the ledger. So no change is without its evidence, and taking a key back never waits for a passphrase.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.core.text import plain
from ancile.serve.shared.replica import Replica
from ancile.serve.users_db import DATABASE, SHARED, faults, open_users, require_heard
from ancile.trust.events import MOST_KEYS, UserChange, UserEvent
from ancile.version import __version__

PREFIX = "ancile_"
FORM = re.compile(rb"ancile_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")
SECRET_BYTES = 32
SECRET_CHARS, SUM_CHARS = 43, 6  # base 62: 256 bits take 43 characters, 32 take 6
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
ELSEWHERE = re.compile(r"(?:oidc|cert):[!-~][ -~]{0,511}")  # who has no key of ours
ALIVE = "k.revoked IS NULL AND (k.until IS NULL OR k.until > :now)"


class Identity(NamedTuple):
    """Whoever a key, a token or a certificate stands for.

    name    of a user; of a token or certificate with ``oidc:`` or ``cert:`` before it, which no user has
    source  key, oidc or certificate
    """

    name: str
    role: str
    source: str = "key"


class User(NamedTuple):
    """A line of the list: keys that let in, and those that do no more.

    until  when the first of those that let in ends; empty for never
    """

    name: str
    role: str
    made: str
    keys: int
    revoked: int
    until: str


def new_key() -> str:
    """A key that nobody has."""
    secret = _base62(int.from_bytes(secrets.token_bytes(SECRET_BYTES), "big"), SECRET_CHARS)
    return f"{PREFIX}{secret}{_sum(secret)}"


def is_key(text: bytes) -> bool:
    """Whether this has the form of a key, its checksum with it; whether anybody has it is not asked."""
    found = FORM.fullmatch(text)
    return found is not None and _sum(found[1].decode("ascii")).encode("ascii") == found[2]


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
        self._path = folder / DATABASE
        self._db, self._pepper = open_users(folder)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def replica(self) -> Replica:
        """What hosts with a database between them have alike."""
        return Replica(self._db, SHARED)

    # Changes, each with its event.

    def add(self, name: str, *, role: str, now: datetime, by: str = "") -> str:
        """A new key for a new user, or one more for a user of that role; it is not kept and told once."""
        if not NAME.fullmatch(name):
            raise AncileError(
                "not a name for a user",
                value=plain(name),
                remedy="letters, digits and . _ @ -, at most 64, the first a letter or digit",
            )
        key = new_key()
        with self.changing() as db:
            row = db.execute("SELECT role FROM users WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] != role:
                raise AncileError(
                    "the user has another role",
                    value=f"{name} is {plain(row[0])}",
                    remedy="one user, one role: choose another name, or change it with `ancile user role`",
                )
            if row is None:
                db.execute("INSERT INTO users VALUES (?, ?, ?)", (name, role, _instant(now)))
            self._insert(key, name, now)
            self.note("added", name, role=role, keys=(self._id(key),), now=now, by=by)
        return key

    def rotate(self, name: str, *, grace: timedelta, now: datetime, by: str = "") -> str:
        """A new key for the user; those before let in for ``grace`` longer, and then no more."""
        key, until = new_key(), now + grace
        with self.changing() as db:
            role = self._role(name)
            alive = {"name": name, "now": _instant(now), "until": _instant(until)}
            db.execute(
                f"UPDATE keys AS k SET until = min(coalesce(k.until, :until), :until) "  # noqa: S608 - our own words
                f"WHERE k.name = :name AND {ALIVE}",
                alive,
            )
            self._insert(key, name, now)
            self.note("rotated", name, role=role, keys=(self._id(key),), until=until, now=now, by=by)
        return key

    def revoke(self, name: str, *, now: datetime, by: str = "") -> int:
        """How many keys of the user let in no more; the user stays in the list."""
        with self.changing() as db:
            role, alive = self._role(name), {"name": name, "now": _instant(now)}
            rows = db.execute(
                f"UPDATE keys AS k SET revoked = :now WHERE k.name = :name AND {ALIVE} RETURNING hash",  # noqa: S608 - our own words
                alive,
            ).fetchall()
            keys = tuple(digest_of(bytes(row[0])) for row in rows)
            for at in range(0, max(len(keys), 1), MOST_KEYS):
                self.note("revoked", name, role=role, keys=keys[at : at + MOST_KEYS], now=now, by=by)
        return len(rows)

    def block(self, name: str, *, now: datetime, by: str = "") -> None:
        """Let nobody in any more who comes as this by a token or a certificate."""
        if not ELSEWHERE.fullmatch(name):
            raise AncileError(
                "not the name of a token's or a certificate's identity",
                value=plain(name),
                remedy="oidc:NAME or cert:URI, as `ancile ledger log --kind verdict` shows it",
            )
        with self.changing() as db:
            db.execute("INSERT OR IGNORE INTO blocked VALUES (?, ?)", (name, _instant(now)))
            self.note("blocked", name, now=now, by=by)

    def admit(self, name: str, *, now: datetime, by: str = "") -> bool:
        """Whether it was blocked, which it is no more."""
        with self.changing() as db:
            done = db.execute("DELETE FROM blocked WHERE name = ?", (name,)).rowcount > 0
            if done:
                self.note("admitted", name, now=now, by=by)
        return done

    def blocked(self) -> frozenset[str]:
        """Identities of tokens and certificates that are let in no more."""
        return frozenset(str(name) for (name,) in self.rows("SELECT name FROM blocked"))

    def set_role(self, name: str, role: str, *, now: datetime, by: str = "") -> None:
        """Give the user, and with it every key of it, another role."""
        with self.changing() as db:
            if self._role(name) != role:
                db.execute("UPDATE users SET role = ? WHERE name = ?", (role, name))
                self.note("role", name, role=role, now=now, by=by)

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is whole or was not."""
        with faults(self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db

    def has(self, name: str) -> bool:
        """Whether there is such a user."""
        return bool(self.rows("SELECT 1 FROM users WHERE name = ?", name))

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """What a query of ours finds."""
        with faults(self._path):
            return self._db.execute(query, values).fetchall()

    def note(
        self,
        change: UserChange,
        name: str,
        *,
        now: datetime,
        role: str = "",
        keys: tuple[str, ...] = (),
        until: datetime | None = None,
        by: str = "",
    ) -> None:
        """Leave the event of a change behind, in the transaction that makes it."""
        event = UserEvent(
            event=secrets.token_hex(16),
            change=change,
            user=name,
            role=role,
            keys=keys,
            until=until,
            by=by,
            time=now,
            version=__version__,
        )
        self._db.execute("INSERT INTO events VALUES (?, ?)", (event.event, msgspec.json.encode(event)))

    def _insert(self, key: str, name: str, now: datetime) -> None:
        row = (self.hash(key.encode("ascii")), name, _instant(now))
        self._db.execute("INSERT INTO keys VALUES (?, ?, ?, NULL, NULL)", row)

    def _role(self, name: str) -> str:
        row = self._db.execute("SELECT role FROM users WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise AncileError("no such user", value=plain(name), remedy="see `ancile user list`")
        return str(row[0])

    def _id(self, key: str) -> str:
        return digest_of(self.hash(key.encode("ascii")))

    # Events that are not in the ledger yet.

    def hand_over(self, write: Callable[[UserEvent], object]) -> int:
        """How many events ``write`` has put into the ledger, the oldest first.

        One process at a time does it; a crash between writing and forgetting makes an event come twice.
        """
        with faults(self._path):
            if self._db.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None:
                return 0
        with self.changing() as db:
            rows = db.execute("SELECT body FROM events ORDER BY rowid").fetchall()
            for (body,) in rows:
                write(self._event(body))
            db.execute("DELETE FROM events")
        return len(rows)

    def _event(self, body: bytes) -> UserEvent:
        try:
            return msgspec.json.decode(body, type=UserEvent)
        except msgspec.MsgspecError as reason:
            raise AncileError(
                "the users were changed by something that is not ancile",
                value=f"{self._path}: {plain(str(reason))}",
                remedy="restore the file from a backup",
            ) from reason

    # What is asked of them.

    def list(self, now: datetime) -> list[User]:
        """All users, by name."""
        with faults(self._path):
            rows = self._db.execute(
                f"SELECT u.name, u.role, u.made, count(k.hash) FILTER (WHERE {ALIVE}), "  # noqa: S608 - our own words
                f"count(k.hash) FILTER (WHERE NOT ({ALIVE})), "
                f"coalesce(min(k.until) FILTER (WHERE {ALIVE}), '') "
                "FROM users u LEFT JOIN keys k ON k.name = u.name GROUP BY u.name ORDER BY u.name",
                {"now": _instant(now)},
            )
            return [User(*row) for row in rows]

    def identities(self, now: datetime) -> dict[bytes, Identity]:
        """Hash of every key that lets in, and whom."""
        with faults(self._path):
            rows = self._db.execute(
                f"SELECT k.hash, u.name, u.role FROM keys k JOIN users u ON u.name = k.name WHERE {ALIVE}",  # noqa: S608 - our own words
                {"now": _instant(now)},
            )
            return {bytes(hash_): Identity(name, role) for hash_, name, role in rows}

    def next_end(self, now: datetime) -> datetime | None:
        """When the next key that lets in ends by itself."""
        with faults(self._path):
            row = self._db.execute(
                f"SELECT min(k.until) FROM keys k WHERE {ALIVE}",  # noqa: S608 - our own words
                {"now": _instant(now)},
            ).fetchone()
        return None if row[0] is None else datetime.fromisoformat(row[0])

    def version(self) -> int:
        """A number that changes when another connection has changed something.

        Unheard where other hosts share the users, and what they changed is not known.
        """
        with faults(self._path):
            if self._db.execute("SELECT 1 FROM shared").fetchone() is not None:
                require_heard(self._path.parent)
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def hash(self, key: bytes) -> bytes:
        """What is kept of a key."""
        return hashlib.blake2b(key, key=self._pepper, digest_size=32).digest()


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")
