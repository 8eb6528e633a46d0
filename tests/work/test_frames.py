"""Frames: what is sent arrives, and whatever else arrives ends in one known error."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.work import frames
from ancile.work.frames import Block, ClosedError, Frame, Shape, decoded, receive, send, text_block

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def through(frame: Frame, *, limit: int = 1 << 30) -> Frame:
    """The frame after a journey over a socket, sent from a thread as a socket's buffer is small."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=send, args=(theirs, frame))
        sender.start()
        found = receive(ours, limit_bytes=limit)
        sender.join()
    return found


def raw(head: object, *, total: int = 0, body: bytes = b"") -> bytes:
    packed = msgspec.msgpack.encode(head)
    return struct.pack("<IQ", len(packed), total) + packed + body


@given(st.binary(max_size=5000), st.integers(0, 2**32), st.text(max_size=40))
def test_what_is_sent_arrives(data: bytes, number: int, word: str) -> None:
    found = through(
        Frame(number, word, msgspec.msgpack.encode([1, "a"]), (text_block(data), text_block(b"")))
    )
    assert (found.number, found.word) == (number, word)
    assert decoded(found.body, tuple[int, str]) == (1, "a")
    assert [bytes(block.data) for block in found.blocks] == [data, b""]


def test_a_block_larger_than_what_is_taken_at_once_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "PIECE_BYTES", 1000)
    data = bytes(range(256)) * 100
    assert bytes(through(Frame(1, "x", blocks=(text_block(data),))).blocks[0].data) == data


def test_blocks_beyond_the_limit_are_refused_before_memory_is_taken(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(raw([1, "x", None, [["float64", [1 << 40]]]], total=8 << 40))
    with pytest.raises(AncileError, match="protocol"):
        receive(ours, limit_bytes=1 << 20)


def test_a_head_beyond_its_limit_is_refused(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(struct.pack("<IQ", 2**32 - 1, 0))
    with pytest.raises(AncileError, match="protocol"):
        receive(ours, limit_bytes=0)


@pytest.mark.parametrize(
    "head",
    [
        [1, "x", None, [["object", [1]]]],
        [1, "x", None, [["<f8", [1]]]],
        [1, "x", None, [["float64", [2]]]],
        [1, "x", None, [["float64", [-1]]]],
        [1, "x", None, [["float64", [1] * 17]]],
        [1, "x" * 41, None, []],
        [1, "x", None],
        [1, "x", None, [], "more"],
        {"number": 1},
        "head",
    ],
)
def test_a_head_of_another_kind_is_refused(pair: Pair, head: object) -> None:
    ours, theirs = pair
    theirs.sendall(raw(head, total=8, body=bytes(8)))
    with pytest.raises(AncileError, match="protocol"):
        receive(ours, limit_bytes=1 << 20)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_frame_or_a_known_error(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(data)
        try:
            receive(ours, limit_bytes=1000)
        except (AncileError, ClosedError):
            return


@pytest.mark.parametrize("act", [lambda s: receive(s, limit_bytes=9), lambda s: send(s, Frame(1, "x"))])
def test_a_socket_that_fails_is_a_closed_one(pair: Pair, act: Callable[[socket.socket], object]) -> None:
    ours, _ = pair
    ours.close()
    with pytest.raises(ClosedError):
        act(ours)


def test_a_body_of_another_kind_is_refused() -> None:
    with pytest.raises(AncileError, match="protocol"):
        decoded(b"\xc1", int)
    with pytest.raises(AncileError, match="protocol"):
        decoded(msgspec.msgpack.encode("a"), int)


def test_a_type_outside_the_list_has_no_size(pair: Pair) -> None:
    with pytest.raises(AncileError, match="protocol"):
        send(pair[0], Frame(1, "x", blocks=(Block(Shape("void", (1,)), b"1"),)))
