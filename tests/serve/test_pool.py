"""Connections to a server behind the gateway: which are used, when an answer ends, and what breaks the circuit."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from ancile.core.place import Place
from ancile.serve.pool import FAILURES, HEADERS, MOST, Pool, Sending
from ancile.serve.refusal import Refused
from tests.serve.wire import Wire

ASK = (b"POST / HTTP/1.1\r\nHost: h\r\n", b"Content-Length: 0\r\n\r\n")
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Heard:
    """A receiver that keeps what it hears."""

    def __init__(self) -> None:
        self.status, self.body, self.refusal = 0, b"", None
        self.done = asyncio.Event()

    refusal: Refused | None

    def head(self, status: int, _: list[tuple[bytes, bytes]], /) -> None:
        self.status = status

    def piece(self, data: bytes, /) -> None:
        self.body += data

    def end(self) -> None:
        self.done.set()

    def fail(self, refusal: Refused, /) -> None:
        self.refusal = refusal
        self.done.set()


class Served:
    """A pool before a server that answers every request with the same bytes, and then closes or not."""

    def __init__(self, answer: bytes, *, close: bool = False, first: str = "127.0.0.1") -> None:
        self._answer, self._close, self._first = answer, close, first
        self.connections = 0
        self._tasks: list[asyncio.Task[None] | None] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.append(asyncio.current_task())
        with suppress(ConnectionError):
            while await reader.readline():
                while (await reader.readline()).strip():
                    pass
                writer.write(self._answer)
                await writer.drain()
                if self._close:
                    break
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def run(self, body: Callable[[Pool], Awaitable[None]]) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        addresses = tuple(ipaddress.ip_address(one) for one in (self._first, "127.0.0.1"))
        pool = Pool(Place("http", "h", port, "", addresses), seconds=5, loop=asyncio.get_running_loop())
        async with server:
            await body(pool)
            pool.close()
        while waiting := [one for one in self._tasks if one is not None and not one.done()]:
            await asyncio.wait(waiting)


async def asked(pool: Pool, heard: Heard | None = None) -> Heard:
    heard = heard or Heard()
    pool.send(ASK, heard)
    async with asyncio.timeout(10):
        await heard.done.wait()
    return heard


def test_a_connection_is_used_again_and_an_address_that_takes_none_is_passed_over() -> None:
    served = Served(PLAIN, first="127.0.0.9")

    async def body(pool: Pool) -> None:
        for _ in range(3):
            heard = await asked(pool)
            assert (heard.status, heard.body, heard.refusal) == (200, b"hi", None)

    asyncio.run(served.run(body))
    assert served.connections == 1


@pytest.mark.parametrize("cut", [0, 20, 38, 39])
def test_answers_whose_head_came_before_are_heard_as_any_other(cut: int) -> None:
    """The second head is known, of another length; its body comes later, or with it."""
    pool = Pool(Place("http", "h", 1, "", ()), seconds=5, loop=asyncio.new_event_loop())
    sending, wire = Sending(pool), Wire()
    sending.connection_made(wire)
    for body in (b"hi", b"hello there", b"", b"x"):
        heard = Heard()
        sending.receiver = heard
        sending.start(ASK)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        for piece in (answer[:cut], answer[cut:]):
            if piece:
                sending.data_received(piece)
        assert (heard.status, heard.body, heard.refusal) == (200, body, None)
        assert heard.done.is_set()
        pool.lost(sending)
    assert not wire.closed
    pool._loop.close()


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN, 200, b"hi"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n", 200, b"hi"),
    ],
)
def test_an_answer_ends_where_it_says_or_with_its_connection(answer: bytes, status: int, body: bytes) -> None:
    async def ask(pool: Pool) -> None:
        heard = await asked(pool)
        assert (heard.status, heard.body, heard.refusal) == (status, body, None)

    asyncio.run(Served(answer, close=True).run(ask))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (HEADERS + 1) + b"Content-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_whole_answer_is_a_failure(answer: bytes) -> None:
    async def ask(pool: Pool) -> None:
        heard = await asked(pool)
        assert heard.refusal is not None
        assert heard.refusal.status == 502

    asyncio.run(Served(answer, close=True).run(ask))


def test_after_failures_in_a_row_nothing_is_sent_for_a_while() -> None:
    served = Served(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    async def ask(pool: Pool) -> None:
        for _ in range(FAILURES):
            assert (await asked(pool)).status == 503
        refusal = (await asked(pool)).refusal
        assert refusal is not None
        assert (refusal.status, refusal.retry_after) == (503, 5)

    asyncio.run(served.run(ask))


def test_an_input_that_the_server_fails_on_holds_up_nobody_else() -> None:
    async def ask(pool: Pool) -> None:
        for _ in range(2 * FAILURES):
            assert (await asked(pool)).status == 500

    asyncio.run(Served(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").run(ask))


def test_clients_that_leave_are_no_failures_of_the_server() -> None:
    async def ask(pool: Pool) -> None:
        for _ in range(2 * FAILURES):
            sending = pool.send(ASK, Heard())
            assert isinstance(sending, Sending)
            assert pool.left == MOST - 1
            sending.drop()
        assert pool.left == MOST
        assert (await asked(pool)).status == 200

    asyncio.run(Served(PLAIN).run(ask))


@pytest.mark.parametrize(
    "more", [b"H", b"HTTP/1.1 200 OK\r\nX-More: 1", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"]
)
def test_what_begins_behind_an_answer_is_no_part_of_the_next(more: bytes) -> None:
    async def body(pool: Pool) -> None:
        for _ in range(3):
            heard = await asked(pool)
            assert (heard.status, heard.body, heard.refusal) == (200, b"hi", None)

    served = Served(PLAIN + more)
    asyncio.run(served.run(body))
    assert served.connections == 3
