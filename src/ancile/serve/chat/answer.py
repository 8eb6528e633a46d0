"""An upstream's answer to one chat, on its way to the client: whole, or event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ancile.core.text import plain
from ancile.serve.chat.events import Events, usage_of
from ancile.serve.framing import Connection
from ancile.serve.front import GONE
from ancile.serve.inference import Message
from ancile.serve.pool import Sending
from ancile.serve.refusal import JSON, Refused, told
from ancile.serve.wire import Pieces, gather, gathered

if TYPE_CHECKING:
    from ancile.serve.call import Call
    from ancile.serve.chat.gateway import ChatGateway

ANSWER_BYTES = 16 << 20
OK = 200
TOLD = frozenset((400, 404, 413, 422, 429, 503))  # what the client can do something about; all else is 502
EVENTS = b"text/event-stream"
STREAM = b"Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
LONGEST_REASON = 500


class _Fault(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Fault


_REFUSAL = msgspec.json.Decoder(_Refusal)


class Answer:
    """Receives from the upstream and hands on; the verdict is recorded before the first byte leaves."""

    __slots__ = (
        "_begun",
        "_call",
        "_events",
        "_exchange",
        "_gateway",
        "_pieces",
        "_recorded",
        "_retry",
        "_size",
        "_status",
        "sending",
    )

    def __init__(self, gateway: ChatGateway, exchange: Connection, call: Call) -> None:
        self._gateway, self._exchange, self._call = gateway, exchange, call
        self._events: Events | None = None
        self._pieces: Pieces = []
        self._status = self._size = 0
        self._retry: int | None = None
        self._begun = self._recorded = False
        self.sending: Sending | None = None

    def head(self, status: int, headers: list[tuple[bytes, bytes]], /) -> None:
        """Where events come the answer begins now."""
        self._status = status
        for name, value in headers:
            if name == b"content-type" and status == OK and value.lower().startswith(EVENTS):
                self._events = Events()
            elif name == b"content-encoding" and value.lower() != b"identity":
                raise Refused(502, "the upstream answers in a coding that it was not asked for")
            elif name == b"retry-after" and value.isdigit() and len(value) < 6:
                self._retry = int(value)
        if self._events is not None:
            self._gateway.begin(self._exchange, self._call, self._may_begin)
            self._recorded = True

    def _may_begin(self, durable: bool) -> None:
        if not durable:
            self._exchange.end()
            return
        self._begun = True
        self._exchange.begin(OK, STREAM)
        whole = gathered(self._pieces)
        if whole:  # none where the first event is not whole: an empty piece would be the end
            self._exchange.more(whole)
        self._pieces = []

    def piece(self, data: bytes, /) -> None:
        """Whole events go on at once; until the record allows it, or of a whole answer, they are kept."""
        whole = data if self._events is None else self._events.feed(data)
        if self._begun:
            if whole:
                self._exchange.more(whole)
            return
        self._size += len(whole)
        if self._size > ANSWER_BYTES:
            raise Refused(502, "the upstream answers with too much")
        gather(self._pieces, whole)

    def end(self) -> None:
        """The answer is whole."""
        if self._events is not None:
            self._gateway.ended(self._exchange, self._call, self._events.usage, OK)
            return
        body = gathered(self._pieces)
        if self._status != OK:
            self.fail(self._refusal(body))
            return
        usage = usage_of(body)
        if usage is None:
            self.fail(Refused(502, "the upstream's answer is none of the chat protocol"))
            return
        self._gateway.leave(self._exchange, self._call, OK, Message(JSON, body), usage)

    def fail(self, refusal: Refused, /) -> None:
        """Told as an error object; within a stream as an event, and the connection ends."""
        if self._events is None or not self._recorded:
            self._gateway.refuse(self._exchange, self._call, refusal)
            return
        if self._begun:
            _, body = told(refusal, self._exchange.target)
            self._exchange.more(b"data: " + body + b"\n\n")
        self._gateway.ended(self._exchange, self._call, self._events.usage, refusal.status)

    def drop(self) -> None:
        """The client left: the upstream's work ends, and what was used is recorded."""
        if self.sending is not None:
            self.sending.drop()
        if self._events is not None and self._recorded:
            self._gateway.ended(self._exchange, self._call, self._events.usage, GONE)
        else:
            self._gateway.leave(self._exchange, self._call, GONE, Message(b"", b""))

    def _refusal(self, body: bytes) -> Refused:
        """What the upstream says where the client can do something about it."""
        if self._status not in TOLD:
            return Refused(502, "the model server refuses the request")
        try:
            why = plain(_REFUSAL.decode(body).error.message, LONGEST_REASON)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            why = ""
        return Refused(self._status, why or "the model server refuses the request", retry_after=self._retry)
