"""The listening socket: who comes in, one sweep a second over all deadlines, and the way out on SIGTERM."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from socket import socket

from ancile.serve.framing import Connection
from ancile.serve.handover import Handed, Siblings
from ancile.serve.limits import Limits
from ancile.serve.service import Service
from ancile.serve.tls import BACKLOG, Handshakes, Tls, block_of
from ancile.serve.turn import Turn

SWEEP_SECONDS = 1.0
DRAIN_SECONDS = 10.0  # that running requests have once the end was asked for
POLL_SECONDS = 0.02


class Door:
    """All connections of one listener; ``open`` it, then ``drain`` it.

    tick      called once a sweep, with the loop's time
    tls       where connections begin with a handshake
    siblings  the other workers, where there are any
    """

    def __init__(
        self,
        service: Service,
        *,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        tick: Callable[[float], None],
        tls: Tls | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self.limits = limits
        self.draining = False
        self.date, self.turn = b"", Turn(loop)
        self._service, self._loop, self._tick = service, loop, tick
        self._tls, self._siblings = tls, siblings
        self._inside: set[Connection] = set()
        self._addresses: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._handshakes: Handshakes | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, listening: socket) -> None:
        """Accept connections on a bound socket."""
        self._sweep()
        if self._tls is not None:
            self._handshakes = Handshakes(listening, self._tls, self._made, self._loop)
        else:
            self._server = await self._loop.create_server(self._made, sock=listening, backlog=BACKLOG)
        if self._siblings is not None:
            self._siblings.listen(self._take)

    def _made(self) -> Connection:
        return Connection(self, self._service, self._loop)

    async def _take(self, given: socket, handed: Handed) -> None:
        """A connection that another worker began."""
        if self.draining:
            given.close()
            return
        made = lambda: Connection(self, self._service, self._loop, handed)  # noqa: E731 - asyncio wants a factory
        with suppress(OSError):  # its client has left meanwhile
            await self._loop.connect_accepted_socket(made, given)

    def hand(self, worker: int, transport: asyncio.Transport, handed: Handed) -> bool:
        """Whether another worker has taken a connection over."""
        return self._siblings is not None and self._siblings.hand(worker, transport, handed)

    def enter(self, connection: Connection) -> bool:
        """Whether there is room for it, in all and for its address."""
        self._inside.add(connection)
        block = block_of(connection.address)
        self._addresses[block] += 1
        return (
            len(self._inside) <= self.limits.connections
            and self._addresses[block] <= self.limits.connections_per_address
        )

    def leave(self, connection: Connection) -> None:
        """It is closed; addresses without connections are forgotten."""
        self._inside.discard(connection)
        block = block_of(connection.address)
        self._addresses[block] -= 1
        if self._addresses[block] <= 0:
            del self._addresses[block]

    @property
    def busy(self) -> int:
        """Requests under way."""
        return sum(connection.busy for connection in self._inside)

    def _sweep(self) -> None:
        # First, as no fault below may leave deadlines unkept and keys that were taken back unread.
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        self.date = f"Date: {formatdate(time.time(), usegmt=True)}\r\n".encode()
        now = self._loop.time()
        for connection in [one for one in self._inside if one.due < now]:
            connection.end()
        if self._handshakes is not None:
            self._handshakes.tick(now)
        self._tick(now)

    async def drain(self) -> None:
        """Accept nothing more, answer what runs, close what is idle."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        if self._handshakes is not None:
            await self._handshakes.close()
        for connection in list(self._inside):
            connection.end_if_idle()
        end = self._loop.time() + DRAIN_SECONDS
        while self.busy and self._loop.time() < end:  # noqa: ASYNC110 - once, at the very end
            await asyncio.sleep(POLL_SECONDS)
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._inside):
            connection.end()
