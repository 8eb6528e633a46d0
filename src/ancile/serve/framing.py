"""One HTTP/1.1 connection, without a task or a future: RFC 9112 by llhttp, and stricter than it.

There is no pipelining: the next request is read when the one before it is answered. A request whose head is
spelled as the one before, but for its length, is not read by llhttp again.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from typing import TYPE_CHECKING, cast

from ancile.core.extras import needs
from ancile.serve.handover import Elsewhere, Handed
from ancile.serve.heads import Last, checked, is_plain, together
from ancile.serve.refusal import Refused, told, worded
from ancile.serve.service import Flow, Keeper, Service
from ancile.serve.tls import certificate_of
from ancile.serve.wire import (
    CONTINUE,
    LAST_PIECE,
    Pieces,
    answer_of,
    gather,
    gathered,
    most_raw,
    opening_of,
    piece_of,
    refuse_chopped,
)

if TYPE_CHECKING:
    import httptools
else:
    httptools = needs("httptools", "serve")

PASSED_OVER = 1 << 20  # bytes of a refused body that are read so that the client comes to read the answer
LINGER_SECONDS = 2.0  # for the same reason
GRACE_SECONDS = 5.0  # in which whoever answers tells that it took too long
PIPELINED = "pipelining is not served"


class Connection(asyncio.Protocol):
    """A client's connection and the one request that it is busy with.

    method, target, headers, body  of that request; names of headers in lower case
    held                           what the service keeps for it
    flow                           where a streamed answer comes from, for as long as it comes
    address, certificate           of the client: its IP address, the URI in its verified certificate
    proof                          the Authorization that was looked at last, and the hash of its token
    due                            loop time at which the sweep ends the connection
    """

    __slots__ = (
        "_chunks",
        "_closing",
        "_complete",
        "_early",
        "_handed",
        "_in_head",
        "_keep",
        "_keeper",
        "_last",
        "_parser",
        "_raw",
        "_rest",
        "_service",
        "_size",
        "_skip",
        "_transport",
        "address",
        "body",
        "busy",
        "certificate",
        "due",
        "flow",
        "headers",
        "held",
        "loop",
        "method",
        "proof",
        "started",
        "target",
    )

    def __init__(
        self,
        keeper: Keeper,
        service: Service,
        loop: asyncio.AbstractEventLoop,
        handed: Handed | None = None,
    ) -> None:
        self._keeper, self._service, self.loop, self._handed = keeper, service, loop, handed
        self.address = self.certificate = ""
        self._early: list[bytes] = []  # pieces of a head that another worker may have to read
        self.busy = self._closing = self._skip = self._complete = False
        self._in_head, self._keep = True, False
        self._raw = self._size = 0
        self._last: Last[tuple[bytes, bytes, dict[bytes, bytes]]] = Last()
        self._rest = 0  # bytes that the body of a known head still lacks
        self._chunks: Pieces = []
        self.method = self.target = self.body = b""
        self.headers: dict[bytes, bytes] = {}
        self.held: object | None = None
        self.flow: Flow | None = None
        self.proof = (b"", b"")
        self.due = self.started = 0.0

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A place inside, or the end at once."""
        self._transport = cast("asyncio.Transport", transport)
        peer, handed = transport.get_extra_info("peername"), self._handed
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.certificate = certificate_of(transport)
        if handed is not None:
            self.address, self.certificate = handed.address, handed.certificate
        self._parser = httptools.HttpRequestParser(self)
        self.due = self.loop.time() + self._keeper.limits.head_seconds
        if not self._keeper.enter(self):
            self._closing = True
            self._transport.abort()
        elif handed is not None:
            self._handed = None
            self.data_received(handed.data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The service learns that nobody waits any more."""
        self._keeper.leave(self)
        if self.busy and not self._skip:
            self.busy = False
            self._service.gone(self)

    def pause_writing(self) -> None:
        """A client that does not read its answer asks nothing more meanwhile, and a stream to it waits."""
        self._transport.pause_reading()
        if self.flow is not None:
            self.flow.pause()

    def resume_writing(self) -> None:
        """It has read."""
        self._transport.resume_reading()
        if self.flow is not None:
            self.flow.resume()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; of a head never more than a head may have."""
        if self._closing and not self._skip:
            return
        if self._rest:
            self._further(data)
            return
        is_first = not self.busy and not self._raw
        if is_first and (found := self._last.split(data, self._keeper.limits.body_bytes)) is not None:
            self._again(data, *found)
            return
        left = int(self.headers.get(b"content-length", b"0")) - self._size if self._skip else 0
        if 0 < left < len(data):
            # The client has had its answer: what comes with the rest of the refused body is its next request.
            self.data_received(data[:left])
            self.data_received(data[left:])
            return
        self._complete = False
        self._feed(data)
        if is_first and self._last.is_open and not (self._early or self._closing) and is_plain(self.headers):
            length, said = self.headers.get(b"content-length", b""), (self.method, self.target, self.headers)
            self._last.keep(data, self._size, length, said)

    def _feed(self, data: bytes) -> None:
        if self._in_head:
            self._early.append(data)
        try:
            if self._in_head and self._raw + len(data) > self._keeper.limits.header_bytes:
                data = self._feed_head(data)
            self._raw += len(data)
            if not self._in_head:
                self._check_raw()
            self._parser.feed_data(data)
            if not self._in_head:
                refuse_chopped(self._raw, self._size, self._keeper.limits)
        except httptools.HttpParserUpgrade:
            self._fail(Refused(400, "no other protocol is spoken here"))
        except Refused as refusal:
            self._fail(refusal)
        except httptools.HttpParserCallbackError as error:  # what was raised in a callback is its context
            self._raised(error.__context__ or error)
        except httptools.HttpParserError:
            self._fail(Refused(400, "malformed request"))

    def _raised(self, own: BaseException) -> None:
        """What judging a head has ended with."""
        if isinstance(own, Elsewhere):
            self._move(own.worker)
            return
        if not isinstance(own, Refused):  # a bug; it takes no other connection with it
            traceback.print_exception(own, file=sys.stderr)
        self._fail(own if isinstance(own, Refused) else Refused(500, "internal error"))

    # A head that came before.

    def _again(self, data: bytes, start: int, length: int) -> None:
        """A request whose head came before: what it says is still here, and it is judged as any other."""
        self.busy = self._keep = True
        self.method, self.target, self.headers = self._last.said
        self.headers[b"content-length"] = b"%d" % length
        self._chunks = [data[start:]]
        self._rest = length - len(data) + start
        self.started = self.loop.time()
        self.due = self.started + self._keeper.limits.body_seconds
        try:
            refusal = self._service.admit(self)
        except Exception as own:  # noqa: BLE001 - as llhttp does with what its callbacks raise
            self._early, self._rest = [data], 0
            self._raised(own)
            return
        if refusal is not None:
            self._pass_over(refusal, keep=True)
        if not self._rest:
            self._whole()

    def _further(self, data: bytes) -> None:
        """More of the body of such a request."""
        data, more, is_passed_over = data[: self._rest], data[self._rest :], self._skip
        self._rest -= len(data)
        if is_passed_over:
            self._raw += len(data)
        else:
            gather(self._chunks, data)
        if self._raw > PASSED_OVER:
            self._fail(Refused(413, "the body is too large"))
        elif not self._rest:
            self._whole()
            if more and not self._closing:
                self._complete = not is_passed_over
                self._feed(more)

    def _feed_head(self, data: bytes) -> bytes:
        """Feed what a head may still have; the rest belongs to a body, or the head is too large."""
        room = self._keeper.limits.header_bytes - self._raw
        self._raw += room
        self._parser.feed_data(data[:room])
        if self._early:
            raise Refused(431, "the head is too large")
        return data[room:]

    def _check_raw(self) -> None:
        if self._raw > (PASSED_OVER if self._skip else most_raw(self._keeper.limits)):
            raise Refused(413, "the body is too large")

    # What the parser calls. An exception in here reaches us as the context of the parser's own.

    def on_message_begin(self) -> None:
        """A request begins; only one at a time."""
        if self.busy or self._complete:
            raise Refused(400, PIPELINED)
        self.busy = self._in_head = True
        self.target, self.headers, self._chunks, self._size = b"", {}, [], 0
        self.due = self.loop.time() + self._keeper.limits.head_seconds

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field; in a trailer, or twice where it may not be, it ends the request."""
        if not self._in_head:
            raise Refused(400, "trailers are not served")
        name = name.lower()
        self.headers[name] = value if name not in self.headers else together(name, self.headers[name], value)

    def on_headers_complete(self) -> None:
        """Judge the head: its framing, its size, then who asks."""
        self._in_head = False
        self.started = self.loop.time()
        self.due = self.started + self._keeper.limits.body_seconds
        self.method = self._parser.get_method()
        version, most = self._parser.get_http_version(), self._keeper.limits.body_bytes
        checked(version, self.target, self.headers, most=most)
        refusal = self._service.admit(self)
        self._early.clear()
        if refusal is not None:
            self._pass_over(refusal, keep=self._parser.should_keep_alive())
        elif b"expect" in self.headers:
            self._put(CONTINUE)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, kept while it is within its limit."""
        self._size += len(piece)
        if self._skip:
            return
        if self._size > self._keeper.limits.body_bytes:
            raise Refused(413, "the body is too large")
        gather(self._chunks, piece)

    def on_message_complete(self) -> None:
        """Serve what came in whole."""
        self._complete = True
        if not self._skip:
            self._keep = self._parser.should_keep_alive()
        self._whole()

    def _whole(self) -> None:
        if self._skip:
            self._skip = False
            self._next(keep=self._keep and not self._closing)
            return
        self.body = gathered(self._chunks)
        self._chunks = []
        self.due = self.loop.time() + self._keeper.limits.answer_seconds + GRACE_SECONDS
        try:
            self._service.serve(self)
        except Exception:  # noqa: BLE001 - the outer door of a request: one that fails takes no other with it
            traceback.print_exc(file=sys.stderr)
            self._keep = False
            if self.busy:
                self._service.refused(self, Refused(500, "internal error"))
                self.tell(Refused(500, "internal error"))

    # What the service calls.

    def answer(self, status: int, headers: bytes, body: bytes) -> None:
        """Write the answer and be ready for the next request.

        headers  whole lines, each with its CRLF; length, date and connection are added here
        """
        if self.busy:
            self._write(status, headers, body, keep=self._keep and not self._keeper.draining)
            self._next(keep=self._keep)

    def tell(self, refusal: Refused) -> None:
        """Answer with a refusal, as the protocol of its target words errors."""
        self.answer(refusal.status, *told(refusal, self.target))

    def begin(self, status: int, headers: bytes) -> None:
        """Write the head of an answer that comes in pieces: ``more``, then ``finish``."""
        if self.busy:
            keep = self._keep and not self._keeper.draining
            self._put(opening_of(status, self._keeper.date, headers, keep=keep))

    def more(self, data: bytes) -> None:
        """Write a piece; it may not be empty, which would be the end."""
        if self.busy:
            self.due = self.loop.time() + self._keeper.limits.answer_seconds + GRACE_SECONDS
            self._put(piece_of(data))

    def finish(self, *, whole: bool) -> None:
        """The last piece was written; where it was not the whole answer the connection ends as well."""
        if self.busy:
            self._put(LAST_PIECE)
            self._next(keep=self._keep and whole)

    def end(self) -> None:
        """Close without an answer."""
        self._transport.abort()

    def end_if_idle(self) -> None:
        """Close where no request is under way; one that is gets its answer first."""
        if not self.busy:
            self._close()

    def _write(self, status: int, headers: bytes, body: bytes, *, keep: bool) -> None:
        self._put(answer_of(status, self._keeper.date, headers, body, keep=keep))

    def _put(self, data: bytes) -> None:
        self._keeper.turn.write(self._transport, data)

    def _close(self) -> None:
        self._keeper.turn.flush()
        self._transport.close()

    def _next(self, *, keep: bool) -> None:
        self.busy, self._in_head, self.held, self.flow, self.body, self._raw = False, True, None, None, b"", 0
        self._early.clear()
        self.due = self.loop.time() + self._keeper.limits.idle_seconds
        if not keep or self._keeper.draining:
            self._closing = True
            self._close()

    def _pass_over(self, refusal: Refused, *, keep: bool) -> None:
        """Answer before the body; what comes of it is dropped, and much of it ends the connection."""
        self._keep = keep and not self._keeper.draining
        self._skip, self._raw = True, 0
        self.due = self.loop.time() + LINGER_SECONDS
        self._write(refusal.status, *told(refusal, self.target), keep=self._keep)

    def _move(self, worker: int) -> None:
        """The request is another worker's, and the connection with it."""
        self.busy = False
        self._keeper.turn.flush()
        handed = Handed(address=self.address, certificate=self.certificate, data=b"".join(self._early))
        if self._keeper.hand(worker, self._transport, handed):
            self._closing = True
            if not self._transport.is_closing():  # under TLS it lives on, as another protocol's
                self._keeper.leave(self)
        else:
            self._fail(Refused(503, "the worker of this identity has too much to do", retry_after=1))

    def _fail(self, refusal: Refused) -> None:
        """End a connection whose bytes cannot be told apart any more."""
        told, self._closing = self._skip or self._closing, True
        if not told:
            self._service.refused(self, refusal)
            if self.flow is None:  # else an answer may be under way in pieces: nothing goes between them
                self._write(refusal.status, refusal.headers, worded(refusal.why), keep=False)
        waits, self.busy = self.busy and not self._skip, False
        if waits:  # what was asked before these bytes is nobody's any more
            self._service.gone(self)
        self._close()
