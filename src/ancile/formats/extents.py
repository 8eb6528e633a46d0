"""Where the tensors of a file lie, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

FaultKind = Literal["damaged", "overrun", "ambiguous", "hidden", "unread"]
SHOWN = 20  # faults of one file that are kept
GAPS = 1000  # holes between tensors that are kept
PAGES = (
    1 << 16
)  # bytes that writers align tensors to in a file of their own; Windows maps files in such steps


class LayoutFault(NamedTuple):
    """What is wrong with a file of tensors.

    kind  damaged: broken; overrun: a size or place that reaches beyond the file or overflows;
          ambiguous: readers disagree; hidden: bytes that belong to nothing; unread: cut off, or more than is
          followed
    """

    kind: FaultKind
    offset: int
    what: str


class Extent(NamedTuple):
    """The bytes of one tensor, from the beginning of the file."""

    name: str
    start: int
    stop: int


class Numbers(NamedTuple):
    """Bytes that are numbers of one kind, little end first.

    kind  f64, f32, f16, bf16 or i8; empty where it is another
    """

    name: str
    start: int
    stop: int
    kind: str


class Layout(NamedTuple):
    """Faults, and the bytes between ``start`` and ``end`` that no tensor covers."""

    faults: tuple[LayoutFault, ...]
    gaps: tuple[tuple[int, int], ...]


def lay_out(extents: Sequence[Extent], *, start: int, end: int, alignment: int = 1) -> Layout:
    """How the tensors cover the bytes from ``start`` to ``end`` of the file.

    alignment  a hole shorter than this is padding

    A tensor that follows the one before it and reaches beyond the end is cut off with the file; one that
    begins where nothing leads to points out of the file on purpose.
    """
    faults: list[LayoutFault] = []
    gaps: list[tuple[int, int]] = []
    pos, last = start, ""
    for one in sorted(extents, key=lambda one: (one.start, one.stop)):
        if one.start < pos and one.stop > one.start:
            faults.append(LayoutFault("overrun", one.start, f"{one.name} lies over {last or 'the header'}"))
        elif one.start - pos >= alignment:
            gaps.append((pos, min(one.start, end)))
        if one.stop > end:
            kind: FaultKind = "unread" if pos <= one.start < pos + alignment else "overrun"
            what = f"{one.name} reaches to byte {one.stop} of {end}"
            faults.append(LayoutFault(kind, min(one.start, end), what))
        if one.stop > pos:
            pos, last = one.stop, one.name
    if end - pos >= alignment:
        gaps.append((pos, end))
    return Layout(tuple(faults[:SHOWN]), tuple(_within(gaps, end)))


def _within(gaps: list[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    return ((start, stop) for start, stop in gaps[:GAPS] if start < stop <= end)


def covers(extents: Iterable[tuple[int, int]], size: int) -> bool:
    """Whether tensors from the first to the second place leave no more of a file than alignment takes."""
    reached = 0
    for start, stop in sorted(extents):
        if start - reached >= PAGES:
            return False
        reached = max(reached, stop)
    return 0 <= size - reached < PAGES
