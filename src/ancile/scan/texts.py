"""Texts: each is read as everything that a loader may read it as."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import examine
from ancile.scan.code import examine_python, examine_script
from ancile.scan.part import Formatted, Part
from ancile.scan.plain_data import DATA_CHECKS, TEXT_BYTES, DataFacts
from ancile.scan.templates import examine_template, is_template


def examine_text(part: Part) -> Iterator[Formatted | Part]:
    """What a text does in the hands of those who would read it as a program."""
    if len(part.data) > TEXT_BYTES:
        facts = DataFacts(part, unknown=f"a text of more than {TEXT_BYTES >> 20} MiB")
        yield Formatted("text", examine(DATA_CHECKS, facts))
        return
    text = bytes(part.data).decode("utf-8", "replace")
    found = list(_readings(part, text))
    yield from found or [Formatted("text", examine(DATA_CHECKS, DataFacts(part)))]


def _readings(part: Part, text: str) -> Iterator[Formatted | Part]:
    if is_template(text):
        yield examine_template(part, text)
    for one in (examine_python(part, text), examine_script(part, text)):
        if one is not None:
            yield one
