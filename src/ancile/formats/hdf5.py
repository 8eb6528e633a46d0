"""What an HDF5 file holds beside numbers: HDF5 File Format Specification 3.0.

Every object is visited once, from the root group on: its attributes, its links to other files, where its data
stands. Links and attributes in fractal heaps (section III.G) are not followed, and that is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ancile.formats.beginnings import superblock
from ancile.formats.hdf5_bytes import CutOffError, Hdf5Error, Source, until_zero
from ancile.formats.hdf5_messages import (
    ATTRIBUTE,
    ATTRIBUTE_INFO,
    DATATYPE,
    EXTERNAL_FILES,
    FILTERS,
    FIXED,
    LAYOUT,
    LINK,
    LINK_INFO,
    OPAQUE,
    SHARED,
    STRING,
    SYMBOLS,
    VARIABLE,
    Attribute,
    Message,
    attribute_of,
    link_of,
    messages,
    variable,
)
from ancile.formats.held import Held

OBJECTS = 200_000
NODES = 200_000  # of the trees of all groups
COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL = 0, 1, 2, 3
DATASET_BYTES = 64 << 20  # of texts and opaque bytes in one dataset
SOFT_ENTRY = 2


@dataclass
class Hdf5Facts:
    """What was found.

    start       of the superblock; what stands before is the user block
    attributes  of all objects
    texts       name and bytes of datasets that hold texts or opaque bytes
    outside     files that links, external storage and virtual datasets name
    unread      what was not followed
    faults      what is broken
    """

    start: int
    attributes: list[Attribute] = field(default_factory=list)
    texts: list[tuple[str, bytes]] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_hdf5(data: Held) -> Hdf5Facts:
    """The facts; whatever is broken is among them."""
    facts = Hdf5Facts(superblock(data))
    source = Source(data, facts.start)
    try:
        waiting = [("", _root(source, facts))]
    except Hdf5Error as reason:
        _told(facts, reason).append(str(reason))
        return facts
    seen: set[int] = set()
    while waiting:
        path, address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > OBJECTS:
            facts.unread.append(f"more than {OBJECTS} objects")
            break
        try:
            waiting += _object(source, path, address, facts)
        except Hdf5Error as reason:
            _told(facts, reason).append(f"{path or '/'}: {reason}")
    return facts


def _told(facts: Hdf5Facts, reason: Hdf5Error) -> list[str]:
    """What is missing was not read; all else is broken."""
    return facts.unread if isinstance(reason, CutOffError) else facts.faults


def _root(source: Source, facts: Hdf5Facts) -> int:
    version = source.number(8, 1)
    if version > 3:
        raise Hdf5Error(f"superblock version {version}")
    at = 13 if version < 2 else 9
    source.offsets, source.lengths = source.number(at, 1), source.number(at + 1, 1)
    if source.offsets not in (2, 4, 8, 16) or source.lengths not in (2, 4, 8, 16):
        raise Hdf5Error(f"addresses of {source.offsets} bytes and lengths of {source.lengths}")
    place = 12 if version > 1 else 24 + 4 * version
    end = source.pointer(place + 2 * source.offsets)
    if end is not None and end > len(source.data):
        facts.unread.append(f"it ends before its end, which is {end}")
    root = source.pointer(place + (3 if version > 1 else 5) * source.offsets)
    if root is None:
        raise Hdf5Error("it has no root group")
    return root


def _object(source: Source, path: str, address: int, facts: Hdf5Facts) -> list[tuple[str, int]]:
    held = list(messages(source, address))
    inner: list[tuple[str, int]] = []
    for one in held:
        if one.flags & SHARED:
            if one.kind in (ATTRIBUTE, LINK):
                facts.unread.append(f"{path}: a message that stands elsewhere")
            continue
        if one.kind == ATTRIBUTE:
            facts.attributes.append(attribute_of(source, one))
        elif one.kind == LINK:
            link = link_of(source, one)
            if link.file:
                facts.outside.append(f"{path}/{link.name} stands for {link.file}")
            elif link.address is not None:
                inner.append((f"{path}/{link.name}", link.address))
        elif one.kind == SYMBOLS:
            inner += _symbols(source, path, one)
        elif one.kind == EXTERNAL_FILES:
            facts.outside += _external(source, path, one)
        elif one.kind in (LINK_INFO, ATTRIBUTE_INFO) and _is_dense(source, one):
            facts.unread.append(f"{path or '/'}: links or attributes in a fractal heap")
    _dataset(source, path, {one.kind: one for one in held}, facts)
    return inner


def _symbols(source: Source, path: str, one: Message) -> Iterator[tuple[str, int]]:
    """The members of a group of the old kind: sections III.A.1, III.B and III.C."""
    tree = source.defined(one.data[: source.offsets])
    heap = source.defined(one.data[source.offsets : 2 * source.offsets])
    if tree is None or heap is None:
        return
    names = source.pointer(heap + 8 + 2 * source.lengths)
    if source.take(heap, 4) != b"HEAP" or names is None:
        raise Hdf5Error("a group has no names")
    waiting, seen = [tree], set[int]()
    while waiting:
        node = waiting.pop()
        if node in seen or len(seen) > NODES:
            raise Hdf5Error("a group's tree has no end")
        seen.add(node)
        mark, many = source.take(node, 4), source.number(node + 6, 2)
        if mark == b"TREE":
            first, step = node + 8 + 2 * source.offsets + source.lengths, source.offsets + source.lengths
            children = (source.pointer(first + number * step) for number in range(many))
            waiting += (child for child in children if child is not None)
        elif mark == b"SNOD":
            yield from _entries(source, path, node, names)
        else:
            raise Hdf5Error(f"no node of a group's tree at {node}")


def _entries(source: Source, path: str, node: int, names: int) -> Iterator[tuple[str, int]]:
    wide = 2 * source.offsets + 24
    for number in range(source.number(node + 6, 2)):
        place = node + 8 + number * wide
        name = source.text(names + source.number(place, source.offsets))
        address = source.pointer(place + source.offsets)
        if address is not None and source.number(place + 2 * source.offsets, 4) != SOFT_ENTRY:
            yield f"{path}/{name}", address


def _is_dense(source: Source, one: Message) -> bool:
    flags = one.data[1] if len(one.data) > 1 else 0
    wide = 8 if one.kind == LINK_INFO else 2
    place = 2 + (wide if flags & 1 else 0)
    return source.defined(one.data[place : place + source.offsets]) is not None


def _external(source: Source, path: str, one: Message) -> Iterator[str]:
    """Files of an external data files message: section IV.A.2.h."""
    used = int.from_bytes(one.data[6:8], "little")
    heap = source.defined(one.data[8 : 8 + source.offsets])
    names = None if heap is None else source.pointer(heap + 8 + 2 * source.lengths)
    wide = 3 * source.lengths
    for number in range(min(used, len(one.data) // wide)):
        at = 8 + source.offsets + number * wide
        offset = int.from_bytes(one.data[at : at + source.lengths], "little")
        name = "another file" if names is None else source.text(names + offset)
        yield f"{path} is kept in {name}"


def _dataset(source: Source, path: str, held: dict[int, Message], facts: Hdf5Facts) -> None:
    layout, datatype = held.get(LAYOUT), held.get(DATATYPE)
    if layout is None or len(layout.data) < 2:
        return
    version, kind = layout.data[0], layout.data[2 if layout.data[0] < 3 else 1]
    if kind == VIRTUAL:
        facts.outside += _virtual(source, path, layout)
        return
    if datatype is None or datatype.flags & SHARED or len(datatype.data) < 8:
        facts.unread.append(f"{path}: a type that stands elsewhere")
        return
    family, size = datatype.data[0] & 15, int.from_bytes(datatype.data[4:8], "little")
    if family not in (STRING, OPAQUE, VARIABLE) and not (family == FIXED and size == 1):
        return
    if version < 3:
        facts.unread.append(f"{path}: a layout of version {version}")
    elif kind == CHUNKED:
        if FILTERS in held and family in (STRING, OPAQUE):
            facts.unread.append(f"{path}: compressed texts")
    else:
        facts.texts.append((path, _raw(source, layout, kind, family)))


def _raw(source: Source, layout: Message, kind: int, family: int) -> bytes:
    data = layout.data
    if kind == COMPACT:
        raw = data[4 : 4 + int.from_bytes(data[2:4], "little")]
    elif kind == CONTIGUOUS:
        address = source.defined(data[2 : 2 + source.offsets])
        size = int.from_bytes(data[2 + source.offsets : 2 + source.offsets + source.lengths], "little")
        raw = b"" if address is None else source.take(address, min(size, DATASET_BYTES))
    else:
        raise Hdf5Error(f"a layout of class {kind}")
    return variable(source, raw) if family == VARIABLE else raw


def _virtual(source: Source, path: str, layout: Message) -> Iterator[str]:
    """Files of a virtual dataset: section VII.F."""
    heap = source.defined(layout.data[2 : 2 + source.offsets])
    index = int.from_bytes(layout.data[2 + source.offsets : 6 + source.offsets], "little")
    raw = b"" if heap is None else source.heap_object(heap, index)
    yield f"{path} is put together from {until_zero(raw[1 + source.lengths :]) or 'other datasets'}"
