"""The administration as JSON: users, keys, roles, the policy in force, recent verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.serve.admin.state import AdminState, now
from ancile.serve.config import shipped_roles
from ancile.serve.segment import KIND, records_of
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import open_ledger

if TYPE_CHECKING:
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
else:
    HTTPException = needs("starlette.exceptions", "admin").HTTPException
    JSONResponse, Response = (
        needs("starlette.responses", "admin").JSONResponse,
        needs("starlette.responses", "admin").Response,
    )
    Route = needs("starlette.routing", "admin").Route

MOST_VERDICTS = 1000
LOOKED_AT = 5000  # entries from the end of the ledger, at most
LONGEST_GRACE = 90 * 24  # hours
BAD_REQUEST = 400
Body = TypeVar("Body", bound=msgspec.Struct)


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A key for a user, new or not."""

    name: str
    role: str


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """A new key; hours for which those before still let in."""

    grace: int = 24


class NewRole(msgspec.Struct, forbid_unknown_fields=True):
    """Another role."""

    role: str


async def body_of(request: Request, kind: type[Body]) -> Body:
    """The JSON of a request; 400 where it is not what is asked for."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise HTTPException(BAD_REQUEST, "JSON is asked for")
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise HTTPException(BAD_REQUEST, str(reason)) from reason


def routes(state: AdminState) -> list[Route]:
    """Those of this file; each asks for an administrator."""

    async def users(request: Request) -> Response:
        state.admin(request)
        return JSONResponse([one._asdict() for one in state.users.list(now())])

    async def add(request: Request) -> Response:
        by = state.admin(request)
        asked = await body_of(request, NewUser)
        _known(state, asked.role)
        return _key(lambda: state.users.add(asked.name, role=asked.role, now=now(), by=by.name))

    async def rotate(request: Request) -> Response:
        by, name = state.admin(request), request.path_params["name"]
        asked = await body_of(request, Rotation)
        if not 0 <= asked.grace <= LONGEST_GRACE:
            raise HTTPException(BAD_REQUEST, f"grace is 0 to {LONGEST_GRACE} hours")
        grace = timedelta(hours=asked.grace)
        return _key(lambda: state.users.rotate(name, grace=grace, now=now(), by=by.name))

    async def revoke(request: Request) -> Response:
        by, name = state.admin(request), request.path_params["name"]
        return JSONResponse({"revoked": _done(lambda: state.users.revoke(name, now=now(), by=by.name))})

    async def role(request: Request) -> Response:
        by, name = state.admin(request), request.path_params["name"]
        asked = await body_of(request, NewRole)
        _known(state, asked.role)
        _done(lambda: state.users.set_role(name, asked.role, now=now(), by=by.name))
        return JSONResponse({"role": asked.role})

    async def policy(request: Request) -> Response:
        state.admin(request)
        own = {name for name in state.policy.roles if name not in shipped_roles()}
        return JSONResponse(
            {
                "digest": state.digest,
                "profile": state.policy.profile,
                "reactions": state.policy.reactions,
                "roles": msgspec.to_builtins(state.policy.roles),
                "own_roles": sorted(own),
                "policies": state.policies,
            }
        )

    async def verdicts(request: Request) -> Response:
        state.admin(request)
        last = request.query_params.get("last", "50")
        is_number = last.isascii() and last.isdigit() and len(last) <= len(str(MOST_VERDICTS))
        if not (is_number and 0 < int(last) <= MOST_VERDICTS):
            raise HTTPException(BAD_REQUEST, f"last is 1 to {MOST_VERDICTS}")
        return JSONResponse(list(_verdicts(state, int(last))))

    async def people(request: Request) -> Response:
        state.admin(request)
        return JSONResponse([one._asdict() for one in state.people.list()])

    name = "/api/users/{name:str}"
    return [
        Route("/api/users", users, methods=["GET"]),
        Route("/api/users", add, methods=["POST"]),
        Route(f"{name}/rotate", rotate, methods=["POST"]),
        Route(f"{name}/revoke", revoke, methods=["POST"]),
        Route(f"{name}/role", role, methods=["POST"]),
        Route("/api/policy", policy, methods=["GET"]),
        Route("/api/verdicts", verdicts, methods=["GET"]),
        Route("/api/people", people, methods=["GET"]),
    ]


Answer = TypeVar("Answer")


def _done(what: Callable[[], Answer]) -> Answer:
    try:
        return what()
    except AncileError as error:
        raise HTTPException(BAD_REQUEST, f"{error.what}: {error.remedy}") from error


def _key(made: Callable[[], str]) -> Response:
    """The key, told this once."""
    return JSONResponse({"key": _done(made)})


def _known(state: AdminState, role: str) -> None:
    if role not in state.policy.roles:
        raise HTTPException(BAD_REQUEST, f"no such role; there are {', '.join(sorted(state.policy.roles))}")


def _verdicts(state: AdminState, last: int) -> Iterator[dict[str, object]]:
    """The last verdicts that are in the ledger, the latest first."""
    left = last
    with open_ledger(state.home, clock=now, create=False) as ledger:
        size = ledger.size()
        for index in range(size - 1, max(size - 1 - LOOKED_AT, -1), -1):
            entry = ledger.entry(index)
            if entry.body is None or parse_leaf(entry.leaf).kind != KIND:
                continue
            for record in reversed(records_of(entry.body)):
                when = datetime.fromtimestamp(record.time / 1e6, UTC).isoformat()
                yield msgspec.structs.asdict(record) | {"time": when, "entry": index}
                left -= 1
                if left == 0:
                    return
