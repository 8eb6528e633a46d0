"""What happens to a request: admission, the guards on the input, the model, the guards on the answer.

Every answer leaves behind the record of its verdict.
"""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter

import msgspec

from ancile.core.errors import AncileError
from ancile.serve.backend import Backend, Outcome
from ancile.serve.call import STATUS, Call, Settings
from ancile.serve.framing import Connection
from ancile.serve.front import CROWDED, GONE, UNRECORDED, Front
from ancile.serve.inference import Infer, Message, parse_request, write_answer
from ancile.serve.journal import Journal
from ancile.serve.judging import Judging
from ancile.serve.kept_inputs import KeptInputs
from ancile.serve.keys import Users
from ancile.serve.refusal import JSON, Refused, worded
from ancile.serve.review.holding import Holding, Ruling
from ancile.serve.routes import Route
from ancile.serve.signature import Signature, in_order, rows_of
from ancile.serve.telemetry.watch import Watch
from ancile.serve.verdict import STEP, Verdict, worse
from ancile.version import __version__


class Held(Exception):  # noqa: N818 - a decision
    """An answer of the model that nobody gets before a person has looked at what was asked."""

    def __init__(self, status: int, message: Message) -> None:
        super().__init__(status)
        self.status, self.message = status, message


class Gateway(Front):
    """The service behind the door."""

    def __init__(
        self,
        backend: Backend,
        users: Users,
        journal: Journal,
        settings: Settings,
        watch: Watch,
        holding: Holding,
        kept: KeptInputs | None = None,
    ) -> None:
        super().__init__(users, journal, settings, watch, models=backend.signatures)
        self._backend, self._holding, self._kept = backend, holding, kept
        self._judging = Judging(
            settings,
            backend.signatures,
            digest_key=self._digest_key,
            answer_key=users.hash(b"answers"),
            review=self._review,
        )

    # With the body.

    def serve(self, exchange: Connection, /) -> None:
        """Answer, or hand on to the model."""
        call = self._begun(exchange)
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
        if call.trace:
            call.infer = call.infer._replace(trace=call.trace)
        inputs = in_order(call.infer.inputs, signature.inputs)
        if inputs is not call.infer.inputs:
            call.infer = call.infer._replace(inputs=inputs)
        call.rows = rows_of(inputs, signature.inputs)
        call.verdict = worse(call.verdict, self._judging.before(call, call.infer))
        ruling = self._ruling(call, call.infer)
        if ruling is not None:
            call.verdict = ruling.verdict
            if ruling.message is not None:
                self._leave(exchange, call, ruling.status, ruling.message)
                return
        if STEP[call.verdict.reaction] >= STEP["throttle"]:
            status = 400 if call.verdict.guard == "schema" else STATUS[call.verdict.reaction]
            self._refuse(exchange, call, Refused(status, call.verdict.why), guard="")
            return
        if call.caller.running >= self._backend.left:  # the fuller it is, the fewer may one identity have
            call.verdict = Verdict("throttle", "running", CROWDED.why)
            self._refuse(exchange, call, CROWDED, guard="")
            return
        call.caller.running += 1
        call.asked = perf_counter()
        call.spent += call.asked - call.since
        call.cancel = self._backend.ask(
            self._judging.question(call, call.infer),
            signature,
            lambda outcome: self._answered(exchange, call, signature, outcome),
        )

    def _ruling(self, call: Call, infer: Infer) -> Ruling | None:
        """What a person has said of this input, or will; None where nobody has to."""
        if call.verdict.reaction == "review":
            return self._holding.rule(call, infer)
        return self._holding.again(call) if STEP[call.verdict.reaction] < STEP["review"] else None

    def _review(self, call: Call) -> None:
        """A guard after the model wants a person to look."""
        if call.infer is None:
            raise TypeError("an answer to nothing")
        ruling = self._holding.rule(call, call.infer)
        call.verdict = ruling.verdict
        if ruling.message is not None:
            raise Held(ruling.status, ruling.message)

    def _said(self, route: Route) -> object:
        if route.ask in ("live", "ready"):
            return {route.ask: True}
        if route.ask == "/ready":
            return {"name": route.model, "ready": True}
        if route.ask == "server":
            return {"name": "ancile", "version": __version__, "extensions": ["binary_tensor_data"]}
        return self._backend.signatures[route.model].document()

    # After the model.

    def _answered(self, exchange: Connection, call: Call, signature: Signature, outcome: Outcome) -> None:
        call.caller.running -= 1
        call.cancel = None
        call.since = perf_counter()
        call.model_seconds = call.since - call.asked
        if isinstance(outcome, Refused) or call.infer is None:
            refusal = outcome if isinstance(outcome, Refused) else UNRECORDED
            self._leave(exchange, call, refusal.status, _told(refusal))
            return
        try:
            shown = self._judging.after(call, outcome)
            message = write_answer(call.infer, shown, model=signature.model, version=call.route.version)
        except Refused as refusal:
            self._leave(exchange, call, refusal.status, _told(refusal))
            return
        except Held as held:
            self._leave(exchange, call, held.status, held.message)
            return
        self._leave(exchange, call, 200, message)

    def _refuse(self, exchange: Connection, call: Call, refusal: Refused, *, guard: str) -> None:
        """Leave with a refusal; ``guard`` where it is not the verdict's own."""
        if guard:
            call.verdict = Verdict("deny", guard, refusal.why)
        self._leave(exchange, call, refusal.status, _told(refusal))

    def _leave(self, exchange: Connection, call: Call, status: int, message: Message) -> None:
        """Record the verdict, then let the answer go as soon as the bound on records allows it."""
        try:
            self._record(call, status)
        except Refused as refusal:
            exchange.tell(refusal)
            return
        if self._kept is not None:
            self._kept.keep(call)
        call.spent += perf_counter() - call.since
        self._send(exchange, call, status, message)

    def gone(self, exchange: Connection, /) -> None:
        """Stop what nobody waits for; its verdict is recorded all the same."""
        call = exchange.held
        if not isinstance(call, Call) or call.cancel is None:
            return
        call.cancel()
        call.cancel = None
        call.since = perf_counter()
        call.model_seconds = call.since - call.asked
        call.caller.running -= 1
        self._leave(exchange, call, GONE, Message(b"", b""))

    # Once a second.

    def tick(self, now: float) -> None:
        """Deadlines of the model, keys that changed, counts and files of the record."""
        self._backend.tick(now)
        super().tick(now)
        with suppress(AncileError):  # what cannot be read stays as it was known
            self._holding.tick()
        if self._kept is not None:
            self._kept.tick()

    def close(self) -> None:
        """Nobody asks any more."""
        super().close()
        self._holding.close()
        if self._kept is not None:
            self._kept.close()


def _told(refusal: Refused) -> Message:
    return Message(refusal.headers, worded(refusal.why))
