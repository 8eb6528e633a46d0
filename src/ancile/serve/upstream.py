"""A model server behind the gateway: own connections, heads written anew, deadlines, a circuit breaker.

No request is sent twice: inference is not safe to repeat (sequence models, cost). A connection that is not
known to be alive is not used, and what fails is told with 502.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

from ancile.core.extras import needs
from ancile.core.place import Place
from ancile.serve.backend import Cancel, Done
from ancile.serve.framing import Refused
from ancile.serve.inference import Infer, parse_answer, write_request
from ancile.serve.signature import Signature

if TYPE_CHECKING:
    import httptools
else:
    httptools = needs("httptools", "serve")

CONNECT_SECONDS = 3.0
KEPT = 64  # idle connections
MOST = 256  # requests under way; more are refused at once
IDLE_SECONDS = 30.0  # after which a connection is not used again: servers close theirs after a minute or more
ANSWER_BYTES = 64 << 20
FAILURES = 5  # in a row, after which nothing is sent for a while
PAUSE_SECONDS = 5.0
TOLD = frozenset((400, 404, 413, 422, 429, 503))  # what the client can do something about; all else is 502
BINARY_HEADER = b"inference-header-content-length"


class _Connection(asyncio.Protocol):
    """One connection to the upstream, and the request that it is busy with."""

    def __init__(self, pool: Upstream) -> None:
        self._pool = pool
        self.done: Done | None = None
        self.due = self.used = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def start(self, message: bytes, done: Done, *, due: float) -> None:
        """Send a request; ``done`` hears of its end, whatever that is."""
        self.done, self.due = done, due
        self._chunks: list[bytes] = []
        self._size, self._length = 0, None
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        if self.done is None:  # bytes that nobody asked for could be taken for the next answer
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail(Refused(502, "the upstream answers in another protocol"))

    _length: bytes | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == BINARY_HEADER:
            self._length = value

    def on_body(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > ANSWER_BYTES:
            raise Refused(502, "the upstream answers with too much")
        self._chunks.append(piece)

    def on_message_complete(self) -> None:
        done, self.done = self.done, None
        if done is None:  # a second answer to one request
            self.transport.abort()
            return
        status = self._parser.get_status_code()
        self._pool.ended(self, well=status < 500, again=self._parser.should_keep_alive())
        if status != 200:
            done(Refused(status if status in TOLD else 502, "the model server refuses the request"))
            return
        try:
            outputs = parse_answer(b"".join(self._chunks), self._length)
        except Refused as refusal:
            done(refusal)
            return
        done(outputs)

    def fail(self, refusal: Refused) -> None:
        """Close; whoever waits hears why."""
        done, self.done = self.done, None
        self.transport.abort()
        if done is not None:
            self._pool.ended(self, well=False, again=False)
            done(refusal)

    def drop(self) -> None:
        """Nobody waits any more: the upstream's work ends with its connection."""
        if self.done is not None:
            self.done = None
            self._pool.ended(self, well=True, again=False)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._pool.lost(self)
        self.fail(Refused(502, "the upstream closed the connection"))


class Upstream:
    """All connections to one server.

    signatures  of the models that may be asked for; none other is
    seconds     that an answer may take
    """

    def __init__(
        self,
        place: Place,
        signatures: Mapping[str, Signature],
        *,
        seconds: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.signatures = signatures
        self._place, self._seconds, self._loop = place, seconds, loop
        self._tls = ssl.create_default_context() if place.scheme == "https" else None
        self._idle: deque[_Connection] = deque()
        self._busy: set[_Connection] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._closed_until = 0.0
        host = f"Host: {place.authority()}\r\n"
        self._heads = {
            name: f"POST {place.path}/v2/models/{name}/infer HTTP/1.1\r\n{host}".encode()
            for name in signatures
        }

    def ask(self, infer: Infer, signature: Signature, done: Done) -> Cancel:
        """Send it on over a connection that is free, or a new one."""
        now = self._loop.time()
        if now < self._closed_until:
            done(Refused(503, "the upstream fails; it is asked again soon", retry_after=int(PAUSE_SECONDS)))
            return _nothing
        if len(self._busy) + len(self._dialling) >= MOST:
            done(Refused(503, "the upstream has too much to do", retry_after=1))
            return _nothing
        message = self._message(infer, signature)
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing() and now - connection.used < IDLE_SECONDS:
                self._begin(connection, message, done, now)
                return connection.drop
            connection.transport.abort()
        task = self._loop.create_task(self._dial(message, done))  # only a new connection costs a task
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)
        return partial(self._cancel, task, done)

    def tick(self, now: float) -> None:
        """End what took too long."""
        for connection in [one for one in self._busy if one.due < now]:
            connection.fail(Refused(504, "the upstream took too long"))

    def close(self) -> None:
        """Close all connections."""
        for connection in (*self._idle, *self._busy):
            connection.transport.abort()

    def ended(self, connection: _Connection, *, well: bool, again: bool) -> None:
        """A request came to its end; the breaker counts, and the connection may serve the next."""
        self._busy.discard(connection)
        self._count(well=well)
        if again and len(self._idle) < KEPT:
            connection.used = self._loop.time()
            self._idle.append(connection)
        else:
            connection.transport.close()

    def lost(self, connection: _Connection) -> None:
        """It is closed."""
        if connection in self._idle:
            self._idle.remove(connection)

    def _count(self, *, well: bool) -> None:
        self._failures = 0 if well else self._failures + 1
        if self._failures >= FAILURES:  # one more failure after the pause opens it again
            self._closed_until = self._loop.time() + PAUSE_SECONDS

    def _message(self, infer: Infer, signature: Signature) -> bytes:
        binary = any(one.datatype == "FP16" for one in infer.inputs) or infer.sent_binary
        written = write_request(infer, binary=binary)
        head = self._heads[signature.model]
        return b"%bContent-Length: %d\r\n%b\r\n%b" % (head, len(written.body), written.headers, written.body)

    def _begin(self, connection: _Connection, message: bytes, done: Done, now: float) -> None:
        self._busy.add(connection)
        connection.start(message, done, due=now + self._seconds)

    async def _dial(self, message: bytes, done: Done) -> None:
        try:
            connection = await asyncio.wait_for(self._connected(), CONNECT_SECONDS)
        except (OSError, TimeoutError):
            self._count(well=False)
            done(Refused(502, "the upstream cannot be reached"))
            return
        self._begin(connection, message, done, self._loop.time())

    async def _connected(self) -> _Connection:
        """To the first judged address that takes it: names are resolved once, at the start."""
        for address in self._place.addresses:
            try:
                _, made = await self._loop.create_connection(
                    lambda: _Connection(self),
                    str(address),
                    self._place.port,
                    ssl=self._tls,
                    server_hostname=self._place.host if self._tls else None,
                )
            except OSError:
                continue
            return made
        raise OSError("no address takes a connection")

    def _cancel(self, task: asyncio.Task[None], done: Done) -> None:
        if not task.done():
            task.cancel()
            return
        for connection in [one for one in self._busy if one.done is done]:
            connection.drop()


def _nothing() -> None:
    return
