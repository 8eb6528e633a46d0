"""What strangers send to the gateway: bytes of a connection, and bodies of requests."""

from __future__ import annotations

import asyncio
import io
from contextlib import redirect_stderr

from ancile.serve.door import Door
from ancile.serve.framing import Connection
from ancile.serve.inference import parse_answer, parse_request
from ancile.serve.limits import Limits
from ancile.serve.refusal import JSON, Refused

PIECES = b"|cut|"  # between what comes at a time


class _Echo:
    """Answers at once."""

    def admit(self, exchange: Connection, /) -> Refused | None:
        return Refused(401, "no") if b"x-refuse" in exchange.headers else None

    def serve(self, exchange: Connection, /) -> None:
        exchange.answer(200, JSON, exchange.body)

    def refused(self, _exchange: Connection, _refusal: Refused, /) -> None:
        """Nothing is counted."""

    def gone(self, _exchange: Connection, /) -> None:
        """Nobody waits."""


class _Wire(asyncio.Transport):
    """Takes what is written."""

    closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closed and data:
            raise RuntimeError("written to after the end")

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def connection(data: bytes) -> None:
    """Bytes that come on a connection, in pieces; nothing but an answer or its end comes of them."""
    loop, told = asyncio.new_event_loop(), io.StringIO()
    try:
        with redirect_stderr(told):
            one = Connection(Door(_Echo(), limits=Limits(), loop=loop, tick=lambda _: None), _Echo(), loop)
            wire = _Wire()
            one.connection_made(wire)
            for piece in data.split(PIECES):
                if piece and not wire.closed:
                    one.data_received(piece)
            one.connection_lost(None)
    finally:
        loop.close()
    if told.getvalue():  # where a bug is told
        raise RuntimeError(told.getvalue())


def body(data: bytes) -> None:
    """A request's body or an upstream's answer, with the length of its JSON part before it."""
    length, _, rest = data.partition(b"\n")
    for parse in (parse_request, parse_answer):
        for given in (length, None):
            try:
                parse(rest, given)
            except Refused:
                continue
