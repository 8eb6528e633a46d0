"""The workers of a gateway: started together, each replaced when it ends, ended together.

They share one listening socket, so that no connection is lost with one of them: what none has accepted yet,
another does. See ``handover`` for which of them serves whom.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from socket import socket

import msgspec

from ancile.core.errors import AncileError
from ancile.serve.child import end, has_word, started, word
from ancile.serve.handover import inboxes
from ancile.serve.worker import Order, Serving

START_SECONDS = 300.0  # a large model on a slow disk, and a reference set to learn from
END_SECONDS = 20.0  # the worker's own drain is half of it
MOST_ENDS, ENDS_SECONDS = 5, 60.0  # of one gateway: more in that time, and nothing is served any more


class Worker:
    """A process that serves.

    passed  descriptors that it has by their numbers
    """

    def __init__(self, order: Order, passed: Sequence[int]) -> None:
        self._process = started("ancile.serve.worker", order, passed)
        self.pid = self._process.pid

    def has_word(self, seconds: float) -> bool:
        """Whether it says something within that time."""
        return has_word(self._process, seconds)

    def word(self) -> Serving:
        """That it serves, as it has said; AncileError where it said why not, or nothing."""
        return word(self._process, Serving, name="the gateway's worker", seconds=0.0)

    def ended(self) -> str:
        """How it ended; empty while it runs."""
        code = self._process.poll()
        if code is None:
            return ""
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def terminate(self) -> None:
        """Ask it to drain."""
        self._process.terminate()

    def end(self) -> None:
        """Wait for its end; it is killed where it takes too long."""
        end(self._process, END_SECONDS)


class Crew:
    """All workers of a gateway.

    order  of each, but for its place among them
    left   hears the process id of one that ended, before another takes its place
    say    hears of it in words
    lend   makes the socket that a worker asks for budgets at, where it counts none itself
    """

    def __init__(
        self,
        order: Order,
        bound: socket,
        *,
        count: int,
        left: Callable[[int], None],
        say: Callable[[str], None],
        lend: Callable[[], socket] | None = None,
    ) -> None:
        self._order, self._bound, self._left, self._say, self._lend = order, bound, left, say, lend
        self._inboxes = inboxes(count)
        self._workers: list[Worker] = []
        self._starting: set[int] = set()
        self._words: dict[int, Serving] = {}
        self._due = time.monotonic() + START_SECONDS
        self._ends: deque[float] = deque(maxlen=MOST_ENDS)
        try:
            for index in range(count):
                self._workers.append(self._start(index))
        except BaseException:
            self.end()
            raise

    def _start(self, index: int) -> Worker:
        order = self._order
        if self._inboxes:
            order = msgspec.structs.replace(
                order,
                index=index,
                inboxes=tuple(write.fileno() for write, _ in self._inboxes),
                own=self._inboxes[index][1].fileno(),
            )
        passed = [self._bound.fileno(), *order.inboxes, *([order.own] if order.inboxes else [])]
        if self._lend is None:
            return Worker(order, passed)
        with self._lend() as lent:
            order = msgspec.structs.replace(order, leases=lent.fileno())
            return Worker(order, [*passed, lent.fileno()])

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of those that there are now."""
        return frozenset(worker.pid for worker in self._workers)

    def words(self) -> Serving:
        """What the first says, once all serve."""
        while True:
            said = self.word(START_SECONDS)
            if said is not None:
                return said

    def word(self, seconds: float = 0.0) -> Serving | None:
        """The same without waiting for longer than that; None while one has not said yet that it serves."""
        for index, worker in enumerate(self._workers):
            late = time.monotonic() > self._due
            if index not in self._words and (worker.has_word(seconds) or late):
                self._words[index] = worker.word()
        return self._words[0] if len(self._words) == len(self._workers) else None

    def look(self) -> None:
        """Replace whoever ended; AncileError where that happens too often, or a successor cannot serve."""
        for index in [one for one in self._starting if self._workers[one].has_word(0)]:
            self._starting.discard(index)
            self._workers[index].word()
        for index, worker in enumerate(self._workers):
            if how := worker.ended():
                self._replace(index, worker, how)

    def _replace(self, index: int, worker: Worker, how: str) -> None:
        worker.end()
        self._left(worker.pid)
        self._ends.append(time.monotonic())
        if len(self._ends) == MOST_ENDS and self._ends[-1] - self._ends[0] < ENDS_SECONDS:
            raise AncileError(
                "the gateway's workers end one after the other",
                value=how,
                remedy="see what they said above; their records are in the ledger",
            )
        self._say(f"a worker ended: {how}; another takes its place")
        self._workers[index] = self._start(index)
        self._starting.add(index)

    def leave(self) -> None:
        """Take nothing new, answer what runs, and end: ``gone`` says once they have."""
        self._due = time.monotonic() + END_SECONDS
        for worker in self._workers:
            worker.terminate()

    def gone(self) -> bool:
        """Whether all have ended; those that take too long are killed."""
        if time.monotonic() < self._due and not all(worker.ended() for worker in self._workers):
            return False
        self.end()
        for worker in self._workers:
            self._left(worker.pid)
        return True

    def end(self) -> None:
        """All drain at a time."""
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.end()
        for pair in self._inboxes:
            for one in pair:
                one.close()
