"""A door on loopback in a thread of its own, and raw bytes to it, for tests and for nothing else."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ancile.serve.door import Door
from ancile.serve.framing import Connection
from ancile.serve.limits import Limits
from ancile.serve.refusal import JSON, Refused
from ancile.serve.tls import Tls


class Echo:
    """Answers with the body; what it was told is kept."""

    def __init__(self, judge: Callable[[Connection], Refused | None] = lambda _: None) -> None:
        self.served: list[tuple[bytes, bytes, bytes]] = []
        self.refusals: list[int] = []
        self.left = 0
        self._judge = judge

    def admit(self, exchange: Connection) -> Refused | None:
        return self._judge(exchange)

    def serve(self, exchange: Connection) -> None:
        self.served.append((exchange.method, exchange.target, exchange.body))
        exchange.answer(200, JSON, exchange.body)

    def refused(self, _: Connection, refusal: Refused) -> None:
        self.refusals.append(refusal.status)

    def gone(self, _: Connection) -> None:
        self.left += 1


class Slow(Echo):
    """Holds every request until it is released, or its client is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()
        self.went = threading.Event()
        self.waiting: list[Connection] = []

    def serve(self, exchange: Connection) -> None:
        self.waiting.append(exchange)
        self.came.set()

    def gone(self, _: Connection) -> None:
        self.went.set()


class Opened:
    """A door that is open, and the loop that it turns in."""

    def __init__(self, service: Echo, limits: Limits, tls: Tls | None) -> None:
        self.loop = asyncio.new_event_loop()
        self.door = Door(service, limits=limits, loop=self.loop, tick=lambda _: None, tls=tls)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.loop.run_until_complete(self.door.open(self._socket))
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self._closed = False

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        asyncio.run_coroutine_threadsafe(self.door.drain(), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        for _ in range(8):  # what was accepted last comes to its end
            self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def ask(self, data: bytes) -> bytes:
        """What comes back until the other side is silent or closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as client:
            client.sendall(data)
            return all_of(client)


def all_of(client: socket.socket) -> bytes:
    """Bytes until the other side closes."""
    came = b""
    while True:
        try:
            piece = client.recv(1 << 16)
        except ConnectionResetError:
            return came
        if not piece:
            return came
        came += piece


@contextmanager
def opened(service: Echo, limits: Limits | None = None, tls: Tls | None = None) -> Iterator[Opened]:
    """A door in front of a service, closed at the end."""
    one = Opened(service, limits or Limits(), tls)
    try:
        yield one
    finally:
        one.close()
