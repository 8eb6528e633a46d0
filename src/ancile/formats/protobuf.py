"""Fields of a Protocol Buffers message: protobuf.dev, "Encoding". No schema, no copies, bounded steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ancile.core.errors import AncileError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
GROUP, GROUP_END = 3, 4  # of which nothing is read: no format here has one, and every reader passes over them


class Field(NamedTuple):
    """One field; ``number`` holds a varint's value, ``data`` the bytes of every other type."""

    tag: int
    wire: int
    value: int
    data: memoryview


@dataclass(slots=True)
class Steps:
    """How many fields may still be read, over a whole file."""

    left: int = 20_000_000


def fields(data: memoryview, steps: Steps) -> Iterator[Field]:
    """The message's fields in order; AncileError for bytes that are no message."""
    place, end = 0, len(data)
    nothing = data[:0]
    groups: list[int] = []  # those that are open
    while place < end:
        steps.left -= 1
        if steps.left < 0:
            raise broken("too many fields")
        key, place = _varint(data, place)
        tag, wire = key >> 3, key & 7
        if wire == VARINT:
            value, place = _varint(data, place)
            if not groups:
                yield Field(tag, wire, value, nothing)
            continue
        if wire == GROUP and tag:
            groups.append(tag)
            continue
        if wire == GROUP_END and groups and groups.pop() == tag:
            continue
        if wire == BYTES:
            size, place = _varint(data, place)
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
        else:
            raise broken(f"wire type {wire}")
        if tag == 0 or place + size > end:
            raise broken("a field reaches beyond its message")
        if not groups:
            yield Field(tag, wire, 0, data[place : place + size])
        place += size
    if groups:
        raise broken("a group has no end")


def text(data: memoryview) -> str:
    """A string field, whatever its bytes."""
    return bytes(data[:1000]).decode("utf-8", "backslashreplace")


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise broken("a number has no end")


def broken(detail: str) -> AncileError:
    """The one error of this reader."""
    return AncileError("protobuf message is damaged", value=detail, remedy="take the file from its source")
