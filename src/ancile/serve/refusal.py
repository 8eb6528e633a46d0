"""A request that is not served, and how each protocol words it."""

from __future__ import annotations

import msgspec

UNAUTHORIZED = 401
SERVER_FAULT = 500
CHAT = b"/v1/"  # targets of the chat protocol
KINDS = {  # of its errors
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
JSON = b"Content-Type: application/json\r\n"


class Refused(Exception):  # noqa: N818 - a decision, told to the client in one line
    """A request that is not served: status, reason in words, and what the record calls it.

    retry_after  whole seconds after which it may be asked again
    """

    def __init__(self, status: int, why: str, *, retry_after: int | None = None) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why
        self.retry_after = retry_after

    @property
    def headers(self) -> bytes:
        """Lines of the answer that tells it."""
        retry = b"" if self.retry_after is None else b"Retry-After: %d\r\n" % self.retry_after
        return JSON + retry + (b"WWW-Authenticate: Bearer\r\n" if self.status == UNAUTHORIZED else b"")


def told(refusal: Refused, target: bytes) -> tuple[bytes, bytes]:
    """Lines and body of an error, in the words of the protocol that a target is of.

    OpenAI's clients repeat by themselves what fails with 408, 409, 429 or 5xx: they hear when to, or not to.
    """
    if not target.startswith(CHAT):
        return refusal.headers, worded(refusal.why)
    server = "server_error" if refusal.status >= SERVER_FAULT else "invalid_request_error"
    error = {"message": refusal.why, "type": KINDS.get(refusal.status, server), "param": None, "code": None}
    again = b"x-should-retry: false\r\n" if refusal.retry_after is None else b""
    return refusal.headers + again, msgspec.json.encode({"error": error})


def worded(why: str) -> bytes:
    """The body of an error."""
    return msgspec.json.encode({"error": why})
