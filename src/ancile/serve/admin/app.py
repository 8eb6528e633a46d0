"""The application of the administration: its pages, its API, and what others add to it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.serve.admin import api, login, passkeys
from ancile.serve.admin.door import Door
from ancile.serve.admin.state import AdminState

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import BaseRoute, Route
else:
    Starlette = needs("starlette.applications", "admin").Starlette
    HTTPException = needs("starlette.exceptions", "admin").HTTPException
    JSONResponse, Response = (
        needs("starlette.responses", "admin").JSONResponse,
        needs("starlette.responses", "admin").Response,
    )
    Route = needs("starlette.routing", "admin").Route

UNAVAILABLE = 503
PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/admin.js": ("admin.js", "text/javascript; charset=utf-8"),
    "/admin.css": ("admin.css", "text/css; charset=utf-8"),
}


def application(state: AdminState, *, hosts: tuple[str, ...], others: Iterable[BaseRoute] = ()) -> Door:
    """What a server calls.

    hosts   that the Host header may name, the one of security keys first, with the port
    others  routes of the review queue and of metrics
    """
    name = hosts[0].rpartition(":")[0]
    scheme = "https" if state.secure else "http"
    keys = passkeys.routes(state, rp_id=name, origin=f"{scheme}://{hosts[0]}")
    pages = [_page(path, file, kind) for path, (file, kind) in PAGES.items()]
    app = Starlette(
        routes=[*pages, *login.routes(state), *keys, *api.routes(state), *others],
        exception_handlers={HTTPException: _told, AncileError: _failed},  # type: ignore[dict-item]  # each of its own
    )
    return Door(app, hosts=hosts, origins=state.origins, secure=state.secure)


def _page(path: str, file: str, kind: str) -> Route:
    content = files("ancile.serve.admin").joinpath("static", file).read_bytes()

    async def page(_: Request) -> Response:
        return Response(content, headers={"Content-Type": kind})

    return Route(path, page, methods=["GET"])


async def _told(_: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def _failed(_: Request, error: AncileError) -> Response:
    """The file of users or the ledger cannot be had: what is told names no path."""
    return JSONResponse({"error": error.what}, status_code=UNAVAILABLE)
