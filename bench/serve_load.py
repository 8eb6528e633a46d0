"""The two sides of the gateway in processes of their own: a model server that answers at once, and a client.

python serve_load.py server SCORES                a server of the Open Inference Protocol v2; prints its port
python serve_load.py chat                         a server of the chat protocol; likewise
python serve_load.py client PORT SECONDS FILE     16 connections in a closed loop; prints requests and failures
python serve_load.py probe PORT RATE SECONDS FILE one connection, open loop; prints the median seconds of an answer
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

CONNECTIONS = 16


class Server(asyncio.Protocol):
    """Answers every POST with the same scores and every GET with the metadata."""

    def __init__(self, shape: list[int]) -> None:
        tensor = {"name": "x", "datatype": "FP32", "shape": [-1, *shape]}
        metadata = {"name": "m", "platform": "stub", "inputs": [tensor], "outputs": []}
        scores = {"name": "scores", "datatype": "FP32", "shape": [1, 3], "data": [0.123456, 0.7, 0.176544]}
        self.metadata, self.scores = framed(metadata), framed({"model_name": "m", "outputs": [scores]})
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, end, rest = self.waiting.partition(b"\r\n\r\n")
        if not end or len(rest) < length(head):
            return
        self.waiting = b""
        self.transport.write(self.scores if head.startswith(b"POST") else self.metadata)


def chat() -> Server:
    """Answers every POST with the same words."""
    made = Server([])
    words = {"role": "assistant", "content": "The quick brown fox jumps over the lazy dog. " * 4}
    said = {"index": 0, "message": words, "finish_reason": "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": 40, "total_tokens": 60}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "stub"}
    made.scores = framed(head | {"choices": [said], "usage": usage})
    made.metadata = framed({"object": "list", "data": [{"id": "stub", "object": "model"}]})
    return made


class Client(asyncio.Protocol):
    """Sends the next request when the answer to the one before is whole."""

    def __init__(self, requests: list[bytes], at: int, tally: list[int], until: float) -> None:
        self.requests, self.at, self.tally, self.until = requests, at, tally, until
        self.waiting, self.done = b"", asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.next()

    def next(self) -> None:
        self.at = (self.at + 1) % len(self.requests)
        self.transport.write(self.requests[self.at])

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, end, rest = self.waiting.partition(b"\r\n\r\n")
        if not end or len(rest) < length(head):
            return
        self.waiting = b""
        self.tally[0 if head.startswith(b"HTTP/1.1 200") else 1] += 1
        if time.monotonic() < self.until:
            self.next()
        elif not self.done.done():
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.tally[1] += 1
            self.done.set_result(None)


def framed(document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)


def read_requests(path: Path) -> list[bytes]:
    data, found = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "big")
        found.append(data[8 : 8 + size])
        data = data[8 + size :]
    return found


def write_requests(path: Path, requests: list[bytes]) -> None:
    path.write_bytes(b"".join(len(one).to_bytes(8, "big") + one for one in requests))


async def client(port: int, seconds: float, requests: list[bytes]) -> None:
    tally, loop = [0, 0], asyncio.get_running_loop()
    until = time.monotonic() + seconds
    made = [
        await loop.create_connection(lambda n=n: Client(requests, 16 * n, tally, until), "127.0.0.1", port)
        for n in range(CONNECTIONS)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    print(*tally)


async def probe(port: int, rate: float, seconds: float, requests: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start, took = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(start + number / rate - time.perf_counter())
        began = time.perf_counter()
        writer.write(requests[number % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(length(head))
        took.append(time.perf_counter() - began)
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"not answered: {head[:60]!r}")
    print(statistics.median(took))


async def server(made_one: Callable[[], Server]) -> None:
    made = await asyncio.get_running_loop().create_server(made_one, "127.0.0.1", 0)
    print(made.sockets[0].getsockname()[1], flush=True)
    await made.serve_forever()


if __name__ == "__main__":
    import uvloop

    if sys.argv[1] == "server":
        shape = json.loads(sys.argv[2])
        uvloop.run(server(lambda: Server(shape)))
    elif sys.argv[1] == "chat":
        uvloop.run(server(chat))
    elif sys.argv[1] == "probe":
        uvloop.run(
            probe(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), read_requests(Path(sys.argv[5])))
        )
    else:
        uvloop.run(client(int(sys.argv[2]), float(sys.argv[3]), read_requests(Path(sys.argv[4]))))
