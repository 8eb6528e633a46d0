"""Leases over a socket between a worker and the process that started it: one question, one answer.

The worker has neither the stores' addresses nor their passwords. Whoever answers has as long as a store is
given (see ``broker``), so a store that hangs holds a worker up once, and not again before it answers.
"""

from __future__ import annotations

import socket
from contextlib import suppress

import msgspec

from ancile.serve.budgets import Cells, Unavailable

MOST_MESSAGE = 4096
NUMBER_BYTES = 4  # of a question, before it and its answer
PATIENCE_SECONDS = 2.0  # with the process that started this one: longer than it has with a store


class Take(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A block of a day."""

    who: str
    day: int
    limit: int


class Give(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The rest of one; nothing is answered."""

    who: str
    day: int
    unspent: int


class Ask(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Requests of a rate."""

    who: str
    rate: float
    burst: int
    want: int


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """What is answered; fewer than 0 where nobody can tell."""

    granted: int
    wait: float = 0.0


Question = Take | Give | Ask
QUESTION = msgspec.msgpack.Decoder(Question)
GRANT = msgspec.msgpack.Decoder(Grant)


class Leases:
    """Budgets and rates of several hosts, as a worker asks for them."""

    def __init__(self, asked: socket.socket) -> None:
        self._socket = asked
        self._number = 0
        asked.settimeout(PATIENCE_SECONDS)

    def take(self, who: str, day: int, *, limit: int) -> int:
        """A block; Unavailable where a store does not answer."""
        return self._answer(Take(who, day, limit)).granted

    def give(self, who: str, day: int, *, unspent: int) -> None:
        """Of the day that is counted now."""
        with suppress(Unavailable):
            self._send(Give(who, day, unspent))

    def cells(self, who: str, *, rate: float, burst: int, want: int) -> Cells:
        """Requests of a rate; Unavailable where the store does not answer."""
        grant = self._answer(Ask(who, rate, burst, want))
        return Cells(grant.granted, grant.wait)

    def close(self) -> None:
        """Ask nothing more."""
        self._socket.close()

    def _answer(self, question: Take | Ask) -> Grant:
        number = self._send(question)
        while True:
            try:
                data = self._socket.recv(MOST_MESSAGE)
            except OSError as reason:
                raise Unavailable(str(reason)) from reason
            if data[:NUMBER_BYTES] == number or not data:  # or it is late, and another question's
                break
        grant = GRANT.decode(data[NUMBER_BYTES:]) if data else Grant(-1)
        if grant.granted < 0:
            raise Unavailable
        return grant

    def _send(self, question: Question) -> bytes:
        self._number = (self._number + 1) % (1 << 8 * NUMBER_BYTES)
        number = self._number.to_bytes(NUMBER_BYTES, "big")
        try:
            self._socket.send(number + msgspec.msgpack.encode(question))
        except OSError as reason:
            raise Unavailable(str(reason)) from reason
        return number
