"""JSON (RFC 8259) as it stands: objects keep every key in order, the repeated ones too.

Readers take the first of two equal keys or the last; who judges has to see both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

LONGEST = 64 << 20
SPACES = b" \t\r\n\0"
BEGIN = (b"{", b"[")


class Object(NamedTuple):
    """A JSON object."""

    pairs: tuple[tuple[str, Tree], ...]

    def all(self, key: str) -> list[Tree]:
        """Every value of a key."""
        return [value for name, value in self.pairs if name == key]

    def words(self, key: str) -> list[str]:
        """Every value of a key that is a text."""
        return [value for value in self.all(key) if isinstance(value, str)]

    @property
    def repeated(self) -> list[str]:
        """Keys that stand twice."""
        names = [name for name, _ in self.pairs]
        return sorted({name for name in names if names.count(name) > 1}) if _twice(names) else []


def _twice(names: list[str]) -> bool:
    return len(set(names)) < len(names)


Tree = Object | list["Tree"] | str | int | float | bool | None


def may_be_json(head: bytes) -> bool:
    """Whether the first bytes are those of an object or an array, in UTF-8, UTF-16 or UTF-32."""
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\xff\xfe", b"\xfe\xff"):
        head = head.removeprefix(mark)
    return head.lstrip(SPACES).startswith(BEGIN)


def parse_json(data: bytes) -> Tree | ValueError:
    """The tree, or why there is none."""
    if len(data) > LONGEST:
        return ValueError(f"more than {LONGEST >> 20} MiB")
    try:
        tree: Tree = json.loads(data, object_pairs_hook=lambda pairs: Object(tuple(pairs)))
    except RecursionError:
        return ValueError("nested beyond measure")
    except ValueError as reason:
        return ValueError(str(reason))
    return tree


def objects(tree: Tree) -> Iterator[Object]:
    """Every object in the tree, whatever it stands in."""
    return (one for one in _all(tree) if isinstance(one, Object))


def texts(tree: Tree) -> Iterator[str]:
    """Every text in the tree that is a value."""
    return (one for one in _all(tree) if isinstance(one, str))


def _all(tree: Tree) -> Iterator[Tree]:
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, Object):
            waiting += (value for _, value in reversed(one.pairs))
        elif isinstance(one, list):
            waiting += reversed(one)
