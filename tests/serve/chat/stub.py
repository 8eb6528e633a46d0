"""A chat server whose answers are a function of the request, a piece at a time; for tests and nothing else."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests.loopback import Listener

Reply = Callable[[dict[str, Any]], Iterable[bytes]]
MODELS = {"object": "list", "data": [{"id": "m", "object": "model"}, {"id": "secret", "object": "model"}]}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def framed(document: object, status: str = "200 OK", more: str = "") -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def whole(asked: dict[str, Any]) -> bytes:
    """An answer in one piece."""
    message = {"role": "assistant", "content": "hello"}
    return framed(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    )


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(content: str, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    said = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(said | more).encode() + b"\n\n"


def streamed(*words: str) -> list[bytes]:
    """An answer as events, the last of which tells the tokens."""
    pieces = [chunk(event(word)) for word in words]
    return [STREAM, *pieces, chunk(event("", choices=[], usage=USAGE) + b"data: [DONE]\n\n"), b"0\r\n\r\n"]


class Server:
    """Keeps the heads and bodies that it was sent."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked, self.heads = reply, list[dict[str, Any]](), list[bytes]()
        self.closed = threading.Event()  # a client that left before its answer was whole
        self._listener = Listener(self._serve)
        self.url, self.close = self._listener.url, self._listener.close

    def _serve(self, made: socket.socket) -> None:
        with made.makefile("rb") as lines:
            while line := lines.readline():
                head = [line]
                while (line := lines.readline()).strip():
                    head.append(line)
                length = next((int(x[16:]) for x in head if x.lower().startswith(b"content-length: ")), 0)
                body = lines.read(length)
                if head[0].startswith(b"GET"):
                    made.sendall(framed(MODELS))
                    continue
                self.heads.append(b"".join(head))
                self.asked.append(json.loads(body))
                try:
                    for piece in self.reply(self.asked[-1]):
                        made.sendall(piece)
                except OSError:
                    self.closed.set()
                    return


@contextmanager
def server(reply: Reply) -> Iterator[Server]:
    with closing(Server(reply)) as made:
        yield made
