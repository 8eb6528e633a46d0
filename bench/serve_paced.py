"""A bare pass-through on the gateway's stack, and a client that asks at a steady pace.

python serve_paced.py pass PORT               forwards each request to PORT over kept connections; prints its port
python serve_paced.py ask SECONDS FILE PORT…  200 requests a second to each, in turn, over 8 connections; prints microseconds

The pass-through parses both sides with httptools in uvloop protocols and does nothing else: no key, no record.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from pathlib import Path
from typing import cast

import httptools
import uvloop

from serve_load import length, read_requests

RATE, CONNECTIONS = 200.0, 8
SPIN_SECONDS = 0.0015  # sleeping is exact to a millisecond


class Upstream(asyncio.Protocol):
    """A connection to the server; it writes to whoever asked last."""

    def __init__(self, idle: list[Upstream]) -> None:
        self.idle = idle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, asker: Front, request: bytes) -> None:
        self.asker, self.pieces, self.parser = asker, [], httptools.HttpResponseParser(self)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.idle.append(self)
        body = b"".join(self.pieces)
        self.asker.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


class Front(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, idle: list[Upstream]) -> None:
        self.idle = idle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.pieces, self.target = cast("asyncio.Transport", transport), [], b""
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.target = url

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        body, self.pieces = b"".join(self.pieces), []
        head = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (self.target, len(body))
        self.idle.pop().ask(self, head + body)


async def passing(port: int) -> None:
    loop, idle = asyncio.get_running_loop(), []
    for _ in range(2 * CONNECTIONS):
        _, made = await loop.create_connection(lambda: Upstream(idle), "127.0.0.1", port)
        idle.append(made)
    server = await loop.create_server(lambda: Front(idle), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def asking(seconds: float, requests: list[bytes], ports: list[int]) -> list[list[float]]:
    """Microseconds of each request, from when it was due, for each port."""
    made = [[socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)] for port in ports]
    for one in (one for some in made for one in some):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    took: list[list[float]] = [[] for _ in ports]
    due = time.perf_counter() + 0.05
    for number in range(int(seconds * RATE)):
        for one, times in zip(made, took, strict=True):
            due += 1 / RATE / len(ports)
            time.sleep(max(0.0, due - time.perf_counter() - SPIN_SECONDS))
            while time.perf_counter() < due:
                pass
            times.append(asked(one[number % CONNECTIONS], requests[number % len(requests)], due))
    return took


def asked(made: socket.socket, request: bytes, due: float) -> float:
    made.sendall(request)
    came = b""
    while not (end := came.partition(b"\r\n\r\n"))[1] or len(end[2]) < length(end[0]):
        came += made.recv(1 << 16)
    if not came.startswith(b"HTTP/1.1 200"):
        sys.exit(f"not answered: {came[:100]!r}")
    return (time.perf_counter() - due) * 1e6


if __name__ == "__main__":
    if sys.argv[1] == "pass":
        uvloop.run(passing(int(sys.argv[2])))
    else:
        wanted = read_requests(Path(sys.argv[3]))
        print(json.dumps(asking(float(sys.argv[2]), wanted, [int(port) for port in sys.argv[4:]])))
