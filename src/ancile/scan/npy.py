"""Arrays that NumPy saved: a header that is data, and the pickle behind an array of objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, fail, ok
from ancile.core.text import plain
from ancile.formats.npy import is_npy as begins_as_npy
from ancile.formats.npy import parse_npy
from ancile.scan.hidden import search_numbers
from ancile.scan.part import Formatted, Part
from ancile.scan.tensor_values import examine_values
from ancile.scan.tensors import held_in_gaps, layout


class HeaderFacts(NamedTuple):
    """A part, and what its header says that is no literal."""

    part: Part
    program: str


@check("npy-header-program", severity="high", refs=("CWE-95 (CWE 4.17)",))
def header_program(facts: HeaderFacts) -> Iterator[Remark]:
    """The header of a saved array is an expression that calls or looks up something.

    Why   Readers that evaluate the header run it; NumPy did so in its early versions.
    Fix   Do not open it, and keep it as evidence.
    """
    yield fail(plain(facts.program), where=facts.part.where(0)) if facts.program else ok()


NPY_CHECKS: tuple[Check[HeaderFacts], ...] = (header_program,)


def is_npy(part: Part) -> bool:
    """Whether this begins as a saved array."""
    return begins_as_npy(part.head)


def examine_npy(part: Part) -> Iterator[Formatted | Part]:
    """What the headers say; objects, and what stands behind the last array, are looked at in turn."""
    facts, end = parse_npy(part.data), len(part.data)
    whole = not (facts.faults or facts.program)
    gaps = [(facts.stop, end)] if whole and facts.objects is None and facts.stop < end else []
    yield layout(part, "npy", facts.faults, gaps)
    yield Formatted("npy", examine(NPY_CHECKS, HeaderFacts(part, facts.program)))
    if facts.objects is not None:
        yield part.inner("(objects)", bytes(part.data[facts.objects :]))
    yield from held_in_gaps(part, gaps)
    regions = [(one.start, one.stop) for one in facts.numbers] if whole else [(0, end)]
    yield search_numbers(part, "npy", regions)
    yield examine_values(part, "npy", facts.numbers)
