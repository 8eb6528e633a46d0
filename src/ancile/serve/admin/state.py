"""What every route of the administration works with, and how it learns who asks."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ancile.core.extras import needs
from ancile.serve.config import Policy
from ancile.serve.identity.people import People, Person
from ancile.serve.identity.sessions import Session, Sessions
from ancile.serve.keys import Users

if TYPE_CHECKING:
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
else:
    HTTPException = needs("starlette.exceptions", "admin").HTTPException

COOKIE = "__Host-ancile"
CSRF = "x-csrf-token"
SAFE = ("GET", "HEAD")
UNAUTHORIZED, FORBIDDEN = 401, 403


@dataclass(frozen=True)
class AdminState:
    """Of a running administration.

    home      the folder of the ledger
    policies  text in Cedar that is in force
    digest    of all that is in force
    origins   of the pages that may send requests which change something
    secure    whether the listener speaks TLS
    """

    home: Path
    users: Users
    people: People
    sessions: Sessions
    policy: Policy
    policies: str
    digest: str
    origins: tuple[str, ...]
    secure: bool

    def session(self, request: Request) -> Session:
        """Whoever is logged in; a request that changes something carries the session's CSRF token as well."""
        found = self.sessions.of(request.cookies.get(COOKIE, ""), now=time.time())
        if found is None:
            raise HTTPException(UNAUTHORIZED, "log in first")
        if request.method not in SAFE:
            given = request.headers.get(CSRF, "")
            if not secrets.compare_digest(given.encode(), found.csrf.encode()):
                raise HTTPException(FORBIDDEN, "the page is out of date: load it again")
        return found

    def admin(self, request: Request) -> Person:
        """An administrator who is logged in."""
        person = self.session(request).person
        if person.role != "admin":
            raise HTTPException(FORBIDDEN, "an administrator is asked for")
        return person

    def reviewer(self, request: Request) -> Person:
        """Anybody who is logged in: an administrator may review as well."""
        return self.session(request).person


def now() -> datetime:
    """Aware."""
    return datetime.now(UTC)
