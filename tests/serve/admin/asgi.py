"""Requests to an application without a server, for tests."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from tests.serve.answer import Answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

HOST = "localhost:9443"
ORIGIN = f"http://{HOST}"


class Browser:
    """Keeps its cookie and its CSRF token, as the page does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.cookie = self.csrf = ""

    def __call__(self, path: str, body: object = None, **changed: str | None) -> Answer:
        """GET, or POST with a body, as it stands where it is bytes; a header that is changed to None is left out."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers: dict[str, str | None] = {"host": HOST, "cookie": self.cookie or None}
        if body is not None:
            headers |= {
                "content-type": "application/json",
                "content-length": str(len(data)),
                "origin": ORIGIN,
            }
            headers |= {"x-csrf-token": self.csrf, "sec-fetch-site": "same-origin"}
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        answer = asyncio.run(_asked(self._app, path, "POST" if body is not None else "GET", headers, data))
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
            self.csrf = answer.said.get("csrf", "")
        return answer


async def _asked(app: ASGIApp, path: str, method: str, headers: dict[str, str | None], data: bytes) -> Answer:
    target, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": target,
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(n.encode(), v.encode("latin-1")) for n, v in headers.items() if v is not None],
        "server": ("127.0.0.1", 9443),
        "client": ("127.0.0.1", 5),
    }
    came: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Message) -> None:
        came.append(message)

    await app(scope, receive, send)
    got = {name.decode().lower(): value.decode() for name, value in came[0]["headers"]}
    return Answer(came[0]["status"], got, b"".join(message.get("body", b"") for message in came[1:]))
