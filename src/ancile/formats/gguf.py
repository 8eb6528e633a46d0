"""Files of GGUF: ggml-org/ggml, docs/gguf.md, versions 1 to 3.

Every count and length in it has 64 bits and is the file's own claim: none is believed before it is held
against the bytes that are there.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import NamedTuple

from ancile.formats.extents import SHOWN, Extent, FaultKind, LayoutFault, Numbers, lay_out
from ancile.formats.held import Held

MAGIC = b"GGUF"
VERSIONS = (1, 2, 3)
FLAT = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
NESTED = 4  # arrays within arrays
ITEMS = 4_000_000  # texts in arrays: the largest vocabulary has some 300,000
DIMENSIONS = 4  # GGML_MAX_DIMS
ALIGNMENT, ALIGNMENT_KEY = 32, "general.alignment"
LONG_ITEM = 64  # bytes of a text in an array that is kept like any other; the words of a vocabulary are short
KEPT_TEXT = 1 << 20  # of a text that is kept, in bytes
# Type number to items of a block and its bytes: ggml/src/ggml.c, type_traits
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
}  # fmt: skip
KINDS = {0: "f32", 1: "f16", 24: "i8", 28: "f64", 30: "bf16"}  # the types that are numbers by themselves


class GgufFacts(NamedTuple):
    """What the head of the file says.

    texts  single texts by key; the words of a vocabulary are none
    gaps   bytes that belong to no tensor
    start  of the tensors, 0 where the head cannot be read
    tensors  those that lie within the file
    """

    faults: tuple[LayoutFault, ...]
    texts: tuple[tuple[str, str], ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    start: int = 0
    tensors: tuple[Numbers, ...] = ()


class _Wrong(Exception):  # noqa: N818 - a fault of the file
    def __init__(self, kind: FaultKind, offset: int, what: str) -> None:
        super().__init__(what)
        self.fault = LayoutFault(kind, offset, what)


class _Reader:
    """The bytes and how far they are read."""

    def __init__(self, data: Held) -> None:
        self.data, self.pos, self.items = data, len(MAGIC), ITEMS
        version = self.number("<I")
        self.order = "<" if version & 0xFFFF else ">"
        self.version = version if self.order == "<" else version >> 24
        if self.version not in VERSIONS:
            raise _Wrong("damaged", len(MAGIC), f"version {version} of the format is unknown")
        self.long = self.order + ("I" if self.version == 1 else "Q")

    def number(self, layout: str) -> int:
        """The next number."""
        size = struct.calcsize(layout)
        self.require(size, "a number")
        (value,) = struct.unpack_from(layout, self.data, self.pos)
        self.pos += size
        return int(value)

    def require(self, size: int, what: str) -> None:
        """Refuse what the file does not hold: cut off, or claimed beyond any file."""
        if size > len(self.data) - self.pos:
            kind: FaultKind = "overrun" if size >= 1 << 40 else "unread"
            raise _Wrong(kind, self.pos, f"{what} of {size} bytes, and {len(self.data) - self.pos} are left")

    def skip_text(self) -> int:
        """Pass over a text; its length."""
        size = self.number(self.long)
        self.require(size, "a text")
        self.pos += size
        return size

    def text(self) -> str:
        """The next text, as far as it is kept."""
        size = self.skip_text()
        return bytes(self.data[self.pos - size : self.pos][:KEPT_TEXT]).decode("utf-8", "surrogateescape")


def is_gguf(head: bytes) -> bool:
    """Whether the first bytes are those of such a file."""
    return head.startswith(MAGIC)


def parse_gguf(data: Held) -> GgufFacts:
    """The facts of a file; whatever is wrong is among them, nothing is raised."""
    faults: list[LayoutFault] = []
    texts: list[tuple[str, str]] = []
    try:
        reader = _Reader(data)
        tensors, pairs = reader.number(reader.long), reader.number(reader.long)
        reader.require(24 * tensors + 13 * pairs if reader.version > 1 else 0, "a head")
        alignment = _pairs(reader, pairs, texts, faults)
        found, start = _tensors(reader, tensors, alignment, faults)
    except _Wrong as wrong:
        return GgufFacts((*faults[:SHOWN], wrong.fault), tuple(texts))
    end = len(data)
    extents = [Extent(one.name, one.start, one.stop) for one in found]
    layout = lay_out(extents, start=min(start, end), end=end, alignment=alignment)
    within = tuple(one for one in found if one.start <= one.stop <= end)
    padding = (reader.pos, min(start, end))  # readers pass over it unread
    held = bytes(data[slice(*padding)]).strip(b"\0")
    gaps = (padding, *layout.gaps) if held else layout.gaps
    return GgufFacts((*faults[:SHOWN], *layout.faults), tuple(texts), gaps, start, within)


def _pairs(reader: _Reader, count: int, texts: list[tuple[str, str]], faults: list[LayoutFault]) -> int:
    """Read all keys and values; the alignment of the tensors."""
    alignment, seen = ALIGNMENT, Counter[str]()
    for _ in range(count):
        at = reader.pos
        key = reader.text()
        seen[key] += 1
        if seen[key] == 2:
            faults.append(LayoutFault("ambiguous", at, f"the key {key!r} stands twice"))
        kind = reader.number(reader.order + "I")
        if kind == STRING:
            texts.append((key, reader.text()))
        elif key == ALIGNMENT_KEY and kind in FLAT and kind not in (6, 12):
            alignment = reader.number(reader.order + FLAT[kind])
        else:
            _value(reader, key, kind, texts, depth=0)
    if alignment <= 0 or alignment & (alignment - 1) or alignment > 1 << 20:
        raise _Wrong("overrun", 0, f"an alignment of {alignment}")
    return alignment


def _value(reader: _Reader, key: str, kind: int, texts: list[tuple[str, str]], *, depth: int) -> None:
    if kind in FLAT:
        reader.number(reader.order + FLAT[kind])
    elif kind == STRING:
        reader.skip_text()
    elif kind == ARRAY and depth < NESTED:
        _array(reader, key, texts, depth=depth + 1)
    else:
        raise _Wrong("damaged", reader.pos, f"a value of type {kind}")


def _array(reader: _Reader, key: str, texts: list[tuple[str, str]], *, depth: int) -> None:
    kind, count = reader.number(reader.order + "I"), reader.number(reader.long)
    if kind in FLAT:
        reader.require(count * struct.calcsize(reader.order + FLAT[kind]), "an array")
        reader.pos += count * struct.calcsize(reader.order + FLAT[kind])
        return
    reader.require(count * (4 if reader.version == 1 else 8), "an array")
    reader.items -= count
    if reader.items < 0:
        raise _Wrong("unread", reader.pos, f"more than {ITEMS} items of arrays")
    for number in range(count):
        if kind != STRING:
            _value(reader, key, kind, texts, depth=depth)
        elif (size := reader.skip_text()) > LONG_ITEM:
            reader.pos -= size + struct.calcsize(reader.long)
            texts.append((f"{key}[{number}]", reader.text()))


def _tensors(
    reader: _Reader, count: int, alignment: int, faults: list[LayoutFault]
) -> tuple[list[Numbers], int]:
    """Read the list of tensors; each, and where they begin."""
    found: list[tuple[str, int, int, str]] = []
    seen = Counter[str]()
    for _ in range(count):
        at = reader.pos
        name = reader.text()
        seen[name] += 1
        if seen[name] == 2:
            faults.append(LayoutFault("ambiguous", at, f"two tensors are called {name!r}"))
        size, kind = _tensor_bytes(reader, name, at)
        offset = reader.number(reader.order + "Q")
        if offset % alignment:
            faults.append(LayoutFault("overrun", at, f"{name!r} begins at {offset}, which is not aligned"))
        found.append((name, offset, size, kind if reader.order == "<" else ""))
    start = -(-reader.pos // alignment) * alignment
    return [
        Numbers(repr(name), start + offset, start + offset + size, kind) for name, offset, size, kind in found
    ], start


def _tensor_bytes(reader: _Reader, name: str, at: int) -> tuple[int, str]:
    dimensions = reader.number(reader.order + "I")
    if dimensions > DIMENSIONS:
        raise _Wrong("overrun", at, f"{name!r} has {dimensions} dimensions")
    items = 1
    for _ in range(dimensions):
        items *= reader.number(reader.long)
    kind = reader.number(reader.order + "I")
    if items >= 1 << 63:
        raise _Wrong("overrun", at, f"{name!r} has {items} items, more than a size can hold")
    if kind not in BLOCKS:
        raise _Wrong("unread", at, f"{name!r} is of the unknown type {kind}")
    block, block_bytes = BLOCKS[kind]
    return -(-items // block) * block_bytes, KINDS.get(kind, "")
