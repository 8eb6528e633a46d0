"""HTTP to one place that a user named (``core.place``): no redirect, no proxy, bounded answers."""

from __future__ import annotations

import http.client

from ancile.core.errors import AncileError
from ancile.core.place import Place, connection_to, within
from ancile.core.text import plain

LIMIT_BYTES = 64 << 20  # of one answer
CONNECT_SECONDS = 10.0
STALE = (http.client.RemoteDisconnected, http.client.NotConnected, BrokenPipeError, ConnectionResetError)


class Client:
    """Requests to one place over connections of its own; not for several threads at once."""

    def __init__(self, place: Place, *, token: str | None, seconds: float) -> None:
        if token and place.scheme == "http" and not all(one.is_loopback for one in place.addresses):
            raise AncileError(
                "the token would travel in the clear",
                value=place.url(),
                remedy="use https, or unset the token",
            )
        self._place, self._token, self._seconds = place, token, seconds
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The body of a 200 answer; AncileError for every other end."""
        headers = {"Accept": "application/json", "Host": self._place.authority(), "User-Agent": "ancile"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            return self._once(method, path, body, headers)
        except STALE:
            self.close()  # a connection kept open that the server has closed by now
        except (OSError, http.client.HTTPException) as reason:
            raise self._failed(reason) from reason
        try:
            return self._once(method, path, body, headers)
        except (OSError, http.client.HTTPException) as reason:
            raise self._failed(reason) from reason

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _failed(self, reason: Exception) -> AncileError:
        self.close()
        return AncileError(
            "the endpoint does not answer",
            value=plain(f"{self._place.url()}: {type(reason).__name__}: {reason}"),
            remedy="check that it runs, the URL, and the certificate",
        )

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        if self._connection is None:
            self._connection = connection_to(
                self._place, connect_seconds=CONNECT_SECONDS, seconds=self._seconds
            )
        with within(self._connection, self._seconds):
            self._connection.request(method, path, body=body, headers=headers)
            with self._connection.getresponse() as answer:
                content = answer.read(LIMIT_BYTES + 1)
        if len(content) > LIMIT_BYTES:
            self.close()
            raise self._ended("the endpoint answers with too much", f"more than {LIMIT_BYTES} bytes")
        if answer.will_close:
            self.close()
        if 300 <= answer.status < 400:
            where = plain(answer.getheader("Location", ""), 100)
            raise self._ended("the endpoint sends elsewhere", f"{answer.status} to {where}")
        if answer.status in (401, 403):
            raise self._ended("the endpoint wants a valid token", str(answer.status))
        if answer.status != 200:
            words = content[:200].decode("utf-8", "replace")
            raise self._ended("the endpoint refuses", f"{answer.status} {words}")
        return content

    def _ended(self, what: str, value: str) -> AncileError:
        remedy = {
            "the endpoint sends elsewhere": "give the URL of the model itself: redirects are not followed",
            "the endpoint wants a valid token": "set the environment variable that holds it",
        }.get(what, "look into the server's log")
        return AncileError(what, value=plain(f"{self._place.url()}: {value}"), remedy=remedy)
