"""What is no plain HTTP/1.1 request is refused; what one connection may cost is bounded."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.serve.door import Door
from ancile.serve.framing import Connection
from ancile.serve.limits import Limits
from ancile.serve.refusal import Refused
from ancile.serve.wire import MANY, Pieces, gather, gathered
from tests.serve.loop import Echo, Slow, all_of, opened
from tests.serve.wire import wire_of

HEAD = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"

# The table of requests that servers frame differently: what each stack answers stands in the documentation.
SMUGGLING = {
    "length and chunks": CHUNKED + b"Content-Length: 2\r\n\r\n0\r\n\r\n",
    "two equal lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\nhi",
    "two different lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    "a length with a sign": HEAD + b"Content-Length: +2\r\n\r\nhi",
    "a length in hexadecimal": HEAD + b"Content-Length: 0x2\r\n\r\nhi",
    "xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "gzip, chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "chunked twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "a space before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a bare CR": HEAD + b"X: a\rb\r\nContent-Length: 2\r\n\r\nhi",
    "NUL in a field": HEAD + b"X: a\x00b\r\nContent-Length: 2\r\n\r\nhi",
    "a folded line": HEAD + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nhi",
    "lines that end with LF": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\nhi",
    "a trailer with a length": CHUNKED + b"\r\n2\r\nhi\r\n0\r\nContent-Length: 3\r\n\r\n",
    "a chunk extension that ends with LF": CHUNKED + b"\r\n2;x\nhi\r\n0\r\n\r\n",
    "a chunk size that ends with LF": CHUNKED + b"\r\n2\nhi\r\n0\r\n\r\n",
    "a chunk size 0x2": CHUNKED + b"\r\n0x2\r\nhi\r\n0\r\n\r\n",
    "no Host": b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
    "two Hosts": HEAD + b"Host: other\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.0 with chunks": CHUNKED.replace(b"1.1", b"1.0") + b"\r\n2\r\nhi\r\n0\r\n\r\n",
    "version 2.0": HEAD.replace(b"1.1", b"2.0") + b"Content-Length: 2\r\n\r\nhi",
    "an absolute target": HEAD.replace(b" /", b" http://other/", 1) + b"Content-Length: 2\r\n\r\nhi",
    "upgrade to h2c": HEAD.replace(b"close", b"upgrade") + b"Upgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_what_another_server_may_frame_otherwise_is_refused(name: str) -> None:
    service = Echo()
    with opened(service) as door:
        came = door.ask(SMUGGLING[name])
    assert came.startswith(b"HTTP/1.1 400 "), came
    assert came.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close\r\n" in came
    assert service.served == []


def test_there_are_twenty_five_of_them() -> None:
    assert len(SMUGGLING) == 25


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", b"200"),
        (b"Content-Length: 2\r\n\r\nhi", b"200"),
        (b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\nhi", b"100"),
        (b"Content-Length: 2\r\nExpect: coffee\r\n\r\nhi", b"417"),
        (b"Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\nhi", b"415"),
        (b"Content-Length: 99999999\r\n\r\n", b"413"),
        (b"Content-Length: 9999999999999999999999\r\n\r\n", b"400"),
        (b"X: " + b"a" * 20_000 + b"\r\n\r\n", b"431"),
        (b"X: " + b"a" * 200_000, b"431"),
    ],
)
def test_plain_requests_pass_and_large_ones_do_not(head: bytes, status: bytes) -> None:
    service = Echo()
    with opened(service) as door:
        came = door.ask(HEAD + head)
    assert came.split(b" ")[1] == status
    if status in (b"200", b"100"):
        assert service.served == [(b"POST", b"/v2/models/m/infer", b"hi")]
        assert came.endswith(b"\r\n\r\nhi")
    else:
        assert service.served == []


def test_chunks_of_one_byte_each_are_counted_as_they_come() -> None:
    limits = Limits(body_bytes=1000, header_bytes=500)
    with opened(Echo(), limits) as door:
        fits = door.ask(CHUNKED + b"\r\n" + b"1\r\nh\r\n" * 500 + b"0\r\n\r\n")
        many = door.ask(CHUNKED + b"\r\n" + b"1\r\nh\r\n" * 1001 + b"0\r\n\r\n")
        extended = door.ask(CHUNKED + b"\r\n1;" + b"x" * 10_000 + b"\r\nh\r\n0\r\n\r\n")
    assert fits.startswith(b"HTTP/1.1 200 ")
    assert many.startswith(b"HTTP/1.1 413 ")
    assert extended.startswith(b"HTTP/1.1 413 ")


def test_a_second_request_before_the_answer_to_the_first_is_refused() -> None:
    one = HEAD.replace(b"close", b"keep-alive") + b"Content-Length: 2\r\n\r\nhi"
    with opened(Echo()) as door:
        came = door.ask(one + one)
    assert re.findall(rb"HTTP/1.1 (\d+)", came) == [b"200", b"400"]


def test_a_connection_is_used_again_after_its_answer() -> None:
    one = HEAD.replace(b"close", b"keep-alive") + b"Content-Length: 2\r\n\r\nhi"
    service = Echo()
    with opened(service) as door, socket.create_connection(("127.0.0.1", door.port), timeout=60) as client:
        for _ in range(3):
            client.sendall(one)
            assert client.recv(4096).endswith(b"hi")
    assert len(service.served) == 3


def test_a_request_may_come_byte_by_byte() -> None:
    service = Echo()
    with opened(service) as door, socket.create_connection(("127.0.0.1", door.port), timeout=60) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in HEAD + b"Content-Length: 2\r\n\r\nhi":
            client.sendall(bytes([byte]))
        assert all_of(client).endswith(b"hi")


def test_a_head_that_is_not_admitted_is_answered_before_its_body_and_the_connection_goes_on() -> None:
    def judge(exchange: Connection) -> Refused | None:
        return Refused(429, "slow down", retry_after=3) if b"x-late" in exchange.headers else None

    service = Echo(judge)
    again = HEAD.replace(b"close", b"keep-alive")
    with opened(service) as door, socket.create_connection(("127.0.0.1", door.port), timeout=60) as client:
        client.sendall(again + b"X-Late: 1\r\nContent-Length: 5\r\n\r\nab")
        came = client.recv(4096)
        assert came.startswith(b"HTTP/1.1 429 ")
        assert b"Retry-After: 3\r\n" in came
        client.sendall(b"cde")
        client.sendall(HEAD + b"Content-Length: 2\r\n\r\nhi")
        assert all_of(client).endswith(b"hi")
    assert [body for _, _, body in service.served] == [b"hi"]


def test_a_next_request_that_comes_with_the_rest_of_a_refused_body_is_served() -> None:
    """Clients send head and body apart: the answer to the head may come before the body is read."""
    service = Echo(lambda exchange: Refused(429, "slow") if b"x-late" in exchange.headers else None)
    refused = HEAD.replace(b"close", b"keep-alive") + b"X-Late: 1\r\nContent-Length: 5\r\n\r\n"
    with opened(service) as door, socket.create_connection(("127.0.0.1", door.port), timeout=60) as client:
        client.sendall(refused)
        for _ in range(2):
            assert client.recv(4096).startswith(b"HTTP/1.1 429 ")
            client.sendall(b"abcde" + refused)
        assert client.recv(4096).startswith(b"HTTP/1.1 429 ")
        client.sendall(b"abcde" + HEAD + b"Content-Length: 2\r\n\r\nhi")
        assert all_of(client).endswith(b"hi")
    assert [body for _, _, body in service.served] == [b"hi"]
    assert service.refusals == []


def test_the_body_of_a_refused_request_is_not_read_for_ever() -> None:
    with opened(Echo(lambda _: Refused(401, "no"))) as door:
        client = socket.create_connection(("127.0.0.1", door.port), timeout=60)
        client.sendall(HEAD + b"Content-Length: 8000000\r\n\r\n")
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            client.sendall(b"x" * 80_000_000)
        client.close()


def test_a_slow_head_a_slow_body_and_an_idle_connection_are_cut() -> None:
    limits = Limits(head_seconds=0.2, body_seconds=0.2, idle_seconds=0.2)
    starts = (b"", b"POST / HT", HEAD + b"Content-Length: 9\r\n\r\nhi")
    with opened(Echo(), limits) as door:
        clients = [socket.create_connection(("127.0.0.1", door.port), timeout=60) for _ in starts]
        for client, start in zip(clients, starts, strict=True):
            client.sendall(start)
        assert [all_of(client) for client in clients] == [b"", b"", b""]
        for client in clients:
            client.close()


def test_more_connections_than_an_address_may_have_are_closed() -> None:
    with opened(Echo(), Limits(connections_per_address=2)) as door:
        held = [socket.create_connection(("127.0.0.1", door.port), timeout=60) for _ in range(2)]
        request = HEAD + b"Content-Length: 2\r\n\r\nhi"
        held[0].sendall(request.replace(b"close", b"keep-alive"))
        assert held[0].recv(4096).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", door.port), timeout=60) as third:
            assert all_of(third) == b""
        for one in held:
            one.close()


def test_the_service_learns_that_a_client_left() -> None:
    service = Slow()
    with opened(service) as door:
        with socket.create_connection(("127.0.0.1", door.port), timeout=60) as client:
            client.sendall(HEAD + b"Content-Length: 2\r\n\r\nhi")
            assert service.came.wait(60)
        assert service.went.wait(60)


def test_draining_answers_what_runs_and_closes_the_rest() -> None:
    service = Slow()
    with opened(service) as door:
        idle = socket.create_connection(("127.0.0.1", door.port), timeout=60)
        busy = socket.create_connection(("127.0.0.1", door.port), timeout=60)
        busy.sendall(HEAD.replace(b"close", b"keep-alive") + b"Content-Length: 2\r\n\r\nhi")
        assert service.came.wait(60)

        def answer_last() -> None:
            if door.door.draining:
                service.waiting[0].answer(200, b"", b"last words")
            else:
                door.loop.call_later(0.01, answer_last)

        door.loop.call_soon_threadsafe(answer_last)
        door.close()
        came = all_of(busy)
        assert b"Connection: close" in came
        assert came.endswith(b"last words")
        assert all_of(idle) == b""
        idle.close()
        busy.close()


def test_a_bug_in_the_service_is_told_as_an_internal_error(capfd: pytest.CaptureFixture[str]) -> None:
    class Broken(Echo):
        def serve(self, _: Connection) -> None:
            raise ZeroDivisionError

    def broken(_: Connection) -> Refused | None:
        raise ZeroDivisionError

    for service in (Broken(), Echo(broken)):
        with opened(service) as door:
            assert door.ask(HEAD + b"Content-Length: 2\r\n\r\nhi").startswith(b"HTTP/1.1 500 ")
        assert "ZeroDivisionError" in capfd.readouterr().err


PIECES = st.sampled_from(
    [
        b"POST / HTTP/1.1\r\n",
        b"Host: h\r\n",
        b"\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"0\r\n",
        b"abc",
        b"\n",
        b"\x00",
        b": ",
        b"GET",
        b" ",
        b"Connection: close\r\n",
        b"\xff" * 50,
        b"1;a\r\n",
    ]
)


def test_a_body_in_very_many_pieces_is_cut_and_one_in_many_costs_what_it_weighs() -> None:
    """Each piece would cost a call, and forty bytes beside its own two."""
    service = Slow()
    with opened(service) as door, socket.create_connection(("127.0.0.1", door.port), timeout=10) as client:
        with suppress(ConnectionError):
            client.sendall(CHUNKED + b"\r\n" + b"2\r\nhi\r\n" * 200_000)
        assert all_of(client)[:12] in (b"", b"HTTP/1.1 413")
        assert not service.waiting
    pieces = [bytes([k]) * 20 for k in range(256)] * 4
    kept: Pieces = []
    for piece in pieces:
        gather(kept, piece)
    assert len(kept) == MANY + 1
    assert gathered(kept) == b"".join(pieces)
    body = b"".join(b"14\r\n%b\r\n" % piece for piece in pieces)
    with opened(Echo()) as door:
        assert door.ask(CHUNKED + b"\r\n" + body + b"0\r\n\r\n").endswith(b"".join(pieces))


def test_what_was_asked_before_bytes_that_are_no_request_is_nobodys_any_more() -> None:
    """Else somebody leaves without leaving: his request stays under way, and is paid for, until it ends."""
    service = Slow()
    with opened(service) as door, socket.create_connection(("127.0.0.1", door.port), timeout=60) as client:
        client.sendall(HEAD + b"Content-Length: 2\r\n\r\nhi")
        assert service.came.wait(60)
        client.sendall(b"no request")
        assert all_of(client).startswith(b"HTTP/1.1 400 ")
        assert service.went.wait(60)


def test_nothing_is_put_between_the_pieces_of_an_answer() -> None:
    class Streams(Slow):
        def serve(self, exchange: Connection) -> None:
            exchange.flow = Flowing()
            exchange.begin(200, b"")
            exchange.more(b"one")
            super().serve(exchange)

    class Flowing:
        def pause(self) -> None:
            """Nothing comes."""

        def resume(self) -> None:
            """Nor now."""

    service = Streams()
    with opened(service) as door, socket.create_connection(("127.0.0.1", door.port), timeout=60) as client:
        client.sendall(HEAD.replace(b"close", b"keep-alive") + b"Content-Length: 2\r\n\r\nhi")
        assert service.came.wait(60)
        client.sendall(HEAD + b"Content-Length: 2\r\n\r\nhi")
        assert all_of(client).endswith(b"\r\n\r\n3\r\none\r\n")
        assert service.went.wait(60)


def test_no_fault_of_a_tick_ends_the_sweep() -> None:
    """Else deadlines would be kept no more, and keys that were taken back would let in for ever."""
    loop, ticks = asyncio.new_event_loop(), list[float]()
    faults = list[dict[str, object]]()
    loop.set_exception_handler(lambda _, context: faults.append(context))

    def tick(now: float) -> None:
        ticks.append(now)
        if len(ticks) > 1:
            loop.stop()
        raise OSError(errno.EMFILE, "too many open files")

    door = Door(Echo(), limits=Limits(), loop=loop, tick=tick)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with suppress(OSError):
            loop.run_until_complete(door.open(listening))
        loop.run_forever()
        with suppress(RuntimeError):
            loop.run_until_complete(door.drain())
    loop.close()
    assert len(ticks) == 2
    assert faults


@pytest.mark.parametrize("limit", [64, 1024, 8192])
def test_there_are_fewer_connections_than_descriptors(limit: int) -> None:
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))\n"
        "from ancile.serve.limits import Limits, within_descriptors\n"
        "found = within_descriptors(Limits()); print(found.connections, found.connections_per_address)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    every, each = map(int, said.split())
    assert 4 * each <= every <= 4096
    assert every <= limit - (512 if limit >= 1024 else 16)


@settings(max_examples=60)
@given(pieces=st.lists(PIECES | st.binary(max_size=20), max_size=12))
def test_no_bytes_raise_anything_but_a_refusal(pieces: list[bytes]) -> None:
    loop = asyncio.new_event_loop()
    service = Echo()
    door = Door(service, limits=Limits(), loop=loop, tick=lambda _: None)
    connection = Connection(door, service, loop)
    wire = wire_of(connection, door, pieces)
    loop.close()
    answers = bytes(wire.written).count(b"HTTP/1.1 ")
    assert answers == len(service.served) + len(service.refusals) + bytes(wire.written).count(b"100 Continue")
