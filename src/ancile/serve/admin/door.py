"""What a request to the administration must be before any route sees it.

A name that leads elsewhere today and here tomorrow (DNS rebinding) is no name of ours; a page of somebody
else sends nothing that changes anything (Fetch metadata, Origin); no body is larger than a form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 64 << 10
LENGTH_DIGITS = 9  # of a length that is worth reading
CONTENT = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", CONTENT),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
HSTS = (b"strict-transport-security", b"max-age=31536000")


class Door:
    """Around the application.

    hosts    that the Host header may name, with the port
    origins  of our own pages
    """

    def __init__(
        self, app: ASGIApp, *, hosts: tuple[str, ...], origins: tuple[str, ...], secure: bool
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.encode("ascii") for host in hosts)
        self._origins = frozenset(origin.encode("ascii") for origin in origins)
        self._headers = [*HEADERS, HSTS] if secure else list(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on, with the headers that every answer has."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        if refusal:
            status, why = refusal
            kind = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            await told({"type": "http.response.start", "status": status, "headers": kind})
            await told({"type": "http.response.body", "body": why})
            return
        await self._app(scope, receive, told)

    def _refusal(self, scope: Scope) -> tuple[int, bytes] | None:
        names = [name for name, _ in scope["headers"]]
        headers = dict(scope["headers"])
        if names.count(b"host") != 1 or headers[b"host"].lower() not in self._hosts:
            return 421, b"not a name of this administration"
        if scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] != "POST":
            return 405, b"GET and POST are served"
        site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
        if site not in (None, b"same-origin", b"none") or (
            origin is not None and origin not in self._origins
        ):
            return 403, b"sent by another page"
        return _size_refusal(headers, times=names.count(b"content-length"))


def _size_refusal(headers: dict[bytes, bytes], *, times: int) -> tuple[int, bytes] | None:
    length = headers.get(b"content-length", b"")
    if b"transfer-encoding" in headers or not length.isdigit() or times != 1:
        return 411, b"a length is asked for"
    if len(length) > LENGTH_DIGITS or int(length) > LARGEST_BODY:
        return 413, b"the body is too large"
    return None
