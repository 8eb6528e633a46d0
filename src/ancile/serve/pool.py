"""Connections to one server behind the gateway: kept and used again, with deadlines and a circuit breaker.

No request is sent twice: inference is not safe to repeat (sequence models, cost). What is tried again is
connecting, at the next address of the server. A connection that is not known to be alive is not used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from ancile.core.extras import needs
from ancile.core.place import Place
from ancile.serve.heads import Last, is_plain
from ancile.serve.refusal import Refused
from ancile.serve.turn import Turn

if TYPE_CHECKING:
    import httptools
else:
    httptools = needs("httptools", "serve")

CONNECT_SECONDS = 3.0
KEPT = 64  # idle connections
MOST = 256  # requests under way; more are refused at once
IDLE_SECONDS = 30.0  # after which a connection is not used again: servers close theirs after a minute or more
HEADERS = 128  # of an answer
HEADER_BYTES = 64 << 10
FAILURES = 5  # in a row, after which nothing is sent for a while
PAUSE_SECONDS = 5.0
INFORMAL = 200  # below it a status only announces the answer
AWAY = frozenset((502, 503, 504))  # of a server that is not there; 500 may be one input's doing
LENGTH = b"content-length"
FRAMED = frozenset((LENGTH, b"transfer-encoding"))
OK = 200
LONGEST = 10**15  # bytes of an answer: whoever receives it knows how many it takes


class Receiver(Protocol):
    """Whoever waits for an answer; after ``end`` or ``fail`` it hears no more."""

    def head(self, status: int, headers: list[tuple[bytes, bytes]], /) -> None:
        """The answer begins; names are in lower case, a Content-Length may be missing. Refused ends it."""

    def piece(self, data: bytes, /) -> None:
        """More of the body. Refused ends it."""

    def end(self) -> None:
        """The answer is whole."""

    def fail(self, refusal: Refused, /) -> None:
        """There is none, or no more of it."""


class Sending(asyncio.Protocol):
    """A connection to the server, and the request that it is busy with."""

    __slots__ = (
        "_framed",
        "_headers",
        "_is_first",
        "_last",
        "_parser",
        "_pool",
        "_rest",
        "_size",
        "_status",
        "dialling",
        "due",
        "message",
        "patient",
        "receiver",
        "transport",
        "used",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.receiver: Receiver | None = None
        self.transport: asyncio.Transport | None = None
        self.dialling: asyncio.Task[None] | None = None
        self.message: Sequence[bytes] = ()
        self.due = self.used = 0.0
        self.patient = False
        self._parser = httptools.HttpResponseParser(self)
        self._status = self._size = 0
        self._framed = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._last: Last[list[tuple[bytes, bytes]]] = Last()  # of an answer with status 200
        self._is_first = True  # whether nothing of the answer has come
        self._rest = 0  # bytes that an answer with a known head still lacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what the connection was made for."""
        self.transport = cast("asyncio.Transport", transport)
        self.dialling = None
        self.transport.writelines(self.message)
        self.message = ()

    def start(self, message: Sequence[bytes]) -> None:
        """Send a request over a connection that stands."""
        self._is_first = True
        if self.transport is None:
            return
        if len(message) == 1:
            self._pool.turn.write(self.transport, message[0])
        else:
            self.transport.writelines(message)

    # What the transport and the parser call.

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        if self.receiver is None:  # bytes that nobody asked for could be taken for the next answer
            self._abort()
            return
        if self.patient:
            self.due = self._pool.later()
        is_first, self._is_first = self._is_first, False
        try:
            if self._rest:
                self._further(data)
            elif is_first and (found := self._last.split(data, LONGEST)) is not None:
                self._again(data, *found)
            else:
                self._parser.feed_data(data)
                if is_first and self._last.is_open and not self._is_first:
                    self._remember(data)
        except Refused as refusal:
            self.fail(refusal)
        except httptools.HttpParserCallbackError as error:
            own = error.__context__
            self.fail(own if isinstance(own, Refused) else Refused(502, "the upstream answers out of turn"))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail(Refused(502, "the upstream answers in another protocol"))

    def _remember(self, data: bytes) -> None:
        """Keep the head that came, where nothing about it but its length need be looked at again."""
        headers = dict(self._headers)
        is_alone = len(headers) == len(self._headers) and self._parser.get_http_version() == "1.1"
        if self._status == OK and is_alone and is_plain(headers):
            said = [one for one in self._headers if one[0] != LENGTH]
            self._last.keep(data, self._size, headers[LENGTH], said)

    def _again(self, data: bytes, start: int, length: int) -> None:
        """An answer whose head came before."""
        self._status, self._framed, self._rest = OK, True, length
        if self.receiver is not None:
            self.receiver.head(OK, self._last.said)
        self._further(data[start:])

    def _further(self, data: bytes) -> None:
        """More of its body; what comes behind it nobody has asked for."""
        rest = self._rest - len(data)
        if data:
            self.on_body(data if rest >= 0 else data[:rest])
        self._rest = max(0, rest)
        if rest <= 0:
            self._end(again=not rest)

    def on_message_begin(self) -> None:
        """A head begins; one that nobody waits for would be taken for the beginning of the next answer."""
        if self.receiver is None:
            raise Refused(502, "the upstream answers twice")
        self._headers, self._size, self._status, self._framed = [], 0, 0, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of a trailer, which is dropped."""
        if self._status:
            return
        self._size += len(name) + len(value)
        if len(self._headers) >= HEADERS or self._size > HEADER_BYTES:
            raise Refused(502, "the upstream answers with too much")
        name = name.lower()
        self._framed = self._framed or name in FRAMED
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Tell of the head."""
        self._status, self._size = self._parser.get_status_code(), 0
        if self._status >= INFORMAL and self.receiver is not None:
            self.receiver.head(self._status, self._headers)

    def on_body(self, piece: bytes) -> None:
        """Hand a piece on."""
        self._size += len(piece)
        if self.receiver is not None:
            self.receiver.piece(piece)

    def on_message_complete(self) -> None:
        """Free the connection, then tell."""
        if self._status >= INFORMAL:
            self._end(again=self._parser.should_keep_alive())

    def _end(self, *, again: bool) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is None:  # a second answer to one request
            self._abort()
            return
        self._pool.ended(self, well=self._status not in AWAY, again=again)
        receiver.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Where an answer ends with its connection, that is its end; else it is broken off."""
        self._pool.lost(self)
        receiver = self.receiver
        if receiver is not None and self._status >= INFORMAL and not self._framed and exc is None:
            self.receiver = None
            self._pool.ended(self, well=self._status not in AWAY, again=False)
            receiver.end()
        else:
            self.fail(Refused(502, "the upstream closed the connection"))

    # What whoever waits, and the pool, call.

    def pause(self) -> None:
        """Read no more for now: the client does not."""
        if self.transport is not None and self.receiver is not None:
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.transport is not None and self.receiver is not None:
            self.due = self._pool.later()
            self.transport.resume_reading()

    def fail(self, refusal: Refused) -> None:
        """Close; whoever waits hears why."""
        receiver, self.receiver = self.receiver, None
        self._abort()
        if receiver is not None:
            self._pool.ended(self, well=False, again=False)
            receiver.fail(refusal)

    def drop(self) -> None:
        """Nobody waits any more: the server's work ends with its connection."""
        if self.receiver is not None:
            self.receiver = None
            self._pool.ended(self, well=None, again=False)
        self._abort()

    def _abort(self) -> None:
        if self.dialling is not None:
            self.dialling.cancel()
        if self.transport is not None:
            self.transport.abort()


