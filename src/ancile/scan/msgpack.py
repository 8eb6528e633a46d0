"""MessagePack as Flax writes its parameters: data, in which no program should stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ancile.formats.extents import LayoutFault
from ancile.formats.msgpack import parse_msgpack
from ancile.scan.hidden import search_numbers, search_texts
from ancile.scan.part import Formatted, Part
from ancile.scan.tensors import held_in_gaps, layout

# A map whose first key is a word
BEGIN = re.compile(
    rb"(?:[\x81-\x8f]|\xde[\0-\xff]{2}|\xdf[\0-\xff]{4})(?:[\xa1-\xbf]|\xd9[\0-\xff])[A-Za-z_/.-]", re.DOTALL
)


def is_msgpack(part: Part) -> bool:
    """Whether this begins as a map of MessagePack with words for keys."""
    return BEGIN.match(part.head) is not None


def examine_msgpack(part: Part) -> Iterator[Formatted | Part]:
    """Whether it is whole, and what its texts and numbers hold."""
    facts = parse_msgpack(part.data)
    faults = [LayoutFault("damaged", facts.stop, facts.fault)] if facts.fault else []
    gaps = [(facts.stop, len(part.data))] if facts.stop < len(part.data) and not faults else []
    yield layout(part, "msgpack", faults, gaps)
    yield from held_in_gaps(part, gaps)
    yield from search_texts(part, "msgpack", facts.texts)
    yield search_numbers(part, "msgpack", [(0, len(part.data))])
