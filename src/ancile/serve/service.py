"""What a connection stands between: the door that it came through, and the service that answers it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from ancile.serve.handover import Handed
from ancile.serve.limits import Limits
from ancile.serve.refusal import Refused
from ancile.serve.turn import Turn

if TYPE_CHECKING:
    from ancile.serve.framing import Connection


class Flow(Protocol):
    """Where a streamed answer comes from."""

    def pause(self) -> None:
        """The client does not read: send no more for now."""

    def resume(self) -> None:
        """It has read."""


class Service(Protocol):
    """What is behind the framing; every method is plain and returns at once."""

    def admit(self, exchange: Connection, /) -> Refused | None:
        """Judge the head alone, before a byte of the body is kept."""

    def serve(self, exchange: Connection, /) -> None:
        """Answer a whole request, now or later, by ``exchange.answer``."""

    def refused(self, exchange: Connection, refusal: Refused, /) -> None:
        """Note a request that was refused for its framing or its size."""

    def gone(self, exchange: Connection, /) -> None:
        """The client left before its answer."""


class Keeper(Protocol):
    """The door that a connection came through."""

    limits: Limits
    draining: bool
    date: bytes
    turn: Turn

    def enter(self, connection: Connection) -> bool:
        """Whether there is room for it."""

    def leave(self, connection: Connection) -> None:
        """It is closed, or another worker's."""

    def hand(self, worker: int, transport: asyncio.Transport, handed: Handed) -> bool:
        """Whether another worker has taken the connection over."""
