"""Content-defined chunks: a cut depends on the 32 bytes before it, so that an insertion moves no other cut.

After Muthitacharoen, Chen, Mazières, "A low-bandwidth network file system" (SOSP 2001), and FastCDC (Xia
et al., USENIX ATC 2016): least and most bytes of a chunk, no search within the least. Where they roll a hash
over a window byte by byte, here a window is the sum of its eight words, multiplied (Knuth, TAOCP 3, 6.4), for
all places of a piece at once. Of one word alone, text that repeats itself has too few.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.extras import needs

WORD, WORDS = 4, 8  # bytes of a word, words of a window: a power of two
WINDOW = WORD * WORDS
FACTOR = 0x9E3779B1  # 2**32 divided by the golden ratio, the nearest prime
PIECE = 1 << 18  # bytes looked at once: a core's cache holds it and what becomes of it
LEAST_MEAN, MOST_MEAN = 1 << 12, 1 << 20  # bytes
SHARE = 1024  # chunks of a whole: then a change of a hundredth costs little more than itself


class Sizes(NamedTuple):
    """Bytes of a chunk: at least ``least`` but at an end, about ``mean``, at most ``most``."""

    least: int
    mean: int
    most: int


def sizes_of(mean: int) -> Sizes:
    """The bounds that go with a mean, a power of two."""
    return Sizes(mean // 4, mean, mean * 4)


def mean_for(total: int) -> int:
    """The mean size of chunks for so many bytes."""
    return min(MOST_MEAN, max(LEAST_MEAN, 1 << max(0, (total // SHARE).bit_length() - 1)))


def cuts(data: memoryview, sizes: Sizes, *, last: bool) -> list[int]:
    """Where chunks of ``data`` end, ascending; the first begins at 0.

    last  whether nothing follows: then the last cut is the end, else the rest after it waits for more
    """
    found: list[int] = []
    start, ends = 0, _candidates(data, sizes.mean)
    end = next(ends, None)
    while len(data) - start > sizes.most or (last and len(data) > start):
        while end is not None and end < start + sizes.least:
            end = next(ends, None)
        start = min(start + sizes.most, len(data)) if end is None or end > start + sizes.most else end
        found.append(start)
    return found


def _candidates(data: memoryview, mean: int) -> Iterator[int]:
    """Every place that may be a cut, ascending: what comes before its window decides nothing."""
    windows = _Windows(mean)
    for start in range(0, len(data) - WINDOW + 1, PIECE):
        piece = data[start : start + PIECE + WINDOW - 1]
        yield from (start + WINDOW + place for place in windows.small(piece))


class _Windows:
    """Room for the sums of a piece, taken once: to take it anew each time takes longer than the sums."""

    def __init__(self, mean: int) -> None:
        np = needs("numpy", "arrays")
        self._below = np.uint32((1 << 32) // mean)
        self._room = [np.empty(PIECE // WORD + WORDS, np.uint32) for _ in range(2)]
        self._hits = np.empty(PIECE // WORD + WORDS, np.bool_)

    def small(self, piece: memoryview) -> list[int]:
        """Starts of the windows of a piece whose hash is small, ascending."""
        np = needs("numpy", "arrays")
        found = []
        for shift in range(WORD):
            sums = np.frombuffer(piece, "<u4", offset=shift, count=(len(piece) - shift) // WORD)
            reach, (room, other) = 1, self._room
            while reach < WORDS:
                sums = np.add(sums[:-reach], sums[reach:], out=room[: max(0, len(sums) - reach)])
                reach, room, other = reach * 2, other, room
            hashes = np.multiply(sums, np.uint32(FACTOR), out=room[: len(sums)])
            hits = np.less(hashes, self._below, out=self._hits[: len(sums)])
            if hits.any():
                found += (np.flatnonzero(hits) * WORD + shift).tolist()
        return sorted(found)
