"""TLS of the listener: files that may change while it runs, and a budget of handshakes.

A handshake costs half a millisecond of CPU, a mutual one three times that: each address has a rate of them
(GCRA, as for requests), IPv6 by its /64, which is what one customer gets (RFC 6177).
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import sys
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain

HANDSHAKE_SECONDS = 5.0
GOODBYE_SECONDS = 5.0  # for the other side's close_notify
MOST_UNDER_WAY = 256
MOST_HELD = 1 << 20  # bytes that came with the end of a handshake; a head is far less
Stamp = tuple[tuple[int, int, int], ...]


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of the listener's TLS, and how many handshakes an address may ask for.

    certificate      of the gateway with its chain, PEM
    key              its private key, PEM, unencrypted
    client_ca        PEM of whoever signs client certificates: then nobody comes in without one
    handshakes       of one address a second
    handshake_burst  of one address at once
    """

    certificate: str
    key: str
    client_ca: str | None = None
    handshakes: float = 20.0
    handshake_burst: int = 200

    def __post_init__(self) -> None:
        if not (0 < self.handshakes <= 1e6 and 0 < self.handshake_burst <= 10**6):
            raise ValueError("handshakes and handshake_burst are above 0")

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return (self.certificate, self.key, *([self.client_ca] if self.client_ca else []))


class Tls:
    """The context in force, and the budget of handshakes."""

    def __init__(self, config: TlsConfig) -> None:
        self._config = config
        self._stamp = _stamp(config)
        self.context = context_of(config)
        self._arrivals: dict[str, float] = {}
        self.under_way = 0

    def admits(self, address: str, now: float) -> bool:
        """Whether the address may have one more handshake now."""
        if self.under_way >= MOST_UNDER_WAY:
            return False
        block, interval = _block(address), 1.0 / self._config.handshakes
        arrival = max(self._arrivals.get(block, 0.0), now)
        if arrival - now > (self._config.handshake_burst - 1) * interval + 1e-9:
            return False
        self._arrivals[block] = arrival + interval
        return True

    def tick(self, now: float) -> None:
        """Once a second: forget addresses that are at rest, and take over files that changed."""
        for block in [one for one, arrival in self._arrivals.items() if arrival <= now]:
            del self._arrivals[block]
        try:
            stamp = _stamp(self._config)
        except AncileError:  # between the two halves of a change
            return
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.context = context_of(self._config)
        except AncileError as error:
            sys.stderr.write(f"ancile: the certificate stays as it was: {error}\n")
            sys.stderr.flush()


def context_of(config: TlsConfig) -> ssl.SSLContext:
    """TLS 1.2 or later with these files; AncileError for what is no certificate with its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(config.certificate, config.key, password=_no_password)
        if config.client_ca is not None:
            context.load_verify_locations(config.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as reason:
        raise AncileError(
            "the certificate of the listener cannot be used",
            value=plain(f"{', '.join(config.files)}: {reason}"),
            remedy="give PEM files: a certificate with its chain, its own unencrypted key, a CA for clients",
        ) from reason
    return context


def certificate_of(transport: asyncio.BaseTransport) -> str:
    """The one URI in a verified client certificate's alternative names; empty for none or several."""
    shown = transport.get_extra_info("peercert")  # empty unless it was verified
    names = shown.get("subjectAltName", ()) if isinstance(shown, dict) else ()
    found = [str(value) for kind, value in names if kind == "URI"]
    return found[0] if len(found) == 1 else ""


class Guarded(Protocol):
    """The door that connections come to."""

    draining: bool
    knocking: set[asyncio.Task[None]]


class Knock(asyncio.Protocol):
    """A connection until its handshake is done; then the protocol that is spoken ``inside`` takes over."""

    def __init__(
        self,
        door: Guarded,
        tls: Tls,
        inside: asyncio.Protocol,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._door, self._tls, self._inside, self._loop = door, tls, inside, loop
        self._held, self._handed_over = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake where its address has one left."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        below = cast("asyncio.Transport", transport)
        if self._door.draining or not self._tls.admits(address, self._loop.time()):
            below.abort()
            return
        self._tls.under_way += 1
        task = self._loop.create_task(self._shake(below))  # one for a connection, none for a request
        self._door.knocking.add(task)
        task.add_done_callback(partial(self._done, below))

    def data_received(self, data: bytes) -> None:
        """Keep what comes right behind the handshake."""
        if len(self._held) < MOST_HELD:
            self._held += data

    def _done(self, below: asyncio.Transport, task: asyncio.Task[None]) -> None:
        self._tls.under_way -= 1
        self._door.knocking.discard(task)
        if not self._handed_over:  # failed, or was cancelled before it began
            below.abort()

    async def _shake(self, below: asyncio.Transport) -> None:
        try:
            inner = await self._loop.start_tls(
                below,
                self,
                self._tls.context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=GOODBYE_SECONDS,
            )
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError; whoever fails here is nobody yet
            return
        if inner is None:
            return
        self._handed_over = True
        inner.set_protocol(self._inside)
        self._inside.connection_made(inner)
        if self._held:
            self._inside.data_received(self._held)


def _no_password() -> str:
    """Asked for where a key is encrypted: nobody is there to type it, and OpenSSL would ask the terminal."""
    raise ValueError("the key is encrypted")


def _block(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _stamp(config: TlsConfig) -> Stamp:
    try:
        found = [Path(name).stat() for name in config.files]
    except OSError as reason:
        raise AncileError(
            "the certificate of the listener cannot be read",
            value=plain(f"{reason.filename}: {reason.strerror}"),
            remedy="give PEM files with --tls-cert and --tls-key",
        ) from reason
    return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)
