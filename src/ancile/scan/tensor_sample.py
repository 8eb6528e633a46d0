"""Which of the numbers of a file are looked at one by one: a bounded share, so that a scan stays a scan."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from ancile.formats.extents import Numbers
from ancile.formats.tensor_bits import SHAPES

WINDOW_ITEMS = (
    1 << 15
)  # numbers in a row: a text in one bit of each shows with some eight standard deviations
FEWEST_ITEMS = 1 << 13  # fewer show nothing
# One window takes as long as the digest of some 3 MB: this is 3 % of the time of a digest
BYTES_A_WINDOW = 96 << 20
MOST_WINDOWS = 24  # of one file
HEADS = 2048  # tensors whose first bytes are looked at
LOW_HEADS = 16  # and whose first low bits are, of which one takes as long as the digest of 200 kB
BYTES_A_LOW_HEAD = 8 << 20


class Sample(msgspec.Struct, eq=False):
    """What is left to be looked at in one file; it grows with the numbers that are come by."""

    windows: float = 1.0
    low_heads: float = 1.0
    heads: int = HEADS
    taken_windows: int = 0
    taken_low_heads: int = 0

    def take_head(self) -> bool:
        """Whether the first bytes of one more tensor are looked at."""
        self.heads -= 1
        return self.heads >= 0

    def take_low_head(self, one: Numbers) -> bool:
        """Whether the first low bits of a tensor are looked at."""
        self.low_heads += (one.stop - one.start) / BYTES_A_LOW_HEAD
        if self.low_heads < 1 or self.taken_low_heads >= LOW_HEADS:
            return False
        self.low_heads -= 1
        self.taken_low_heads += 1
        return True

    def take_windows(self, one: Numbers) -> list[Window]:
        """The windows of a tensor: its beginning, and others at equal distances."""
        size, item = one.stop - one.start, SHAPES[one.kind].item_bytes
        self.windows += size / BYTES_A_WINDOW
        if size < FEWEST_ITEMS * item:
            return []
        long = min(size // item, WINDOW_ITEMS) * item
        count = min(int(self.windows), MOST_WINDOWS - self.taken_windows, size // long)
        self.windows -= count
        self.taken_windows += count
        step = (size - long) // max(1, count - 1) // item * item
        return [
            Window(one, one.start + place * step, one.start + place * step + long) for place in range(count)
        ]


class Window(NamedTuple):
    """Numbers in a row, and where they stand."""

    of: Numbers
    start: int
    stop: int
