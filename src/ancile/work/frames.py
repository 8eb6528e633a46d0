"""Messages between a process and its child: a msgpack head and raw blocks of numbers, nothing that can act.

One frame is ``u32 length of the head, u64 length of all blocks`` (little endian), the head, the blocks one
after another. The head tells type and shape of each block; what it tells is checked against the lengths
before memory is taken for them. The other side is hostile: what it sends ends in a frame or an AncileError.
"""

from __future__ import annotations

import math
import socket
import struct
from typing import Annotated, TypeVar

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain

LENGTHS = struct.Struct("<IQ")
HEAD_BYTES = 1 << 20  # of the head: names and words, never data
BLOCKS = 64
ITEM_BYTES = {"bytes": 1, "float16": 2, "float32": 4, "float64": 8, "int64": 8, "bool": 1}
PIECE_BYTES = 64 << 20  # taken on the word of a head; beyond, memory doubles as bytes come in

Kind = TypeVar("Kind")

Axis = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]


class Shape(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Type and axes of one block, in row-major order, native byte order (both ends are one machine)."""

    dtype: str
    axes: Annotated[tuple[Axis, ...], msgspec.Meta(max_length=16)]

    def size_bytes(self) -> int:
        """Bytes that a block of this shape takes; a type outside the allow-list is an error."""
        if self.dtype not in ITEM_BYTES:
            raise _broken(f"a block of type {plain(self.dtype, 40)}")
        return math.prod(self.axes) * ITEM_BYTES[self.dtype]


class Block(msgspec.Struct, frozen=True):
    """Numbers as they lie in memory."""

    shape: Shape
    data: bytes | bytearray | memoryview


class Head(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a frame says of itself.

    number  of the request; an answer repeats it, so that a late answer is never taken for another
    word    what is asked or answered
    body    msgpack of whatever belongs to that word
    """

    number: int
    word: Annotated[str, msgspec.Meta(max_length=40)]
    body: msgspec.Raw
    shapes: Annotated[tuple[Shape, ...], msgspec.Meta(max_length=BLOCKS)]


class Frame(msgspec.Struct, frozen=True):
    """A message as it is sent and received."""

    number: int
    word: str
    body: bytes = b"\xc0"  # msgpack's nil
    blocks: tuple[Block, ...] = ()


class ClosedError(Exception):
    """The other side is gone."""


def text_block(data: bytes) -> Block:
    """Bytes as a block of their own."""
    return Block(Shape("bytes", (len(data),)), data)


def send(channel: socket.socket, frame: Frame) -> None:
    """Write a whole frame; ClosedError when nobody listens any more."""
    shapes = tuple(block.shape for block in frame.blocks)
    head = msgspec.msgpack.encode(Head(frame.number, frame.word, msgspec.Raw(frame.body), shapes))
    total = sum(shape.size_bytes() for shape in shapes)
    try:
        channel.sendall(LENGTHS.pack(len(head), total) + head)
        for block in frame.blocks:
            channel.sendall(block.data)
    except OSError as reason:
        raise ClosedError(str(reason)) from reason


def receive(channel: socket.socket, *, limit_bytes: int) -> Frame:
    """Read a whole frame whose blocks take at most ``limit_bytes`` together.

    ClosedError at the end of the stream; AncileError for what is no frame or too large.
    """
    head_bytes, total = LENGTHS.unpack(_exactly(channel, LENGTHS.size))
    if head_bytes > HEAD_BYTES or total > limit_bytes:
        raise _broken(f"{head_bytes} and {total} bytes, {HEAD_BYTES} and {limit_bytes} are the most")
    head = _head(bytes(_exactly(channel, head_bytes)))
    sizes = [shape.size_bytes() for shape in head.shapes]
    if sum(sizes) != total:
        raise _broken(f"blocks of {sum(sizes)} bytes in {total}")
    blocks = tuple(
        Block(shape, _exactly(channel, size)) for shape, size in zip(head.shapes, sizes, strict=True)
    )
    return Frame(head.number, head.word, bytes(head.body), blocks)


def decoded(body: bytes, kind: type[Kind]) -> Kind:
    """The body of a frame as ``kind``."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise _broken(str(reason)) from reason


def _head(data: bytes) -> Head:
    try:
        return msgspec.msgpack.decode(data, type=Head)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise _broken(str(reason)) from reason


def _exactly(channel: socket.socket, count: int) -> bytearray:
    """``count`` bytes; memory grows with what has really come."""
    found = bytearray(min(count, PIECE_BYTES))
    place = 0
    while place < count:
        if place == len(found):
            found.extend(bytes(min(len(found), count - place)))
        try:
            got = channel.recv_into(memoryview(found)[place:])
        except OSError as reason:
            raise ClosedError(str(reason)) from reason
        if not got:
            raise ClosedError("the stream ended")
        place += got
    return found


def _broken(detail: str) -> AncileError:
    return AncileError(
        "the model's process does not keep to the protocol",
        value=plain(detail),
        remedy="the model's own code interferes with its process: read that code before you trust it",
    )
