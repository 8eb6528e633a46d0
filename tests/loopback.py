"""Servers on loopback for tests, which end with the block or the call that says so."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def free_port() -> int:
    """A port that nobody listens on, for whoever cannot be given 0; the system hands none of these out."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def web(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server that answers each connection in a thread of its own, and writes nothing to stderr."""
    quiet = type("Quiet", (handler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Listener:
    """Serves each connection in a thread of its own, until it is closed; a client that leaves is no fault."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._serving: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                made, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(made)
            self._serving.append(threading.Thread(target=self._served, args=(made,)))
            self._serving[-1].start()

    def _served(self, made: socket.socket) -> None:
        with made, suppress(OSError):
            self._serve(made)

    def close(self) -> None:
        """End every connection; a second time is none too many."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._accepting.join()  # from here on nothing is opened
        self._socket.close()
        for made in self._open:
            with suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
        for thread in self._serving:
            thread.join(10)
