"""Universal Binary JSON, draft 12 (ubjson.org), as XGBoost writes models: the texts in it, and its end."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ancile.formats.held import Held

NUMBERS = {
    b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d", b"C": ">c",
}  # fmt: skip
COUNTS = b"iUIlL"
PLAIN = b"ZNTF"
DEEPEST = 64  # containers within each other
VALUES = 20_000_000


class UbjsonFacts(NamedTuple):
    """Texts with the key that they stand at, where the document ends, and why it goes no further.

    broken  whether no writer writes that: it is more than the end of the file, or of what is followed
    """

    texts: tuple[tuple[str, str], ...]
    stop: int
    fault: str = ""
    broken: bool = False


class _Unread(ValueError):  # noqa: N818 - a fault of the file
    """The document goes on where the file has ended, or beyond what is followed."""


class _Broken(ValueError):  # noqa: N818 - a fault of the file
    """What no writer writes."""


class _Reader:
    def __init__(self, data: Held) -> None:
        self.data, self.pos, self.left = data, 0, VALUES
        self.texts: list[tuple[str, str]] = []

    def take(self, count: int) -> bytes:
        self.skip(count)
        return bytes(self.data[self.pos - count : self.pos])

    def skip(self, count: int) -> None:
        if not 0 <= count <= len(self.data) - self.pos:
            raise _Unread(f"{count} bytes are told and {len(self.data) - self.pos} are left")
        self.pos += count

    def count(self) -> int:
        kind = self.take(1)
        if kind not in COUNTS:
            raise _Broken(f"a length of type {kind!r}")
        (found,) = struct.unpack(NUMBERS[kind], self.take(struct.calcsize(NUMBERS[kind])))
        return int(found)

    def text(self) -> str:
        return self.take(self.count()).decode("utf-8", "surrogateescape")

    def value(self, kind: bytes, key: str, depth: int) -> None:
        """Pass over one value, keeping the texts in it."""
        self.left -= 1
        if depth > DEEPEST or self.left < 0:
            raise _Unread("it holds more than is followed")
        if kind in NUMBERS:
            self.take(struct.calcsize(NUMBERS[kind]))
        elif kind in (b"S", b"H"):
            self.texts.append((key, self.text()))
        elif kind in (b"[", b"{"):
            self.container(key, depth + 1, is_object=kind == b"{")
        elif not kind or kind not in PLAIN:
            raise _Broken(f"a value of type {kind!r}")

    def container(self, key: str, depth: int, *, is_object: bool) -> None:
        """Pass over an array or an object: ended by a bracket, or counted, or of one type and counted."""
        kind = self.take(2)[1:] if self.peek() == b"$" else b""
        count = -1
        if self.peek() == b"#":
            self.take(1)
            count = self.count()
            if count < 0:
                raise _Broken("a container of less than nothing")
        if kind and count < 0:
            raise _Broken("a container of a type and no count")
        if kind in NUMBERS and not is_object:
            self.skip(count * struct.calcsize(NUMBERS[kind]))
            return
        if kind and kind in PLAIN and not is_object:
            if count > VALUES:
                raise _Broken(f"{count} values that take no bytes")
            return
        end = b"}" if is_object else b"]"
        while count != 0:
            if count < 0 and self.peek() == end:
                self.take(1)
                return
            name = self.text() if is_object else key
            if is_object:
                self.texts.append((key, name))
            self.value(kind or self.take(1), name, depth)
            count -= 1

    def peek(self) -> bytes:
        return bytes(self.data[self.pos : self.pos + 1])


def parse_ubjson(data: Held) -> UbjsonFacts:
    """The facts of a document; a fault is among them, nothing is raised."""
    reader = _Reader(data)
    fault = ""
    try:
        reader.value(reader.take(1), "", 0)
    except _Broken as reason:
        return UbjsonFacts(tuple(reader.texts), reader.pos, str(reason), broken=True)
    except _Unread as reason:
        fault = str(reason)
    return UbjsonFacts(tuple(reader.texts), reader.pos, fault)
