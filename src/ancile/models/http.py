"""HTTP to one host that a user named: resolved once, no redirect, no proxy, bounded answers.

The addresses of cloud metadata services give out credentials of the machine; none of them, and no link-local
address, is ever asked (OWASP, "Server Side Request Forgery Prevention Cheat Sheet").
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from ancile.core.errors import AncileError
from ancile.core.text import plain

LIMIT_BYTES = 64 << 20  # of one answer
CONNECT_SECONDS = 10.0
URL_FORM = "give http(s)://host:port/v2/models/NAME"
STALE = (http.client.RemoteDisconnected, http.client.NotConnected, BrokenPipeError, ConnectionResetError)
METADATA = frozenset(  # those that are not link-local: AWS on IPv6, Alibaba, Oracle
    ipaddress.ip_address(one) for one in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Place(NamedTuple):
    """A URL taken apart, with the one address that is asked."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address

    def url(self) -> str:
        """The URL without user, query and fragment."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def place_of(url: str) -> Place:
    """The place that a URL names, resolved now; AncileError for one that is not to be asked."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as reason:
        raise _refused("not a URL", url.rpartition("@")[2], URL_FORM) from reason
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refused("not a URL", url.rpartition("@")[2], URL_FORM)
    if parts.username is not None or parts.query or parts.fragment:
        raise AncileError(
            "the URL carries more than a place",
            value=f"{parts.scheme}://{plain(parts.hostname, 100)}/…",
            remedy="leave out user, password, query and fragment; a token comes from the environment",
        )
    path = parts.path.rstrip("/")
    if not path.isascii() or any(c <= " " or c == "\x7f" for c in path):
        raise _refused("not a URL", url, "percent-encode the path")
    return Place(parts.scheme, parts.hostname, port, path, _resolved(parts.hostname, port))


def _resolved(host: str, port: int) -> Address:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as reason:
        raise _refused("the host has no address", host, "check the name and the network") from reason
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for one in addresses:
        if forbidden(one):
            raise _refused("the host's address is not to be asked", f"{host}: {one}", "name a model server")
    return addresses[0]


def forbidden(address: Address) -> bool:
    """Whether an address is link-local, a metadata service, or none that a server has."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return forbidden(mapped)
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA


class Client:
    """Requests to one place over connections of its own; not for several threads at once."""

    def __init__(self, place: Place, *, token: str | None, seconds: float) -> None:
        if token and place.scheme == "http" and not place.address.is_loopback:
            raise AncileError(
                "the token would travel in the clear",
                value=place.url(),
                remedy="use https, or unset the token",
            )
        self._place, self._token, self._seconds = place, token, seconds
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The body of a 200 answer; AncileError for every other end."""
        headers = {"Accept": "application/json", "Host": self._host(), "User-Agent": "ancile"}
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

    def _host(self) -> str:
        host = f"[{self._place.host}]" if ":" in self._place.host else self._place.host
        return f"{host}:{self._place.port}"

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        if self._connection is None:
            self._connection = _connection(self._place, self._seconds)
        self._connection.request(method, path, body=body, headers=headers)
        answer = self._connection.getresponse()
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


def _connection(place: Place, seconds: float) -> http.client.HTTPConnection:
    """A connection to the address that was resolved, whatever the name means by now."""
    connected = socket.create_connection((str(place.address), place.port), timeout=CONNECT_SECONDS)
    connected.settimeout(seconds)
    connection = http.client.HTTPConnection(place.host, place.port, timeout=seconds)
    if place.scheme == "https":
        context = ssl.create_default_context()
        connection.sock = context.wrap_socket(connected, server_hostname=place.host)
    else:
        connection.sock = connected
    # Opening a closed connection again behind the caller's back would resolve the name once more.
    connection.auto_open = 0
    return connection


def _refused(what: str, value: str, remedy: str) -> AncileError:
    return AncileError(what, value=plain(value), remedy=remedy)
