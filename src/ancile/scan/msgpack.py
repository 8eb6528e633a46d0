"""MessagePack as Flax writes its parameters: data, in which no program should stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ancile.formats.msgpack import parse_msgpack
from ancile.scan.part import Formatted, Part
from ancile.scan.values import examine_values

# A map whose first key is a word
BEGIN = re.compile(
    rb"(?:[\x81-\x8f]|\xde[\0-\xff]{2}|\xdf[\0-\xff]{4})(?:[\xa1-\xbf]|\xd9[\0-\xff])[A-Za-z_/.-]", re.DOTALL
)


def is_msgpack(part: Part) -> bool:
    """Whether this begins as a map of MessagePack with words for keys."""
    return BEGIN.match(part.head) is not None


def examine_msgpack(part: Part) -> Iterator[Formatted | Part]:
    """Whether it is whole, and what its texts and numbers hold."""
    yield from examine_values(part, "msgpack", parse_msgpack(part.data))
