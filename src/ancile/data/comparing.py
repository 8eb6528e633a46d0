"""What differs between two states of a data set: files, and the ranges of bytes in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ancile.data.version import DataFile, Piece


class Range(NamedTuple):
    """Bytes from ``start`` up to ``end``."""

    start: int
    end: int


class Changed(NamedTuple):
    """A file that is in both and not the same.

    gone  ranges of the old one that the new one has nowhere
    come  ranges of the new one that the old one had nowhere
    """

    path: str
    gone: tuple[Range, ...]
    come: tuple[Range, ...]


class Differences(NamedTuple):
    """Paths of files, percent-encoded.

    moved  new path to the old one of the same bytes
    """

    missing: tuple[str, ...]
    added: tuple[str, ...]
    moved: dict[str, str]
    changed: tuple[Changed, ...]

    @property
    def none(self) -> bool:
        """Whether both are the same."""
        return not (self.missing or self.added or self.moved or self.changed)


def compare(old: Sequence[DataFile], new: Sequence[DataFile], *, alone: bool = False) -> Differences:
    """What became of the old files.

    alone  whether both are a single file, whatever their names
    """
    before, after = {one.path: one for one in old}, {one.path: one for one in new}
    if alone and len(old) == len(new) == 1:
        before = {new[0].path: old[0]}
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    lost = {before[path].digest: path for path in sorted(gone)}
    moved = {path: lost[after[path].digest] for path in sorted(come) if after[path].digest in lost}
    both = sorted(before.keys() & after.keys())
    return Differences(
        missing=tuple(sorted(gone - set(moved.values()))),
        added=tuple(sorted(come - moved.keys())),
        moved=moved,
        changed=tuple(
            Changed(
                path,
                ranges(before[path].chunks, after[path].chunks),
                ranges(after[path].chunks, before[path].chunks),
            )
            for path in both
            if before[path].digest != after[path].digest
        ),
    )


def ranges(of: Sequence[Piece], than: Sequence[Piece]) -> tuple[Range, ...]:
    """The ranges of one file whose chunks the other has not, or not as often; adjoining ones are one.

    Chunks that begin and end both files alike count as the same first, so that of many equal ones the odd
    ones are those in the middle.
    """
    front = _alike(of, than)
    back = _alike(of[front:][::-1], than[front:][::-1])
    left = Counter(one.digest for one in than[front : len(than) - back])
    found: list[Range] = []
    at = sum(one.size for one in of[:front])
    for one in of[front : len(of) - back]:
        if left[one.digest]:
            left[one.digest] -= 1
        elif found and found[-1].end == at:
            found[-1] = Range(found[-1].start, at + one.size)
        else:
            found.append(Range(at, at + one.size))
        at += one.size
    return tuple(found)


def _alike(one: Sequence[Piece], other: Sequence[Piece]) -> int:
    """How many chunks from the start are the same."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
