"""A model server of the Open Inference Protocol v2 behind the gateway; heads are written anew."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from ancile.core.place import Place
from ancile.serve.backend import Cancel, Done
from ancile.serve.inference import Infer, parse_answer, write_request
from ancile.serve.pool import Pool
from ancile.serve.refusal import Refused
from ancile.serve.signature import Signature
from ancile.serve.wire import Pieces, gather, gathered

ANSWER_BYTES = 64 << 20
OK = 200
TOLD = frozenset((400, 404, 413, 422, 429, 503))  # what the client can do something about; all else is 502
JOINED = 64 << 10  # bytes of a body that are copied to go in one piece with their head
BINARY_HEADER = b"inference-header-content-length"


class _Answer:
    """Collects one answer; ``done`` hears of it, whatever it is."""

    __slots__ = ("_done", "_length", "_pieces", "_size", "_status")

    def __init__(self, done: Done) -> None:
        self._done = done
        self._pieces: Pieces = []
        self._size = self._status = 0
        self._length: bytes | None = None

    def head(self, status: int, headers: list[tuple[bytes, bytes]], /) -> None:
        self._status = status
        for name, value in headers:
            if name == BINARY_HEADER:
                self._length = value

    def piece(self, data: bytes, /) -> None:
        self._size += len(data)
        if self._size > ANSWER_BYTES:
            raise Refused(502, "the upstream answers with too much")
        gather(self._pieces, data)

    def end(self) -> None:
        if self._status != OK:
            told = self._status if self._status in TOLD else 502
            self._done(Refused(told, "the model server refuses the request"))
            return
        try:
            outputs = parse_answer(gathered(self._pieces), self._length)
        except Refused as refusal:
            self._done(refusal)
            return
        self._done(outputs)

    def fail(self, refusal: Refused, /) -> None:
        self._done(refusal)


class Upstream:
    """A server of the protocol, and the models of it that are served.

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
        self._pool = Pool(place, seconds=seconds, loop=loop)
        host = f"Host: {place.authority()}\r\n"
        self._heads = {
            name: f"POST {place.path}/v2/models/{name}/infer HTTP/1.1\r\n{host}".encode()
            for name in signatures
        }

    @property
    def left(self) -> int:
        """Connections that may still be made or used."""
        return self._pool.left

    def ask(self, infer: Infer, signature: Signature, done: Done) -> Cancel:
        """Send it on."""
        sending = self._pool.send(self._message(infer, signature), _Answer(done))
        return _nothing if sending is None else sending.drop

    def tick(self, now: float) -> None:
        """End what took too long."""
        self._pool.tick(now)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _message(self, infer: Infer, signature: Signature) -> tuple[bytes, ...]:
        headers, pieces = write_request(infer, binary=infer.sent_binary)
        size = len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))
        length = b"Content-Length: %d\r\n" % size
        trace = b"traceparent: %b\r\n" % infer.trace if infer.trace else b""
        head = b"".join((self._heads[signature.model], length, trace, headers, b"\r\n"))
        return (head, *pieces) if size > JOINED else (head + b"".join(pieces),)


def _nothing() -> None:
    return
