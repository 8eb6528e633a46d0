"""A small web server on the loopback for the tests of fetching."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple

from tests.loopback import web


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

    class Speak(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = answers.get(self.path, Answer(404))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

    with web(Speak) as url:
        yield Site(url, asked)
