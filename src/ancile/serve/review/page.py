"""The queue as plain pages on the administration's listener: rendered here, without a script.

The frame allows a referrer to our own pages: without one a browser sends a form with the origin ``null``,
which the door refuses (Fetch standard, "append a request Origin header").
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl

import jinja2
import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.serve.admin.state import COOKIE, AdminState
from ancile.serve.identity.sessions import Session
from ancile.serve.review import api
from ancile.serve.review.shown import page_of
from ancile.serve.review.store import LABELS, STATES, Reviews, Said
from ancile.trust.events import ReviewChange

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, RedirectResponse, Response
    from starlette.routing import Route
else:
    _responses = needs("starlette.responses", "admin")
    HTMLResponse, RedirectResponse, Response = (
        _responses.HTMLResponse,
        _responses.RedirectResponse,
        _responses.Response,
    )
    Route = needs("starlette.routing", "admin").Route

MOST_FIELDS = 10
SEE_OTHER, BAD_REQUEST, FORBIDDEN, NOT_FOUND = 303, 400, 403, 404
MEANT = {"approved": "benign", "rejected": "attack"}  # where the form says no more
PAGES = ("frame.html", "list.html", "one.html")


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the form of one request sends; without a label the decision says what it was."""

    csrf: str
    change: ReviewChange
    label: Literal["", "benign", "attack", "unsure"] = ""
    note: str = ""


def routes(state: AdminState, reviews: Reviews, *, keep_seconds: float) -> list[Route]:
    """Those of the queue and of its API; whoever is logged in may review, others are sent to log in."""
    render = _renderer()

    def session(request: Request) -> Session | None:
        return state.sessions.of(request.cookies.get(COOKIE, ""), now=time.time())

    def shown(request: Request, of: Session, *, status: int = 200, told: str = "") -> Response:
        now = time.time()
        try:
            page = page_of(reviews, request.path_params["id"], now=now)
        except AncileError as error:
            return Response(f"{error.what}\n", status_code=NOT_FOUND, media_type="text/plain")
        values = {"held": page.held, "page": page, "csrf": of.csrf, "labels": LABELS, "told": told}
        text = render("one.html", {"person": of.person, "now": now} | values)
        return HTMLResponse(text, status_code=status)

    async def listed(request: Request) -> Response:
        of = session(request)
        if of is None:
            return RedirectResponse("/", SEE_OTHER)
        asked = request.query_params.get("state", "pending")
        chosen = asked if asked in STATES else "pending"
        rows = list(reversed(reviews.list(chosen, last=api.SHOWN)))
        values = {"rows": rows, "state": chosen, "person": of.person, "now": time.time()}
        return HTMLResponse(render("list.html", values))

    async def one(request: Request) -> Response:
        of = session(request)
        return RedirectResponse("/", SEE_OTHER) if of is None else shown(request, of)

    async def decide(request: Request) -> Response:
        of = session(request)
        if of is None:
            return RedirectResponse("/", SEE_OTHER)
        try:
            form = _form(await request.body())
        except (msgspec.MsgspecError, ValueError):
            return shown(request, of, status=BAD_REQUEST, told="the form was not whole")
        if not secrets.compare_digest(form.csrf.encode(), of.csrf.encode()):
            return shown(request, of, status=FORBIDDEN, told="the page is out of date: it was loaded again")
        now, id_ = time.time(), request.path_params["id"]
        try:
            label = form.label or MEANT.get(form.change, "")
            said = Said(form.change, label, form.note, of.person.name)
            reviews.decide(id_, said, now=now, until=now + keep_seconds)
        except AncileError as error:
            return shown(request, of, status=BAD_REQUEST, told=f"{error.what}: {error.value}")
        return RedirectResponse(f"/reviews/{id_}", SEE_OTHER)

    style = files("ancile.serve.review").joinpath("pages", "reviews.css").read_bytes()

    async def css(_: Request) -> Response:
        return Response(style, media_type="text/css")

    return [
        *api.routes(state, reviews, keep_seconds=keep_seconds),
        Route("/reviews", listed, methods=["GET"]),
        Route("/reviews.css", css, methods=["GET"]),
        Route("/reviews/{id:str}", one, methods=["GET"]),
        Route("/reviews/{id:str}", decide, methods=["POST"]),
    ]


def _form(body: bytes) -> Form:
    fields = parse_qsl(
        body.decode("utf-8"), keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS
    )
    found = dict(fields)
    if len(found) != len(fields):
        raise ValueError("a field came twice")
    return msgspec.convert(found, Form)


class _Renderer:
    """Pages by name; every value is escaped."""

    def __init__(self, environment: jinja2.Environment) -> None:
        self._environment = environment

    def __call__(self, name: str, values: Mapping[str, object]) -> str:
        return self._environment.get_template(name).render(values)


def _renderer() -> _Renderer:
    folder = files("ancile.serve.review").joinpath("pages")
    pages = {name: folder.joinpath(name).read_text("utf-8") for name in PAGES}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(pages),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = lambda seconds: time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    environment.filters["safe_text"] = lambda text: plain(str(text), 400)
    return _Renderer(environment)
