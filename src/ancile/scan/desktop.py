"""What a desktop leaves beside files is data that no loader takes: its first byte is none of a pickle's."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import examine
from ancile.formats.desktop import kind_of
from ancile.scan.hidden import search_numbers
from ancile.scan.part import Formatted, Part
from ancile.scan.plain_data import DATA_CHECKS, DataFacts


def is_desktop(part: Part) -> bool:
    """Whether this is such a file."""
    return bool(kind_of(part.data))


def examine_desktop(part: Part) -> Iterator[Formatted | Part]:
    """That it is one, and pickles in it all the same."""
    name = kind_of(part.data)
    yield Formatted(name, examine(DATA_CHECKS, DataFacts(part)))
    yield search_numbers(part, name, [(0, len(part.data))])
