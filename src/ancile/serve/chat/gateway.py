"""What happens to a chat: admission, the upstream, the record. No guard looks at what is said yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from time import perf_counter

import msgspec

from ancile.serve.call import STATUS, Call, Settings
from ancile.serve.chat.answer import Answer
from ancile.serve.chat.asked import read_chat
from ancile.serve.chat.events import Usage
from ancile.serve.chat.routes import chat_route_of
from ancile.serve.chat.upstream import ChatUpstream
from ancile.serve.framing import Connection
from ancile.serve.front import CROWDED, Front
from ancile.serve.inference import Message
from ancile.serve.journal import Journal
from ancile.serve.keys import Users
from ancile.serve.refusal import JSON, Refused, told
from ancile.serve.routes import Route
from ancile.serve.telemetry.watch import Watch
from ancile.serve.verdict import Verdict


class ChatGateway(Front):
    """The service behind the door of a chat server."""

    def __init__(
        self, upstream: ChatUpstream, users: Users, journal: Journal, settings: Settings, watch: Watch
    ) -> None:
        super().__init__(users, journal, settings, watch, models=upstream.models, routes=chat_route_of)
        self._upstream = upstream

    # With the body.

    def serve(self, exchange: Connection, /) -> None:
        """Answer, or hand on to the upstream."""
        call = self._begun(exchange)
        if call.route.ask != "chat":
            body = msgspec.json.encode(self._said(call))
            self.leave(exchange, call, 200, Message(JSON, body))
            return
        try:
            asked = read_chat(exchange.body)
            self._check_model(call, asked.model)
        except Refused as refusal:
            call.verdict = Verdict("deny", "route" if refusal.status != 400 else "schema", refusal.why)
            self.refuse(exchange, call, refusal)
            return
        if call.verdict.reaction == "review":  # no queue holds a chat
            self.refuse(exchange, call, Refused(STATUS["review"], call.verdict.why))
            return
        call.rows = 1
        call.digest = hashlib.blake2b(asked.body, key=self._digest_key, digest_size=16).hexdigest()
        if call.caller.running >= self._upstream.pool.left:  # the fuller it is, the fewer has one identity
            call.verdict = Verdict("throttle", "running", CROWDED.why)
            self.refuse(exchange, call, CROWDED)
            return
        call.caller.running += 1
        call.asked = perf_counter()
        call.spent += call.asked - call.since
        answer = Answer(self, exchange, call)
        call.cancel = answer.drop
        answer.sending = exchange.flow = self._upstream.ask(asked.body, answer)

    def _check_model(self, call: Call, model: str) -> None:
        """The body names the model, so that it is judged here."""
        if model not in self._upstream.models:
            raise Refused(404, "no such model here")
        if not self._admission.permits(call.caller.identity, "infer", model):
            raise Refused(403, "the role may not ask for that")
        call.route = Route("chat", model)

    def _said(self, call: Call) -> object:
        models, who = self._upstream.models, call.caller.identity
        if call.route.ask == "models":
            shown = [one for name, one in models.items() if self._admission.permits(who, "metadata", name)]
            return {"object": "list", "data": shown}
        return models[call.route.model] if call.route.model else {call.route.ask: True}

    # What an answer calls.

    def begin(self, exchange: Connection, call: Call, may: Callable[[bool], None]) -> None:
        """Record the verdict of a stream before its first byte; its tokens follow with its end."""
        self._clocked(call)
        self._record(call, 200)
        self._watch.observe(exchange, call, 200, 0)
        self._journal.then(may)

    def ended(self, exchange: Connection, call: Call, usage: Usage, status: int) -> None:
        """The end of a stream: what it used is recorded, and counts as no further request."""
        self._free(call)
        try:
            self._record(call, status, tokens=(usage.asked, usage.answered), count=0)
        except Refused:
            exchange.end()
            return
        self._journal.then(
            lambda durable: exchange.finish(whole=status == 200) if durable else exchange.end()
        )

    def refuse(self, exchange: Connection, call: Call, refusal: Refused) -> None:
        """Leave with a refusal."""
        self.leave(exchange, call, refusal.status, Message(*told(refusal, exchange.target)))

    def leave(
        self, exchange: Connection, call: Call, status: int, message: Message, usage: Usage | None = None
    ) -> None:
        """Record the verdict, then let the answer go as soon as the bound on records allows it."""
        self._free(call)
        try:
            self._record(call, status, tokens=(0, 0) if usage is None else (usage.asked, usage.answered))
        except Refused as refusal:
            exchange.tell(refusal)
            return
        self._send(exchange, call, status, message)

    def _clocked(self, call: Call) -> None:
        now = perf_counter()
        if call.asked and not call.model_seconds:
            call.model_seconds = now - call.asked
        else:
            call.spent += now - call.since

    def _free(self, call: Call) -> None:
        """The upstream is done with it."""
        if call.cancel is not None:
            call.cancel = None
            call.caller.running -= 1
        self._clocked(call)

    def gone(self, exchange: Connection, /) -> None:
        """Stop what nobody waits for; its verdict is recorded all the same."""
        call = exchange.held
        if not isinstance(call, Call) or call.cancel is None:
            return
        call.cancel()

    # Once a second.

    def tick(self, now: float) -> None:
        """Deadlines of the upstream, keys that changed, counts and files of the record."""
        self._upstream.pool.tick(now)
        super().tick(now)
