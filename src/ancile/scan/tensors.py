"""Files of tensors: sizes and places, texts beside them, and what stands where no tensor does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from ancile.core.check import Examined, examine
from ancile.formats.extents import LayoutFault
from ancile.formats.gguf import is_gguf as begins_as_gguf
from ancile.formats.gguf import parse_gguf
from ancile.formats.safetensors import is_safetensors as begins_as_safetensors
from ancile.formats.safetensors import is_whole, parse_safetensors
from ancile.scan.hidden import search_numbers, search_texts
from ancile.scan.licence import examine_metadata
from ancile.scan.part import Formatted, Part
from ancile.scan.pickles import is_pickle
from ancile.scan.tensor_checks import TENSOR_CHECKS, TensorFacts
from ancile.scan.tensor_values import examine_values

TEMPLATE_MARKS = ("{{", "{%")  # Jinja, wherever it stands: a chat template may have any key


def is_safetensors(part: Part) -> bool:
    """Whether this begins as safetensors do."""
    # A length of 640 reads as the protocol of a pickle
    return begins_as_safetensors(part.head) and (is_whole(part.data) or not is_pickle(part))


def examine_safetensors(part: Part) -> Iterator[Formatted | Part]:
    """What its header says, and what its metadata and holes hold."""
    facts = parse_safetensors(part.data)
    yield layout(part, "safetensors", facts.faults, facts.gaps)
    yield from held_in_gaps(part, facts.gaps)
    yield from search_texts(part, "safetensors", facts.strings)
    yield from examine_metadata(part, "safetensors", facts.strings)
    yield search_numbers(part, "safetensors", [(facts.start, len(part.data))])
    yield examine_values(part, "safetensors", facts.tensors)


def is_gguf(part: Part) -> bool:
    """Whether this begins as GGUF does."""
    return begins_as_gguf(part.head)


def examine_gguf(part: Part) -> Iterator[Formatted | Part]:
    """What its head says; each template in it is looked at in turn."""
    facts = parse_gguf(part.data)
    yield layout(part, "gguf", facts.faults, facts.gaps)
    yield from held_in_gaps(part, facts.gaps)
    for name, text in facts.texts:
        if "template" in name or any(mark in text for mark in TEMPLATE_MARKS):
            yield part.inner(name, text.encode("utf-8", "surrogateescape"))
    yield from search_texts(part, "gguf", facts.texts)
    yield from examine_metadata(part, "gguf", facts.texts)
    yield search_numbers(part, "gguf", [(facts.start, len(part.data))])
    yield examine_values(part, "gguf", facts.tensors)


def layout(
    part: Part, format_: str, faults: Iterable[LayoutFault], gaps: Iterable[tuple[int, int]]
) -> Formatted:
    """What the checks of tensors say; bytes that are no zeros in a gap are one fault more."""
    hidden = (
        LayoutFault("hidden", start, f"{stop - start} bytes at {start} belong to no tensor")
        for start, stop in gaps
    )
    found = (*faults, *hidden)
    return Formatted(format_, examine(TENSOR_CHECKS, TensorFacts(part, found)) if found else _clean())


@cache
def _clean() -> Examined:
    """What the checks say of a layout in order."""
    return examine(TENSOR_CHECKS, TensorFacts(Part("", b""), ()))


def held_in_gaps(part: Part, gaps: Iterable[tuple[int, int]]) -> Iterator[Part]:
    """What stands where nothing should, to be looked at by its content."""
    for start, stop in gaps:
        held = bytes(part.data[start:stop])
        if held.strip(b"\0"):
            yield part.inner(f"(bytes {start} to {stop})", held)
