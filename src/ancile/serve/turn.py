"""What one turn of the event loop writes, written at its end.

On a machine that is busy a write lets its reader run at once in our place, so that one answer at a time would
be worked on: together they cost a tenth less a request (bench/serve_overhead.py). At its end means before the
loop waits again.
"""

from __future__ import annotations

import asyncio


class Turn:
    """Writes in the order in which they are given; ``flush`` before anything else happens to a transport."""

    __slots__ = ("_loop", "_writes")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._writes: list[tuple[asyncio.Transport, bytes]] = []

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write this at the end of this turn."""
        if not self._writes:
            self._loop.call_soon(self.flush)
        self._writes.append((transport, data))

    def flush(self) -> None:
        """Write now; a transport that was closed meanwhile takes nothing."""
        writes, self._writes = self._writes, []
        for transport, data in writes:
            if not transport.is_closing():
                transport.write(data)
