"""What holds data alone, and what is not known: nothing is called clean that was not read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from ancile.core.check import Check, Examined, Remark, check, error, examine, ok
from ancile.formats.extents import Numbers
from ancile.scan.hidden import encoded_in, search_numbers
from ancile.scan.part import Formatted, Part
from ancile.scan.pickle_checks import judged
from ancile.scan.pickle_reading import hidden_pickles
from ancile.scan.tensor_values import examine_values

MARKER = re.compile(r"(.*/)?(__init__\.py|py\.typed|\.[^/]+)")  # of packages, types, tools; empty by custom
TEXT_BYTES = 64 << 20
OF_TORCH = "/.data/"  # of a torch.package archive, which lists there what it takes from elsewhere
FEW_CONTROLS = 20  # characters of a text for each control character in it
SHOWN_HEAD = 8
ENCODED = 20  # letters in which something may be encoded


class DataFacts(NamedTuple):
    """A part that is no program, and why nothing more is known of it."""

    part: Part
    is_empty: bool = False
    unknown: str = ""


@check("file-empty", severity="medium", refs=("CWE-20 (CWE 4.17)",))
def empty_file(facts: DataFacts) -> Iterator[Remark]:
    """A file holds nothing.

    Why   It is no model, and a loader that falls back to another file would take that one. What is empty by
          custom (``__init__.py``, ``py.typed``, ``.gitkeep``) is not told.
    Fix   Take the file from its source once more.
    """
    yield error("0 bytes", where=facts.part.where()) if facts.is_empty else ok()


@check("file-unknown-format", severity="medium", refs=("CWE-434 (CWE 4.17)",))
def unknown_format(facts: DataFacts) -> Iterator[Remark]:
    """A file is of a format that is not judged.

    Why   Nothing is known of it: it may be harmless, and it may be a program.
    Fix   Convert it to a format that is judged, or remove it from what you ship.
    """
    yield error(facts.unknown, where=facts.part.where()) if facts.unknown else ok()


DATA_CHECKS: tuple[Check[DataFacts], ...] = (empty_file, unknown_format)


def is_empty(part: Part) -> bool:
    """Whether there is nothing."""
    return len(part.data) == 0


def examine_empty(part: Part) -> Iterator[Formatted | Part]:
    """An empty file is told, alone and in an archive alike; not one that is so by custom, and no tensor."""
    name = part.members[-1] if part.members else part.path
    is_told = not (part.torch or name.startswith("(") or MARKER.fullmatch(name) or OF_TORCH in name)
    yield Formatted("empty", examine(DATA_CHECKS, DataFacts(part, is_empty=is_told)))


def examine_storage(part: Part) -> Iterator[Formatted | Part]:
    """Numbers, in which no pickle should hide."""
    end = len(part.data)
    yield search_numbers(part, "numbers", [(0, end)])
    yield examine_values(part, "numbers", [Numbers("the storage", 0, end, part.numbers)])


def examine_word(part: Part) -> Iterator[Formatted | Part]:
    """Nothing; many digits may still be another program's letters."""
    yield Formatted("text", _said_of_data())
    if len(part.data) >= ENCODED:
        yield from encoded_in(part, bytes(part.data).decode("ascii"))


@cache
def _said_of_data() -> Examined:
    """What the checks say where nothing is wrong."""
    return examine(DATA_CHECKS, DataFacts(Part("", b"0")))


def is_text(part: Part) -> bool:
    """Whether this is text: UTF-8 with hardly any control characters in its first 64 KiB."""
    head = bytes(part.data[: 1 << 16])
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as reason:
        if reason.start < len(head) - 3 or len(part.data) <= len(head):
            return False
        text = head[: reason.start].decode("utf-8")
    controls = sum(char < " " and char not in "\t\n\r\f\x1b" for char in text)
    # One that hides among a program's letters does not keep an interpreter from running it; nul does
    return controls * FEW_CONTROLS <= len(text) and "\0" not in text


def is_anything(_: Part) -> bool:
    """Whether it is anything at all."""
    return True


def examine_unknown(part: Part) -> Iterator[Formatted | Part]:
    """What nobody knows: named, and searched for pickles."""
    head = bytes(part.data[:SHOWN_HEAD]).hex(" ")
    facts = DataFacts(part, unknown=f"its first bytes are {head}")
    said = examine(DATA_CHECKS, facts)
    found = _hidden(part, "unknown")
    joined = found.examined._replace(findings=(*found.examined.findings, *said.findings))
    yield found._replace(examined=joined)


def _hidden(part: Part, format_: str) -> Formatted:
    reading = hidden_pickles(part.data)
    return Formatted(format_, judged(part, reading))
