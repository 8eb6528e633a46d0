"""What every service behind the door does alike: it lets in, counts refusals, records before it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from time import perf_counter

from ancile.core.errors import AncileError
from ancile.serve.admission import Admission
from ancile.serve.call import Call, Settings
from ancile.serve.framing import Connection
from ancile.serve.inference import Message
from ancile.serve.journal import Journal
from ancile.serve.keys import Users
from ancile.serve.record import Counted, VerdictRecord, framing_refusal, line_of
from ancile.serve.refusal import Refused
from ancile.serve.routes import Route, route_of
from ancile.serve.telemetry.watch import Watch

GONE = 499  # nginx's number for a client that left before its answer
CROWDED = Refused(429, "too many requests at a time", retry_after=1)
UNRECORDED = Refused(503, "the record cannot be written; nothing is served without", retry_after=5)


class Front:
    """Admission, record, and what is done once a second.

    models  that are served
    routes  of the protocol
    """

    def __init__(
        self,
        users: Users,
        journal: Journal,
        settings: Settings,
        watch: Watch,
        *,
        models: Collection[str],
        routes: Callable[[bytes, bytes], Route | None] = route_of,
    ) -> None:
        self._journal, self._watch = journal, watch
        self._counted = Counted(journal.add, watch.counted)
        self._digests = settings.digests
        self._admission = Admission(users, settings, models, self._counted, routes=routes)
        self._digest_key = users.hash(b"digests of inputs")

    def admit(self, exchange: Connection, /) -> Refused | None:
        """Who asks, for what, and whether there is something left for them."""
        since = perf_counter()
        found = self._admission.judge(exchange)
        if isinstance(found, Refused):
            self._watch.refused(exchange, found.status)
            return found
        if self._journal.full:
            return UNRECORDED
        found.spent = perf_counter() - since
        exchange.held = found
        return None

    def refused(self, exchange: Connection, refusal: Refused, /) -> None:
        """A request that was none is counted."""
        self._watch.refused(exchange, refusal.status)
        self._counted.add(framing_refusal(refusal.status))

    def _begun(self, exchange: Connection) -> Call:
        """The call of a request whose body is there."""
        call = exchange.held
        if not isinstance(call, Call):
            raise TypeError("a request that was not admitted")
        call.came = call.since = perf_counter()
        self._watch.begin(exchange, call)
        return call

    def _record(self, call: Call, status: int, *, tokens: tuple[int, int] = (0, 0), count: int = 1) -> None:
        """Write the verdict down; UNRECORDED where that fails.

        tokens  asked and answered
        count   0 for what is no further request
        """
        identity = call.caller.identity
        line = line_of(
            VerdictRecord(
                time=time.time_ns() // 1000,
                who=identity.name,
                role=identity.role,
                model=call.route.model,
                said=call.verdict.reaction,
                guard=call.verdict.guard,
                why=call.verdict.why,
                status=status,
                input=call.digest if self._digests else "",
                rows=call.rows,
                tokens_in=tokens[0],
                tokens_out=tokens[1],
                n=count,
                changed=",".join(call.changed),
            )
        )
        try:
            self._journal.add(line)
        except AncileError:
            raise UNRECORDED from None

    def _send(self, exchange: Connection, call: Call, status: int, message: Message) -> None:
        """Let a recorded answer go as soon as the bound on records allows it."""
        further = self._watch.observe(exchange, call, status, len(message.body))

        def go(durable: bool) -> None:
            if durable:
                exchange.answer(status, message.headers + further, message.body)
            else:
                exchange.end()

        self._journal.then(go)

    def tick(self, now: float) -> None:  # noqa: ARG002 - services have deadlines besides
        """Keys that changed, counts and files of the record."""
        self._admission.tick()
        self.flush()
        self._journal.tick()
        self._watch.tick()

    def close(self) -> None:
        """Nobody asks any more."""
        self.flush()
        self._admission.close()
        self._watch.close()

    def flush(self) -> None:
        """Write what was counted; where that fails it stays counted, and the journal refuses requests."""
        try:
            self._counted.flush(time.time_ns() // 1000)
        except AncileError:
            return
