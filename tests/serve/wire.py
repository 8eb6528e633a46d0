"""A transport that keeps what is written to it, for tests of connections without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ancile.serve.door import Door
from ancile.serve.framing import Connection


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name == "peername" else default


def wire_of(connection: Connection, door: Door, pieces: Iterable[bytes]) -> Wire:
    """What a connection wrote that got these pieces, one a turn, until it closed."""
    wire = Wire()
    connection.connection_made(wire)
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
            door.turn.flush()
    connection.connection_lost(None)
    return wire
