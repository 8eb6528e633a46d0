"""What happens to a request, one plain function after another: who, may he, how often, what, the answer.

Before the body: identity, route, permission, rate, quota. With it: schema, sequence. After the model:
rounding. Every answer leaves behind the record of its verdict.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.serve.backend import Backend, Cancel, Outcome
from ancile.serve.caller import Caller, Callers
from ancile.serve.config import Policy, Role
from ancile.serve.framing import JSON, Connection, Refused, worded
from ancile.serve.guards.quota import quota
from ancile.serve.guards.rate import rate
from ancile.serve.guards.rounding import rounding
from ancile.serve.guards.schema import schema
from ancile.serve.guards.sequence import Benign, Window, sequence
from ancile.serve.inference import Infer, Message, parse_request, write_answer
from ancile.serve.journal import Journal
from ancile.serve.keys import Identity, Users
from ancile.serve.record import (
    ANONYMOUS,
    Counted,
    Refusal,
    VerdictRecord,
    digest_of_input,
    framing_refusal,
    line_of,
    refusal_of,
)
from ancile.serve.routes import Route, route_of
from ancile.serve.signature import Signature
from ancile.serve.verdict import ALLOW, STEP, Verdict, capped, worse
from ancile.version import __version__

BEARER = b"Bearer "
GONE = 499  # nginx's number for a client that left before its answer
MOST_RUNNING = 64  # requests of one identity under way: a slow upstream is not one identity's to fill
UNRECORDED = Refused(503, "the record cannot be written; nothing is served without", retry_after=5)
NOBODY = Role()  # whose role is not known any more may nothing
STATUS = {"throttle": 429, "deny": 403}


class Settings(NamedTuple):
    """What does not change while the gateway runs.

    benign  of each model that has a reference set
    rows    samples of one request, at most
    """

    policy: Policy
    benign: Mapping[str, Benign]
    rows: int


@dataclass(slots=True)
class _Call:
    """A request on its way."""

    caller: Caller
    route: Route
    verdict: Verdict
    infer: Infer | None = None
    rows: int = 0
    cancel: Cancel | None = None


class Gateway:
    """The service behind the door."""

    def __init__(self, backend: Backend, users: Users, journal: Journal, settings: Settings) -> None:
        self._backend, self._users, self._journal, self._settings = backend, users, journal, settings
        self._callers = Callers()
        self._counted = Counted(journal.add)
        self._identities: dict[bytes, Identity] = {}
        self._version = -1
        self._digest_key = users.hash(b"digests of inputs")
        self._reload()

    # Before the body.

    def admit(self, exchange: Connection, /) -> Refused | None:
        """Who asks, for what, and whether there is something left for them."""
        identity = self._identity(exchange.headers)
        if identity is None:
            self._counted.add(ANONYMOUS)
            return Refused(401, "an API key is asked for: Authorization: Bearer ancile_…")
        role = self._settings.policy.roles.get(identity.role, NOBODY)
        route = route_of(exchange.method, exchange.target)
        if route is None or (route.model and route.model not in self._backend.signatures):
            return self._refused(identity, Verdict("deny", "route", "no such route or model here"), 404)
        if route.needs not in role.may:
            return self._refused(
                identity, Verdict("deny", "permission", "the role may not ask for that"), 403
            )
        if self._journal.full:
            return UNRECORDED
        caller = self._callers.of(identity, role)
        verdict = self._spent(caller, exchange.started)
        if STEP[verdict.reaction] >= STEP["throttle"]:
            return self._refused(identity, verdict, STATUS[verdict.reaction])
        exchange.held = _Call(caller, route, verdict)
        return None

    def _spent(self, caller: Caller, now: float) -> Verdict:
        """What is left of rate, quota and concurrency; what one refuses takes nothing of the next."""
        if caller.running >= MOST_RUNNING:
            return Verdict("throttle", "running", "too many requests at a time", 1.0)
        verdict = self._held(rate(caller, now))
        if STEP[verdict.reaction] >= STEP["throttle"]:
            return verdict
        return worse(verdict, self._held(quota(caller, time.time())))

    def refused(self, _exchange: Connection, refusal: Refused, /) -> None:
        """A request that was none is counted."""
        self._count(framing_refusal(refusal.status))

    def _identity(self, headers: Mapping[bytes, bytes]) -> Identity | None:
        given = headers.get(b"authorization", b"")
        if not given.startswith(BEARER):
            return None
        return self._identities.get(self._users.hash(given[len(BEARER) :]))

    def _held(self, verdict: Verdict) -> Verdict:
        return verdict if verdict is ALLOW else capped(verdict, self._settings.policy.reactions)

    def _refused(self, who: Identity, verdict: Verdict, status: int) -> Refused:
        self._count(refusal_of(verdict, who=who.name, role=who.role, status=status))
        after = int(verdict.retry_after) + 1 if status == STATUS["throttle"] else None
        return Refused(status, verdict.why, retry_after=after)

    def _count(self, refusal: Refusal) -> None:
        self._counted.add(refusal)

    # With the body.

    def serve(self, exchange: Connection, /) -> None:
        """Answer, or hand on to the model."""
        call = exchange.held
        if not isinstance(call, _Call):
            raise TypeError("a request that was not admitted")
        if call.route.ask != "/infer":
            body = msgspec.json.encode(self._said(call.route))
            self._leave(exchange, call, 200, Message(JSON, body))
            return
        signature = self._backend.signatures[call.route.model]
        if call.route.version not in (None, signature.version):
            self._refuse(exchange, call, Refused(404, "no such version of the model"), guard="route")
            return
        try:
            call.infer = parse_request(
                exchange.body, exchange.headers.get(b"inference-header-content-length")
            )
        except Refused as refusal:
            self._refuse(exchange, call, refusal, guard="schema")
            return
        call.rows = call.infer.inputs[0].array.shape[0]
        call.verdict = worse(call.verdict, self._judged(call.infer, call.caller, signature))
        if STEP[call.verdict.reaction] >= STEP["throttle"]:
            status = 400 if call.verdict.guard == "schema" else STATUS[call.verdict.reaction]
            self._refuse(exchange, call, Refused(status, call.verdict.why), guard="")
            return
        call.caller.running += 1
        call.cancel = self._backend.ask(
            call.infer, signature, lambda outcome: self._answered(exchange, call, signature, outcome)
        )

    def _judged(self, infer: Infer, caller: Caller, signature: Signature) -> Verdict:
        """The guards that look at the input; a walk is looked for where a reference set says what none is."""
        found = schema(infer, signature, rows=self._settings.rows)
        benign = self._settings.benign.get(signature.model)
        if found is ALLOW and benign is not None:
            window = caller.windows.get(signature.model)
            if window is None:
                window = caller.windows[signature.model] = Window(benign.width)
            found = sequence(infer.inputs[0].array, window, benign)  # type: ignore[arg-type]  # a float input
        return self._held(found)

    def _said(self, route: Route) -> object:
        if route.ask in ("live", "ready"):
            return {route.ask: True}
        if route.ask == "/ready":
            return {"name": route.model, "ready": True}
        if route.ask == "server":
            return {"name": "ancile", "version": __version__, "extensions": ["binary_tensor_data"]}
        return self._backend.signatures[route.model].document()

    # After the model.

    def _answered(self, exchange: Connection, call: _Call, signature: Signature, outcome: Outcome) -> None:
        call.caller.running -= 1
        call.cancel = None
        if isinstance(outcome, Refused) or call.infer is None:
            refusal = outcome if isinstance(outcome, Refused) else UNRECORDED
            self._leave(exchange, call, refusal.status, _told(refusal))
            return
        try:
            rounded = rounding(outcome, digits=call.caller.role.digits)
            message = write_answer(call.infer, rounded, model=signature.model, version=call.route.version)
        except Refused as refusal:
            self._leave(exchange, call, refusal.status, _told(refusal))
            return
        self._leave(exchange, call, 200, message)

    def _refuse(self, exchange: Connection, call: _Call, refusal: Refused, *, guard: str) -> None:
        """Leave with a refusal; ``guard`` where it is not the verdict's own."""
        if guard:
            call.verdict = Verdict("deny", guard, refusal.why)
        self._leave(exchange, call, refusal.status, _told(refusal))

    def _leave(self, exchange: Connection, call: _Call, status: int, message: Message) -> None:
        """Record the verdict, then let the answer go as soon as the bound on records allows it."""
        try:
            self._journal.add(self._line(call, status))
        except AncileError:
            exchange.tell(UNRECORDED)
            return

        def go(durable: bool) -> None:
            if durable:
                exchange.answer(status, message.headers, message.body)
            else:
                exchange.end()

        self._journal.then(go)

    def _line(self, call: _Call, status: int) -> bytes:
        identity = call.caller.identity
        return line_of(
            VerdictRecord(
                time=time.time_ns() // 1000,
                who=identity.name,
                role=identity.role,
                model=call.route.model,
                said=call.verdict.reaction,
                guard=call.verdict.guard,
                why=call.verdict.why,
                status=status,
                input="" if call.infer is None else digest_of_input(call.infer, self._digest_key),
                rows=call.rows,
            )
        )

    def gone(self, exchange: Connection, /) -> None:
        """Stop what nobody waits for; its verdict is recorded all the same."""
        call = exchange.held
        if not isinstance(call, _Call) or call.cancel is None:
            return
        call.cancel()
        call.cancel = None
        call.caller.running -= 1
        self._leave(exchange, call, GONE, Message(b"", b""))

    # Once a second.

    def tick(self, now: float) -> None:
        """Deadlines of the model, keys that changed, counts and files of the record."""
        self._backend.tick(now)
        if self._users.version() != self._version:
            self._reload()
        self.flush()
        self._journal.tick()

    def flush(self) -> None:
        """Write what was counted; where that fails it stays counted, and the journal refuses requests."""
        try:
            self._counted.flush(time.time_ns() // 1000)
        except AncileError:
            return

    def _reload(self) -> None:
        self._version = self._users.version()
        self._identities = self._users.identities()


def _told(refusal: Refused) -> Message:
    return Message(refusal.headers, worded(refusal.why))
