"""The parent's side of the administration: it starts the process, tries it as a stranger, and ends it."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from socket import socket

from ancile.core.errors import AncileError
from ancile.serve.admin.config import AdminConfig
from ancile.serve.admin.order import AdminOrder, Ready
from ancile.serve.child import end, started, word

START_SECONDS = 30.0
END_SECONDS = 15.0
STRANGER = 401
WELL_KNOWN = (80, 443)  # ports that a Host header leaves out


def hosts_of(config: AdminConfig, port: int) -> tuple[str, ...]:
    """Names under which it is asked; security keys are for the first, which is no address where it can be."""
    address = f"[{config.host}]" if ":" in config.host else config.host
    own = () if config.certificate else ("localhost",)
    names = [*config.names, *own, address]
    return tuple(f"{name}:{port}" for name in names) + (tuple(names) if port in WELL_KNOWN else ())


class Administration:
    """The process, until it is closed; AncileError where it does not start or lets strangers in.

    say     hears where it ends by itself: then nobody administers, and the gateway serves on
    url     of its page
    people  how many may log in
    """

    def __init__(self, order: AdminOrder, bound: socket, *, say: Callable[[str], None]) -> None:
        self._bound, self._say = bound, say
        self._end, self.people = self._start(order)
        scheme = "https" if order.config.admin.certificate else "http"
        self.url = f"{scheme}://{order.hosts[0]}"

    def renew(self, order: AdminOrder) -> None:
        """Another takes its place; it stays where that one does not start."""
        end, self.people = self._start(order)
        self._end()
        self._end = end

    def close(self) -> None:
        """Nobody administers any more."""
        self._bound.close()
        self._end()

    def _start(self, order: AdminOrder) -> tuple[Callable[[], None], int]:
        """What ends it, and how many may log in."""
        process = started("ancile.serve.admin.main", order, (self._bound.fileno(),))
        ending = threading.Event()

        def ended() -> None:
            ending.set()
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()
            end(process, END_SECONDS)

        try:
            ready = word(process, Ready, name="the administration", seconds=START_SECONDS)
            threading.Thread(target=_watch, args=(process, ending, self._say), daemon=True).start()
            _refuses_strangers(order)
        except BaseException:
            ended()
            raise
        return ended, ready.people


def _watch(process: subprocess.Popen[bytes], ending: threading.Event, say: Callable[[str], None]) -> None:
    process.wait()
    if not ending.is_set():
        say("the administration ended by itself; start `ancile serve` again to have it back")


def _refuses_strangers(order: AdminOrder) -> None:
    """A request of nobody must be refused by what listens there, or nothing is administered."""
    config, port = order.config.admin, order.port
    if config.certificate:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is our own socket
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            config.host, port, timeout=START_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(config.host, port, timeout=START_SECONDS)
    try:
        connection.request("GET", "/api/users", headers={"Host": order.hosts[0]})
        with connection.getresponse() as answer:
            status = answer.status
    except OSError as reason:
        raise _open(str(reason)) from reason
    finally:
        connection.close()
    if status != STRANGER:
        raise _open(f"status {status}")


def _open(told: str) -> AncileError:
    return AncileError(
        "the administration did not refuse a stranger",
        value=told,
        remedy="nothing is served; where certificate and key are right, tell the authors of ancile",
    )
