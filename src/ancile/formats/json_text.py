"""JSON as a loader might read it, with what loaders disagree about: repeated keys (RFC 8259, section 4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
WALKED = (str, dict, list)
STEPS = 5_000_000  # values that are walked


class Value(NamedTuple):
    """A value and the keys on the way to it."""

    path: tuple[str, ...]
    value: Json


@dataclass
class Document:
    """A document.

    repeated  keys that stand twice in one object with different values
    """

    root: Json
    repeated: list[str] = field(default_factory=list)


def parse(text: str) -> Document | None:
    """The document; None where this is no JSON, or nests deeper than a parser goes."""
    if text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
        return None
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        held = dict(items)
        if len(held) != len(items):
            seen: dict[str, Json] = {}
            repeated.extend(key for key, value in items if seen.setdefault(key, value) != value)
        return held

    try:
        # Numbers are of no interest, and one of many digits takes quadratic time
        root = json.loads(text.lstrip("\ufeff"), object_pairs_hook=pairs, parse_int=len, parse_float=len)
    except (ValueError, RecursionError, MemoryError):
        return None
    return Document(root, repeated)


def walk(root: Json) -> Iterator[Value]:
    """Every text, object and list with its path; in lists the position is no part of it."""
    waiting = [Value((), root)]
    for _ in range(STEPS):
        if not waiting:
            return
        one = waiting.pop()
        yield one
        if isinstance(one.value, dict):
            items = one.value.items()
            waiting += (Value((*one.path, key), held) for key, held in items if isinstance(held, WALKED))
        elif isinstance(one.value, list):
            waiting += (Value(one.path, held) for held in one.value if isinstance(held, WALKED))
