"""TLS of the listener: files that may change while it runs, and a budget of handshakes.

A handshake costs half a millisecond of CPU, a mutual one three times that: each address has a rate of them
(GCRA, as for requests), IPv6 by its /64, which is what one customer gets (RFC 6177).
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from socket import socket

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.tls_config import TlsConfig

HANDSHAKE_SECONDS = 5.0
GOODBYE_SECONDS = 5.0  # for the other side's close_notify
MOST_UNDER_WAY = 256
BACKLOG = 1024
ACCEPTED = 64  # connections at a time, before others have their turn
Stamp = tuple[tuple[int, int, int], ...]


class Tls:
    """The context in force, and the budget of handshakes."""

    def __init__(self, config: TlsConfig) -> None:
        self._config = config
        self._stamp = _stamp(config)
        self.context = context_of(config)
        self._arrivals: dict[str, float] = {}

    def admits(self, address: str, now: float) -> bool:
        """Whether the address may have one more handshake now."""
        block, interval = block_of(address), 1.0 / self._config.handshakes
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
        if config.client_ca:
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


class Handshakes:
    """Accepts connections for a listener with TLS, as many as their addresses have handshakes.

    listening  bound; it is closed with ``close``
    made       the protocol that is spoken inside
    """

    def __init__(
        self,
        listening: socket,
        tls: Tls,
        made: Callable[[], asyncio.Protocol],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._listening, self._tls, self._made, self._loop = listening, tls, made, loop
        self._under_way: set[asyncio.Task[None]] = set()
        self._open = True
        listening.setblocking(False)
        listening.listen(BACKLOG)
        self._listen()

    def _listen(self) -> None:
        self._listens = True
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        """Take what waits; over its budget an address costs an accept and a close."""
        for _ in range(ACCEPTED):
            try:
                came, address = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError:  # no descriptors are left: it is tried again with the next sweep
                self._listens = False
                self._loop.remove_reader(self._listening.fileno())
                return
            if len(self._under_way) >= MOST_UNDER_WAY or not self._tls.admits(
                str(address[0]), self._loop.time()
            ):
                came.close()
                continue
            task = self._loop.create_task(self._shake(came))  # one for a connection, none for a request
            self._under_way.add(task)
            task.add_done_callback(partial(self._shaken, came))

    async def _shake(self, came: socket) -> None:
        with suppress(OSError, TimeoutError):  # ssl.SSLError is an OSError; whoever fails here is nobody yet
            await self._loop.connect_accepted_socket(
                self._made,
                came,
                ssl=self._tls.context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=GOODBYE_SECONDS,
            )

    def _shaken(self, came: socket, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if task.cancelled():  # perhaps before it began
            came.close()

    def tick(self, now: float) -> None:
        """Once a second."""
        self._tls.tick(now)
        if self._open and not self._listens:
            self._listen()

    async def close(self) -> None:
        """Accept nothing more, and end the handshakes that are under way."""
        self._open = False
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)


def _no_password() -> str:
    """Asked for where a key is encrypted: nobody is there to type it, and OpenSSL would ask the terminal."""
    raise ValueError("the key is encrypted")


def block_of(address: str) -> str:
    """The address, or the /64 that one customer has of IPv6."""
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
