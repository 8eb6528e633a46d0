"""Where a URL of a user leads: resolved once, every address judged, and connected to as it was judged.

The addresses of cloud metadata services give out credentials of the machine; none of them, and no link-local
address, is ever asked (OWASP, "Server Side Request Forgery Prevention Cheat Sheet"). A name that means
another machine at its second look-up (DNS rebinding) reaches nobody else: there is no second look-up.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from ancile.core.errors import AncileError
from ancile.core.text import plain

METADATA = frozenset(  # those that are not link-local: AWS on IPv6, Alibaba, Oracle
    ipaddress.ip_address(one) for one in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # IPv4 behind a translator, NAT64: RFC 6052

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Place(NamedTuple):
    """A URL taken apart, with the addresses that may be asked."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[Address, ...]

    def authority(self) -> str:
        """Host and port, as a URL and the Host header have them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def url(self) -> str:
        """The URL without user, query and fragment."""
        return f"{self.scheme}://{self.authority()}{self.path}"


def place_of(url: str, *, form: str) -> Place:
    """The place that a URL names, resolved now; AncileError for one that is not to be asked.

    form  remedy for what is no URL: how one looks here
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as reason:
        raise _refused("not a URL", url.rpartition("@")[2], form) from reason
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refused("not a URL", url.rpartition("@")[2], form)
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


def connection_to(place: Place, *, connect_seconds: float, seconds: float) -> http.client.HTTPConnection:
    """A connection to the first judged address that takes one; OSError where none does."""
    connected = _connected(place, connect_seconds)
    connected.settimeout(seconds)
    connection = http.client.HTTPConnection(place.host, place.port, timeout=seconds)
    try:
        if place.scheme == "https":
            connected = ssl.create_default_context().wrap_socket(connected, server_hostname=place.host)
    except BaseException:
        connected.close()
        raise
    connection.sock = connected
    # Opening a closed connection again behind the caller's back would resolve the name once more.
    connection.auto_open = 0
    return connection


@contextmanager
def within(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """One exchange on a connection, which ends in TimeoutError once it has taken so long.

    The timeout of a socket is for each piece: a server that sends a byte now and then would hold us for ever.
    """
    held, late = connection.sock, threading.Event()

    def end() -> None:
        late.set()
        with suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as reason:
        if late.is_set():
            raise TimeoutError(f"no whole answer in {seconds:g} seconds") from reason
        raise
    finally:
        timer.cancel()
    if late.is_set():  # an answer without a length seems whole where it was cut off
        raise TimeoutError(f"no whole answer in {seconds:g} seconds")


def forbidden(address: Address) -> bool:
    """Whether an address is link-local, a metadata service, or none that a server has."""
    inner = carried(address)
    if inner is not None:
        return forbidden(inner)
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA


def carried(address: Address) -> ipaddress.IPv4Address | None:
    """The address of IPv4 that one of IPv6 leads to: mapped, 6to4 (RFC 3056) or translated; None without."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _resolved(host: str, port: int) -> tuple[Address, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as reason:
        raise _refused("the host has no address", host, "check the name and the network") from reason
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for one in addresses:
        if forbidden(one):
            raise _refused("the host's address is not to be asked", f"{host}: {one}", "name another server")
    return tuple(dict.fromkeys(addresses))


def _connected(place: Place, seconds: float) -> socket.socket:
    for address in place.addresses[:-1]:
        try:
            return socket.create_connection((str(address), place.port), timeout=seconds)
        except OSError:  # the next may answer: a name often has one of each family
            continue
    return socket.create_connection((str(place.addresses[-1]), place.port), timeout=seconds)


def _refused(what: str, value: str, remedy: str) -> AncileError:
    return AncileError(what, value=plain(value), remedy=remedy)
