"""Messages of an HDF5 object header: HDF5 File Format Specification 3.0, sections IV.A.1 and IV.A.2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.formats.hdf5_bytes import Hdf5Error, Source, until_zero

DATATYPE, LINK_INFO, LINK, EXTERNAL_FILES, LAYOUT, FILTERS = 0x03, 0x02, 0x06, 0x07, 0x08, 0x0B
ATTRIBUTE, CONTINUATION, SYMBOLS, ATTRIBUTE_INFO = 0x0C, 0x10, 0x11, 0x15
SHARED = 0x02  # flag of a message that stands elsewhere
FIXED, STRING, OPAQUE, VARIABLE = 0, 3, 5, 9  # classes of datatypes
HARD, SOFT, OUTWARD = 0, 1, 64  # kinds of links
CHUNKS = 10_000  # continuation blocks of one header
VALUE_BYTES = 64 << 20


class Message(NamedTuple):
    """One message: its type, flags, data and the address of that."""

    kind: int
    flags: int
    data: bytes
    address: int


class Link(NamedTuple):
    """A member of a group: the address of its header, or the file and the object that it stands for."""

    name: str
    address: int | None = None
    file: str = ""


class Attribute(NamedTuple):
    """A name and the bytes of its value, texts of variable length resolved."""

    name: str
    value: bytes
    address: int


def messages(source: Source, address: int) -> Iterator[Message]:
    """All messages of the object header at an address, continuations too."""
    if source.take(address, 4) == b"OHDR":
        yield from _second(source, address)
    elif source.number(address, 1) == 1:
        yield from _first(source, address)
    else:
        raise Hdf5Error(f"no object header at {address}")


def _first(source: Source, address: int) -> Iterator[Message]:
    blocks = [(address + 16, source.number(address + 8, 4))]
    for number, (start, size) in enumerate(blocks):
        place, end = start, start + size
        while place + 8 <= end:
            kind, length, flags = (source.number(place + at, wide) for at, wide in ((0, 2), (2, 2), (4, 1)))
            one = Message(kind, flags, source.take(place + 8, length), place + 8)
            if kind == CONTINUATION and number < CHUNKS:
                blocks.append(_continued(source, one))
            yield one
            place += 8 + length


def _second(source: Source, address: int) -> Iterator[Message]:
    flags = source.number(address + 5, 1)
    place = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    wide = 1 << (flags & 3)
    blocks = [(place + wide, source.number(place, wide))]
    head = 6 if flags & 4 else 4
    for number, (start, size) in enumerate(blocks):
        place, end = start, start + size
        while place + head <= end:
            kind, length, marks = (source.number(place + at, n) for at, n in ((0, 1), (1, 2), (3, 1)))
            one = Message(kind, marks, source.take(place + head, length), place + head)
            if kind == CONTINUATION and number < CHUNKS:
                at, held = _continued(source, one)
                blocks.append((at + 4, held - 8))  # its signature before, its checksum behind
            yield one
            place += head + length


def _continued(source: Source, one: Message) -> tuple[int, int]:
    address = source.defined(one.data[: source.offsets])
    size = int.from_bytes(one.data[source.offsets : source.offsets + source.lengths], "little")
    if address is None:
        raise Hdf5Error("a header goes on nowhere")
    return address, size


def link_of(source: Source, one: Message) -> Link:
    """A link message: section IV.A.2.g."""
    data, flags = one.data, one.data[1] if len(one.data) > 1 else 0
    place, kind = 2, HARD
    if flags & 8:
        kind, place = _byte(data, place), place + 1
    place += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    wide = 1 << (flags & 3)
    size = int.from_bytes(data[place : place + wide], "little")
    place += wide
    name = data[place : place + size].decode("utf-8", "backslashreplace")
    place += size
    if kind == HARD:
        return Link(name, source.defined(data[place : place + source.offsets]))
    held = data[place + 2 : place + 2 + int.from_bytes(data[place : place + 2], "little")]
    if kind == OUTWARD:
        return Link(name, None, until_zero(held[1:]) or "(no name)")
    return Link(name) if kind == SOFT else Link(name, None, f"(a link of kind {kind})")


def _byte(data: bytes, place: int) -> int:
    if place >= len(data):
        raise Hdf5Error("a message is cut off")
    return data[place]


def attribute_of(source: Source, one: Message) -> Attribute:
    """An attribute message: section IV.A.2.m."""
    version, data = _byte(one.data, 0), one.data
    sizes = [int.from_bytes(data[at : at + 2], "little") for at in (2, 4, 6)]
    place = 9 if version == 3 else 8
    pieces = []
    for size in sizes:
        pieces.append(data[place : place + size])
        place += (size + 7) // 8 * 8 if version == 1 else size
    name, datatype = pieces[0], pieces[1]
    value = data[place:]
    if not _byte(one.data, 1) & 1 and datatype and datatype[0] & 15 == VARIABLE:
        value = variable(source, value)
    return Attribute(until_zero(name), value, one.address)


def variable(source: Source, raw: bytes) -> bytes:
    """Elements of variable length, one after the other: a length, a heap and an index each."""
    found, wide = bytearray(), 8 + source.offsets
    for place in range(0, len(raw) - wide + 1, wide):
        heap = source.defined(raw[place + 4 : place + 4 + source.offsets])
        index = int.from_bytes(raw[place + 4 + source.offsets : place + wide], "little")
        if heap and index:
            found += source.heap_object(heap, index)
        if len(found) > VALUE_BYTES:
            raise Hdf5Error(f"a value of more than {VALUE_BYTES >> 20} MiB")
    return bytes(found)
