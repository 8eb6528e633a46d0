"""Who is logged in: a random token in a cookie, kept as a keyed hash, that ends when idle and at the latest.

OWASP, "Session Management Cheat Sheet": a new token at each log-in, none that a client chose, all gone
with the person.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from ancile.serve.identity.people import Person
from ancile.serve.keys import Users

IDLE_SECONDS = 15 * 60.0
LONGEST_SECONDS = 8 * 3600.0
SEEN_SECONDS = 10.0  # how exact the last time is
TOKEN_BYTES = 32


class Session(NamedTuple):
    """Somebody who is logged in.

    csrf  that each request which changes something repeats
    """

    person: Person
    csrf: str


class Sessions:
    """Of those who are logged in; kept with the users, so that a restart logs nobody out."""

    def __init__(self, users: Users) -> None:
        self._users = users

    def begin(self, person: Person, *, now: float) -> str:
        """The token of a new session; others of that person go on."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._users.changing() as db:
            db.execute(
                "DELETE FROM sessions WHERE seen < ? OR made < ?", (now - IDLE_SECONDS, now - LONGEST_SECONDS)
            )
            row = (self._hash(token), person.name, secrets.token_urlsafe(TOKEN_BYTES), now, now)
            db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", row)
        return token

    def of(self, token: str, *, now: float) -> Session | None:
        """The session that a token stands for, which is seen by that."""
        found = self._users.rows(
            "SELECT p.name, p.role, s.csrf, s.seen FROM sessions s JOIN people p ON p.name = s.name "
            "WHERE s.hash = ? AND s.seen > ? AND s.made > ?",
            self._hash(token),
            now - IDLE_SECONDS,
            now - LONGEST_SECONDS,
        )
        if not found:
            return None
        name, role, csrf, seen = found[0]
        if isinstance(seen, float) and now - seen > SEEN_SECONDS:
            with self._users.changing() as db:
                db.execute("UPDATE sessions SET seen = ? WHERE hash = ?", (now, self._hash(token)))
        return Session(Person(str(name), str(role)), str(csrf))

    def end(self, token: str) -> None:
        """Log out."""
        with self._users.changing() as db:
            db.execute("DELETE FROM sessions WHERE hash = ?", (self._hash(token),))

    def _hash(self, token: str) -> bytes:
        return self._users.hash(b"session " + token.encode("utf-8", "replace"))
