"""A head that came before is not parsed again, and nothing tells the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.serve.door import Door
from ancile.serve.framing import Connection
from ancile.serve.heads import UNLIKE, Last
from ancile.serve.limits import Limits
from ancile.serve.refusal import Refused
from tests.serve.loop import Echo
from tests.serve.wire import wire_of

HEAD = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nX: y\r\n\r\n"
PIECES = st.sampled_from(
    [
        HEAD % 3 + b"abc",
        HEAD % 3,
        HEAD % 3 + b"ab",
        HEAD % 3 + b"abcd",
        HEAD % 0,
        HEAD % 4 + b"abcd" + HEAD % 1 + b"e",
        HEAD % 99,
        HEAD.replace(b"Host", b"host") % 3 + b"abc",
        HEAD.replace(b"/a", b"/no") % 3 + b"abc",
        HEAD.replace(b"/a", b"/no") % 9 + b"abc",
        HEAD.replace(b"%d", b"+3") + b"abc",
        HEAD.replace(b"%d", b"03") + b"abc",
        HEAD.replace(b"%d", b"3 ") + b"abc",
        HEAD.replace(b"%d", b"") + b"abc",
        HEAD.replace(b"X: y", b"Connection: close") % 3 + b"abc",
        HEAD.replace(b"X: y", b"Content-Length: 4") % 3 + b"abc",
        HEAD.replace(b"X: y", b"Transfer-Encoding: chunked") % 3 + b"abc",
        HEAD.replace(b"X: y", b"Expect: 100-continue") % 3 + b"abc",
        b"abc",
        b"a",
        b"\r\n",
        HEAD[:20],
    ]
)


def judged(exchange: Connection) -> Refused | None:
    return Refused(403, "no") if exchange.target == b"/no" else None


class Forgetful(Last[tuple[bytes, bytes, dict[bytes, bytes]]]):
    """Knows no head."""

    def split(self, data: bytes, most: int) -> None:  # noqa: ARG002 - of the one that knows
        return None


def fed(pieces: Sequence[bytes], *, known: bool) -> tuple[object, ...]:
    """What a service and its client saw of these pieces; without ``known`` every head is parsed."""
    loop = asyncio.new_event_loop()
    service = Echo(judged)
    door = Door(service, limits=Limits(), loop=loop, tick=lambda _: None)
    connection = Connection(door, service, loop)
    if not known:
        connection._last = Forgetful()
    wire = wire_of(connection, door, pieces)
    loop.close()
    return service.served, service.refusals, service.left, bytes(wire.written), wire.closed


@settings(max_examples=150)
@given(pieces=st.lists(PIECES, max_size=8))
def test_what_is_served_and_answered_is_as_if_every_head_had_been_parsed(pieces: list[bytes]) -> None:
    assert fed(pieces, known=True) == fed(pieces, known=False)


@given(
    bodies=st.lists(st.binary(max_size=40), min_size=1, max_size=6),
    cuts=st.lists(st.integers(0, 120), max_size=4),
)
def test_requests_come_as_they_were_sent_however_they_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    pieces = []
    for body in bodies:
        whole = HEAD % len(body) + body
        edges = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
        pieces += [whole[a:b] for a, b in pairwise(edges) if a < b]
    served, refusals, *_ = fed(pieces, known=True)
    assert (served, refusals) == ([(b"POST", b"/a", body) for body in bodies], [])


def learned(data: bytes, size: int, length: bytes) -> Last[int]:
    last = Last[int]()
    last.keep(data, size, length, 1)
    return last


def test_only_the_digits_of_the_length_may_differ() -> None:
    last = learned(HEAD % 3 + b"abc", 3, b"3")
    begins = len(HEAD % 12)
    assert last.split(HEAD % 12 + b"abc", 100) == (begins, 12)
    assert last.said == 1
    for data, most in [
        (HEAD % 12, 11),
        (HEAD % 2 + b"abc", 100),
        (HEAD.replace(b"%d", b"1" * 16), 10**17),
        (HEAD.replace(b"%d", b"-3"), 100),
        (HEAD.replace(b"y", b"z") % 3, 100),
        (HEAD.replace(b"/a", b"/b") % 3, 100),
        ((HEAD % 3)[:-1], 100),
    ]:
        assert last.split(data, most) is None


@pytest.mark.parametrize(
    ("data", "size", "length"),
    [
        (HEAD % 3 + b"abc", 2, b"3"),  # llhttp saw the body begin elsewhere
        (HEAD % 3 + b"abc", 3, b"three"),
        (HEAD.replace(b": %d", b":\t3") + b"abc", 3, b"3"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 0, b""),
        (HEAD.replace(b"y", b"y" * 3000) % 3 + b"abc", 3, b"3"),
    ],
)
def test_a_head_that_is_seen_otherwise_or_is_long_is_not_kept(data: bytes, size: int, length: bytes) -> None:
    assert learned(data, size, length).split(data, 100) is None


def test_heads_that_are_never_alike_are_not_kept_for_long() -> None:
    last = Last[int]()
    for number in range(UNLIKE):
        data = HEAD.replace(b"y", b"%d" % number).replace(b"%d", b"0")
        assert last.is_open
        last.keep(data, 0, b"0", number)
    assert not last.is_open
