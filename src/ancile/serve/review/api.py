"""The queue as JSON on the administration's listener, for whoever is logged in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.serve.admin.api import body_of
from ancile.serve.admin.state import AdminState
from ancile.serve.review.shown import page_of
from ancile.serve.review.store import STATES, Held, Reviews, Said
from ancile.trust.events import ReviewChange

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

SHOWN = 200  # requests of one list, the latest
BAD_REQUEST, NOT_FOUND = 400, 404


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says of a request."""

    change: ReviewChange
    label: Literal["benign", "attack", "unsure"]
    note: str = ""


def routes(state: AdminState, reviews: Reviews, *, keep_seconds: float) -> list[Route]:
    """Those of this file; a decision carries the session's CSRF token as every change does."""

    async def listed(request: Request) -> Response:
        state.reviewer(request)
        asked = request.query_params.get("state")
        if asked not in (None, *STATES):
            raise HTTPException(BAD_REQUEST, f"state is one of {', '.join(STATES)}")
        now = time.time()
        return JSONResponse([document_of(one, now) for one in reviews.list(asked, last=SHOWN)])

    async def one(request: Request) -> Response:
        state.reviewer(request)
        now = time.time()
        try:
            page = page_of(reviews, request.path_params["id"], now=now)
        except AncileError as error:
            raise HTTPException(NOT_FOUND, error.what) from error
        shown = {
            "said": page.said,
            "inputs": [tensor._asdict() for tensor in page.inputs],
            "neighbours": [near._asdict() for near in page.neighbours],
            "gone": page.gone,
        }
        return JSONResponse(document_of(page.held, now) | shown)

    async def decide(request: Request) -> Response:
        by, id_ = state.reviewer(request), request.path_params["id"]
        asked, now = await body_of(request, Decision), time.time()
        try:
            said = Said(asked.change, asked.label, asked.note, by.name)
            reviews.decide(id_, said, now=now, until=now + keep_seconds)
        except AncileError as error:
            raise HTTPException(BAD_REQUEST, f"{error.what}: {error.value}") from error
        return JSONResponse(document_of(reviews.get(id_), now))

    return [
        Route("/api/reviews", listed, methods=["GET"]),
        Route("/api/reviews/{id:str}", one, methods=["GET"]),
        Route("/api/reviews/{id:str}", decide, methods=["POST"]),
    ]


def document_of(held: Held, now: float) -> dict[str, object]:
    """A request as JSON has it; the evidence against its identity stands apart."""
    shown = held._asdict() | {"state": held.shown(now)}
    del shown["said"]
    return shown
