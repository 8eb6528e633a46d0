"""Logging in with password and code, and out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from ancile.core.extras import needs
from ancile.serve.admin.api import body_of
from ancile.serve.admin.state import COOKIE, AdminState
from ancile.serve.identity.people import LogInRefused, Person
from ancile.serve.identity.sessions import LONGEST_SECONDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
else:
    JSONResponse, Response = (
        needs("starlette.responses", "admin").JSONResponse,
        needs("starlette.responses", "admin").Response,
    )
    Route = needs("starlette.routing", "admin").Route

TRIES_A_SECOND, MOST_TRIES = 1.0, 10.0  # of passwords, for everybody together: each costs 0.2 s and 64 MiB
REFUSED, LATER = 401, 429


class LogIn(msgspec.Struct, forbid_unknown_fields=True):
    """Both factors."""

    name: str
    password: str
    code: str


class Tries:
    """A bucket of tries."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._then = MOST_TRIES, clock()

    def take(self) -> bool:
        """Whether there was one left."""
        now = self._clock()
        self._left = min(MOST_TRIES, self._left + (now - self._then) * TRIES_A_SECOND)
        self._then = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def begun(state: AdminState, person: Person) -> Response:
    """The answer that logs somebody in."""
    token = state.sessions.begin(person, now=time.time())
    session = state.sessions.of(token, now=time.time())
    csrf = "" if session is None else session.csrf
    answer = JSONResponse({"name": person.name, "role": person.role, "csrf": csrf})
    answer.set_cookie(
        COOKIE, token, max_age=int(LONGEST_SECONDS), path="/", secure=True, httponly=True, samesite="strict"
    )
    return answer


def routes(state: AdminState) -> list[Route]:
    """Those of this file."""
    tries = Tries()

    async def log_in(request: Request) -> Response:
        asked = await body_of(request, LogIn)
        if not tries.take():
            return _later(1.0)
        try:
            person = state.people.log_in(asked.name, asked.password, asked.code, now=time.time())
        except LogInRefused as refused:
            return _later(refused.after) if refused.after else _refused(str(refused))
        return begun(state, person)

    async def who(request: Request) -> Response:
        found = state.session(request)
        return JSONResponse({"name": found.person.name, "role": found.person.role, "csrf": found.csrf})

    async def log_out(request: Request) -> Response:
        state.session(request)
        state.sessions.end(request.cookies.get(COOKIE, ""))
        answer = JSONResponse({})
        answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    return [
        Route("/api/session", who, methods=["GET"]),
        Route("/api/session", log_in, methods=["POST"]),
        Route("/api/session/end", log_out, methods=["POST"]),
    ]


def _refused(why: str) -> Response:
    return JSONResponse({"error": why}, status_code=REFUSED)


def _later(after: float) -> Response:
    seconds = int(after) + 1
    headers = {"Retry-After": str(seconds)}
    return JSONResponse({"error": f"try again in {seconds} s"}, status_code=LATER, headers=headers)
