"""What numbers say that no layout shows: programs among them, messages in low bits, values out of bounds.

A sample is looked at (``tensor_sample``), and each finding says so: silence means that nothing was seen in
the sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import msgspec

from ancile.core.check import Check, Examined, Remark, check, examine, fail, ok, warn
from ancile.core.finding import Location, Severity
from ancile.core.text import plain
from ancile.formats.extents import Numbers
from ancile.formats.hidden_programs import Program, begins_as, stands_in
from ancile.formats.tensor_bits import (
    SHAPES,
    WIDTHS,
    Halves,
    Message,
    flattened,
    halves,
    low_bytes,
    message,
    packed,
)
from ancile.formats.tensor_range import Range, range_of
from ancile.scan.part import Formatted, Part
from ancile.scan.pickle_reading import hidden_pickles
from ancile.scan.tensor_sample import Sample, Window
from ancile.scan.wrong import Wrong

HEAD_BYTES = 1100  # of a tensor: the stub of a PE file ends within
SHORTEST = 6  # bytes of a mark: those of 7z; no pickle that calls something has fewer
LOW_HEAD_BYTES = 192  # of what the low bits make
TOLD = 20


class Told(NamedTuple):
    """What was seen, where, and how grave it is."""

    detail: str
    where: Location
    severity: Severity


class ValueFacts(msgspec.Struct, eq=False):
    """What was seen in the numbers of a part."""

    programs: list[Told] = msgspec.field(default_factory=list)
    low_bits: list[Told] = msgspec.field(default_factory=list)
    not_finite: list[Told] = msgspec.field(default_factory=list)
    outliers: list[Told] = msgspec.field(default_factory=list)


@check("tensor-holds-program", severity="high", refs=("CWE-506 (CWE 4.17)", "AML.T0018.002 (ATLAS 5.6.0)"))
def holds_program(facts: ValueFacts) -> Iterator[Remark]:
    """What should be numbers is a program, an archive or a text, or has one in its low bits.

    Why   Weights are a place where nobody looks and that every tool copies: a loader elsewhere takes the
          program out and starts it. Marks of at least 36 bits are looked for, which numbers do not have by
          chance, in the first bytes of each tensor, in the bytes that the lowest 1, 2, 4, 8 or 16 bits of its
          first numbers make, and in part anywhere in a sample.
    Fix   Do not load it, and keep it as evidence. Ask for the weights from where they were trained.
    """
    for one in facts.programs[:TOLD]:
        yield fail(one.detail, where=one.where, severity=one.severity)
    if not facts.programs:
        yield ok()


@check("tensor-low-bits", severity="medium", refs=("CWE-506 (CWE 4.17)", "CWE-515 (CWE 4.17)"))
def low_bits(facts: ValueFacts) -> Iterator[Remark]:
    """The low bits of a tensor's numbers are not those of numbers.

    Why   They may carry a message: overwriting them hardly changes what a model does. Seen are contents with
          an order of their own, as text and machine code have, in a sample of the numbers. Not seen is what
          is encrypted or compressed in numbers of 32 or 64 bits: it is as mixed as their low bits are, and no
          statistic tells it from them; in numbers of 8 or 16 bits only where it flattens the distribution of
          many. Nor is content seen that is scattered by a key, or that lies outside the sample.
    Fix   Ask how the weights were made. Rounding them to fewer bits and back destroys such a message.
    """
    for one in facts.low_bits[:TOLD]:
        yield warn(one.detail, where=one.where)
    if not facts.low_bits:
        yield ok()


@check("tensor-not-finite", severity="low", refs=("CWE-20 (CWE 4.17)",))
def not_finite(facts: ValueFacts) -> Iterator[Remark]:
    """A tensor holds values that are no numbers, or infinite.

    Why   One NaN among the weights makes every answer NaN; it comes of training that diverged, or of damage.
          Infinities of one sign among zeros are masks and are not told. A sample is looked at.
    Fix   Train or export the model again, or find out what the values stand for.
    """
    for one in facts.not_finite[:TOLD]:
        yield warn(one.detail, where=one.where)
    if not facts.not_finite:
        yield ok()


@check("tensor-outlier", severity="low", refs=("CWE-20 (CWE 4.17)", "AML.T0018.000 (ATLAS 5.6.0)"))
def outlier(facts: ValueFacts) -> Iterator[Remark]:
    """A few values of a tensor are larger than all others by a factor of a million.

    Why   They drown everything else: changed by hand, by damage, or by training that diverged. Told where
          no value lies between, and at most one in a hundred is beyond. A sample is looked at.
    Fix   Find out what they stand for; retrain or restore the tensor where nothing explains them.
    """
    for one in facts.outliers[:TOLD]:
        yield warn(one.detail, where=one.where)
    if not facts.outliers:
        yield ok()


VALUE_CHECKS: tuple[Check[ValueFacts], ...] = (holds_program, low_bits, not_finite, outlier)


def examine_values(part: Part, format_: str, tensors: Sequence[Numbers]) -> Formatted:
    """What a sample of the tensors' numbers says."""
    facts, sample = ValueFacts(), part.allowance.sample
    distributions: dict[str, Halves] = {}
    for one in tensors:
        if sample.take_head():
            _head(part, one, sample, facts)
        if one.kind:
            for window in sample.take_windows(one):
                _window(part, window, facts, distributions)
    for kind, found in distributions.items():
        if (said := flattened(found, kind)) is not None:
            facts.low_bits.append(_message(part.where(), f"numbers of the kind {kind}", said))
    is_clean = not (facts.programs or facts.low_bits or facts.not_finite or facts.outliers)
    return Formatted(format_, _clean() if is_clean else examine(VALUE_CHECKS, facts))


