"""A small web server on the loopback for the tests of fetching."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple


class Answer(NamedTuple):
    """What the server says to one path."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Site(NamedTuple):
    """A running server: its address and the paths that were asked for."""

    url: str
    asked: list[str]


@contextmanager
def serving(answers: Mapping[str, Answer]) -> Iterator[Site]:
    """A server that gives these answers by path, else 404."""
    asked: list[str] = []

    class Speak(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = answers.get(self.path, Answer(404))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has in http.server
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Speak) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Site(f"http://127.0.0.1:{server.server_port}", asked)
        finally:
            server.shutdown()
            thread.join()
