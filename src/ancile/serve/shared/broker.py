"""The one that asks the stores: a loop in a thread of the process that started the workers.

A store that does not answer in time is asked nothing more until it answers again, which is tried in the
background; every question meanwhile is answered at once: nobody can tell.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar

import msgspec

from ancile.serve.shared.leases import MOST_MESSAGE, NUMBER_BYTES, QUESTION, Ask, Give, Grant, Question, Take
from ancile.serve.shared.store import Store

STORE_SECONDS = 0.5  # that an answer may take
AGAIN_SECONDS = 0.5
NOBODY = Grant(-1)
T = TypeVar("T")


class _Watched:
    """A store, and whether it answers."""

    def __init__(self, store: Store, say: Callable[[str], None], name: str) -> None:
        self.store, self._say, self._name = store, say, name
        self._trying: asyncio.Task[None] | None = None

    async def ask(self, what: Callable[[Store], Coroutine[Any, Any, T]]) -> T | None:
        """Its answer; None where it gives none."""
        if self._trying is not None:
            return None
        asked = asyncio.create_task(what(self.store))
        await asyncio.wait([asked], timeout=STORE_SECONDS)
        if asked.done():
            with suppress(OSError, TimeoutError):
                return asked.result()
        asked.cancel()  # and nobody waits for that: what hangs may take its time to be cancelled
        if self._trying is None:
            self._say(f"{self._name} does not answer: requests that need it are refused until it does")
            self._trying = asyncio.create_task(self._try())
        return None

    async def _try(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(STORE_SECONDS):
                    await self.store.ping()
                break
        self._say(f"{self._name} answers again")
        self._trying = None


class Broker:
    """Answers workers; use it in a ``with``.

    say  hears when a store stops answering, and when it does again
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._days: _Watched | None = None
        self._rates: _Watched | None = None
        self._serving: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, what: Coroutine[Any, Any, T]) -> T:
        """What it returns, done in the broker's loop."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def use(self, *, days: Store, rates: Store | None) -> None:
        """Count days in one store, and rates in one."""
        self._days = _Watched(days, self._say, "the store of budgets")
        if rates is days:
            self._rates = self._days
        elif rates is not None:
            self._rates = _Watched(rates, self._say, "the store of rates")

    def channel(self) -> socket.socket:
        """The end that a worker asks at; whoever has it closes it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._loop.call_soon_threadsafe(self._attend, ours)
        return theirs

    def _attend(self, ours: socket.socket) -> None:
        task = self._loop.create_task(self._serve(ours))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        task.add_done_callback(lambda _: ours.close())  # also of one that ended before it began

    async def _serve(self, ours: socket.socket) -> None:
        with suppress(OSError, msgspec.MsgspecError):  # a worker that ended, or is none any more
            while data := await self._loop.sock_recv(ours, MOST_MESSAGE):
                number, question = data[:NUMBER_BYTES], QUESTION.decode(data[NUMBER_BYTES:])
                grant = await self.answer(question)
                if grant is not None:
                    await self._loop.sock_sendall(ours, number + msgspec.msgpack.encode(grant))

    async def answer(self, question: Question) -> Grant | None:
        """What a worker is told; None where it waits for nothing."""
        store = self._rates if isinstance(question, Ask) else self._days
        if store is None:
            return NOBODY
        match question:
            case Take(who, day, limit):
                granted = await store.ask(lambda one: one.take(who, day, limit=limit))
                return NOBODY if granted is None else Grant(granted)
            case Give(who, day, unspent):
                await store.ask(lambda one: one.give(who, day, unspent=unspent))
                return None
            case Ask(who, rate, burst, want):
                cells = await store.ask(lambda one: one.cells(who, rate=rate, burst=burst, want=want))
                return NOBODY if cells is None else Grant(cells.granted, cells.wait)

    async def _end(self) -> None:
        own = asyncio.current_task()
        tasks = [one for one in asyncio.all_tasks() if one is not own]
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for watched in {self._days, self._rates} - {None}:
            if watched is not None:
                with suppress(OSError, TimeoutError):
                    await watched.store.close()