@cache
def _clean() -> Examined:
    """What the checks say where nothing was seen."""
    return examine(VALUE_CHECKS, ValueFacts())


def _head(part: Part, one: Numbers, sample: Sample, facts: ValueFacts) -> None:
    """The first bytes of a tensor, and what its first low bits make."""
    held = bytes(part.data[one.start : min(one.stop, one.start + HEAD_BYTES)])
    if (found := begins_as(held, texts=bool(one.kind))) is not None:
        facts.programs.append(_program(part, one, "", found))
    if not one.kind or not sample.take_low_head(one):
        return
    item = SHAPES[one.kind].item_bytes
    held = bytes(part.data[one.start : min(one.stop, one.start + 8 * LOW_HEAD_BYTES * item)])
    for width, stream in _low_streams(held, one.kind):
        found = begins_as(stream, texts=True) or _pickle(stream)
        if found is not None:
            place = f"the low {width} bits of " if width > 1 else "the lowest bits of "
            facts.programs.append(_program(part, one, place, found._replace(offset=0)))
            return


def _low_streams(held: bytes, kind: str) -> Iterator[tuple[int, bytes]]:
    """What the low bits make, for each number of them and each order."""
    low = low_bytes(held, kind)
    for width in WIDTHS[kind]:
        if len(low) * width < 8 * SHORTEST:
            continue
        some = low[: LOW_HEAD_BYTES * 8 // width]
        yield width, packed(some, width, "big")
        if width < 8:
            yield width, packed(some, width, "little")
    if SHAPES[kind].item_bytes >= 4:
        yield 16, low_bytes(held, kind, 2)[:LOW_HEAD_BYTES]


def _pickle(stream: bytes) -> Program | None:
    """A pickle that calls something, wherever in the stream it begins."""
    if not stream.startswith(b"\x80"):
        return None
    found = hidden_pickles(stream).wrong.get(Wrong.UNLISTED_CALL)
    return Program(f"pickle: {found[0].detail}", 0, runs=True) if found else None


def _program(part: Part, one: Numbers, place: str, found: Program) -> Told:
    where = part.where(one.start + found.offset)
    return Told(plain(f"{place}{one.name}: {found.what}"), where, "high" if found.runs else "medium")


def _window(part: Part, window: Window, facts: ValueFacts, distributions: dict[str, Halves]) -> None:
    one, held = window.of, bytes(part.data[window.start : window.stop])
    where = part.where(window.start)
    if (program := stands_in(held)) is not None and window.start + program.offset > one.start + HEAD_BYTES:
        inside = one._replace(start=window.start)
        facts.programs.append(_program(part, inside, "", program))
    if (said := message(held, one.kind)) is not None:
        facts.low_bits.append(_message(where, one.name, said))
    for width, found in halves(held, one.kind).items():
        distributions.setdefault(one.kind, {}).setdefault(width, Counter()).update(found)
    _values(one.name, where, range_of(held, one.kind), facts)


def _message(where: Location, name: str, said: Message) -> Told:
    bits = f"low {said.width} bits" if said.width > 1 else "lowest bits"
    detail = f"the {bits} of {name}: {said.why}, by {said.deviations:.0f} standard deviations (a sample)"
    return Told(plain(detail), where, "medium")


def _values(name: str, where: Location, found: Range, facts: ValueFacts) -> None:
    if found.nans:
        detail = f"{name} holds {found.nans} NaN in {found.items} values (a sample)"
        facts.not_finite.append(Told(plain(detail), where, "low"))
    if found.infinities and not found.is_mask:
        detail = f"{name} holds {found.infinities} infinite values in {found.items} (a sample)"
        facts.not_finite.append(Told(plain(detail), where, "low"))
    if found.beyond:
        detail = f"{found.beyond} of {found.items} values of {name} (a sample) are larger by 2^{found.gap}"
        facts.outliers.append(Told(plain(detail), where, "low"))