class Pool:
    """All connections to one server.

    seconds  that an answer may take, or with ``patient`` the next piece of it
    """

    def __init__(self, place: Place, *, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._place, self._seconds, self._loop = place, seconds, loop
        self.turn = Turn(loop)
        self._tls = ssl.create_default_context() if place.scheme == "https" else None
        self._idle: deque[Sending] = deque()
        self._busy: set[Sending] = set()
        self._failures = 0
        self._closed_until = 0.0

    @property
    def left(self) -> int:
        """How many more requests may be under way."""
        return MOST - len(self._busy)

    def send(self, message: Sequence[bytes], receiver: Receiver, *, patient: bool = False) -> Sending | None:
        """Send a request over a connection that is free, or a new one; None where the receiver knows why not.

        message  pieces of it
        """
        now = self._loop.time()
        if now < self._closed_until:
            receiver.fail(
                Refused(503, "the upstream fails; it is asked again soon", retry_after=int(PAUSE_SECONDS))
            )
            return None
        if not self.left:
            receiver.fail(Refused(503, "the upstream has too much to do", retry_after=1))
            return None
        sending = self._free(now)
        sending.receiver, sending.patient, sending.due = receiver, patient, now + self._seconds
        self._busy.add(sending)
        if sending.transport is not None:
            sending.start(message)
        else:
            sending.message = message
            sending.dialling = self._loop.create_task(self._dial(sending))  # a new connection costs a task
        return sending

    def _free(self, now: float) -> Sending:
        while self._idle:
            sending = self._idle.pop()
            if sending.transport is not None:
                if not sending.transport.is_closing() and now - sending.used < IDLE_SECONDS:
                    return sending
                sending.transport.abort()
        return Sending(self)

    def later(self) -> float:
        """When the next piece is due."""
        return self._loop.time() + self._seconds

    def tick(self, now: float) -> None:
        """End what took too long; once a second."""
        for sending in [one for one in self._busy if one.due < now]:
            sending.fail(Refused(504, "the upstream took too long"))

    def close(self) -> None:
        """Close all connections."""
        for sending in (*self._idle, *self._busy):
            sending.drop()

    def ended(self, sending: Sending, *, well: bool | None, again: bool) -> None:
        """A request came to its end; the breaker counts, and the connection may serve the next.

        well  None where the client left, which says nothing of the server
        """
        self._busy.discard(sending)
        if well is not None:
            self._failures = 0 if well else self._failures + 1
            if self._failures >= FAILURES:  # one more failure after the pause opens it again
                self._closed_until = self._loop.time() + PAUSE_SECONDS
        if again and len(self._idle) < KEPT:
            sending.used = self._loop.time()
            self._idle.append(sending)
        elif sending.transport is not None:
            sending.transport.close()

    def lost(self, sending: Sending) -> None:
        """It is closed."""
        if sending in self._idle:
            self._idle.remove(sending)

    async def _dial(self, sending: Sending) -> None:
        """Connect to the first judged address that takes it: names are resolved once, at the start."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                for address in self._place.addresses:
                    try:
                        await self._connect(sending, str(address))
                    except OSError:
                        continue
                    return
        except TimeoutError:
            pass
        sending.dialling = None
        sending.fail(Refused(502, "the upstream cannot be reached"))

    async def _connect(self, sending: Sending, address: str) -> None:
        await self._loop.create_connection(
            lambda: sending,
            address,
            self._place.port,
            ssl=self._tls,
            server_hostname=self._place.host if self._tls else None,
        )
