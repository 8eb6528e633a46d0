"""The echo that the gateway is measured against: uvicorn and Starlette, in an environment of their own."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/json")


app = Starlette(routes=[Route("/{path:path}", echo, methods=["POST"])])
