"""What formats that are one value after another have in common: whether they are whole, what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ancile.formats.extents import FaultKind, LayoutFault
from ancile.scan.hidden import search_numbers, search_texts
from ancile.scan.part import Formatted, Part
from ancile.scan.tensors import held_in_gaps, layout

if TYPE_CHECKING:
    from ancile.formats.msgpack import Packed
    from ancile.formats.ubjson import UbjsonFacts


def examine_values(part: Part, name: str, facts: Packed | UbjsonFacts) -> Iterator[Formatted | Part]:
    """Whether the values end well, what stands behind them, and what their texts and numbers hold."""
    kind: FaultKind = "damaged" if facts.broken else "unread"
    faults = [LayoutFault(kind, facts.stop, facts.fault)] if facts.fault else []
    gaps = [(facts.stop, len(part.data))] if facts.stop < len(part.data) and not faults else []
    yield layout(part, name, faults, gaps)
    yield from held_in_gaps(part, gaps)
    yield from search_texts(part, name, facts.texts)
    yield search_numbers(part, name, [(0, len(part.data))])
