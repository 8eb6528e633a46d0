"""Bits of numbers as streams of their own, and whether such a stream looks like numbers or like a message.

A payload of which nothing is known but that it was put into the low bits of weights: Westfeld and Pfitzmann,
"Attacks on Steganographic Systems", Information Hiding 1999, sections 3 and 4, for images; Wang, Liu and Cui,
"EvilModel", arXiv:2107.08590, for weights. All is counted on integers of the whole stream, so that each step
runs in the interpreter's own loops; there is no array library here.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import Literal, NamedTuple

Order = Literal["little", "big"]
NEAR = (1, 4)  # bytes apart at which text and machine code repeat, or avoid to
FAR = (23, 37, 53)  # and at which they do not; odd, so that no row of a matrix is as long
ENOUGH = 30  # equal pairs below which no rate is compared


class Shape(NamedTuple):
    """How a kind of number lies in its bytes, little end first.

    item_bytes  of one number
    mantissa    low bits that hardly change its value
    """

    item_bytes: int
    mantissa: int


SHAPES = {
    "f64": Shape(8, 52),
    "f32": Shape(4, 23),
    "f16": Shape(2, 10),
    "bf16": Shape(2, 7),
    "i8": Shape(1, 7),
}


WIDTHS = {"f64": (1, 2, 4, 8), "f32": (1, 2, 4, 8), "f16": (1, 2, 4, 8), "bf16": (1, 2, 4), "i8": (1, 2, 4)}
# Bits of which encrypted content is seen as well, where there are few enough for the shape to tell
SMOOTH_WIDTHS = {"f16": (6, 8), "bf16": (4,), "i8": (1, 2, 4)}
BLOCKS = {"f16": 1 << 10, "bf16": 1 << 7, "i8": 1 << 8}  # values of a binade; all of an integer's
CERTAIN = 8.0  # standard deviations: of 10,000 honest streams, none had more than 7
QUIET = 3.0  # that the bits above may have: otherwise the numbers themselves are ordered
DISTINCT_ITEMS, DISTINCT_SHARE = 4096, 0.95  # below, numbers come in levels, and so do their low bits
SHARE = 0.3  # of the numbers that must have been overwritten for sure
EVEN = 5.0
STEEPEST = 5  # from a group to the next but one: of bell curves at most that, of spikes and combs more


def low_bytes(held: bytes, kind: str, count: int = 1) -> bytes:
    """The ``count`` lowest bytes of each number, numbers in their order."""
    size = SHAPES[kind].item_bytes
    whole = len(held) // size * size
    if count == 1 or size == 1:
        return held[0:whole:size]
    found = bytearray(whole // size * count)
    for place in range(count):
        found[place::count] = held[place:whole:size]
    return bytes(found)


def packed(low: bytes, width: int, order: Order) -> bytes:
    """The ``width`` low bits of each byte in a row: 1, 2, 4 or 8.

    order  whether the first byte gives the lowest bits of the first of the stream, or the highest
    """
    if width == 8:
        return low
    each = 8 // width
    low = low[: len(low) // each * each]
    held = int.from_bytes(low, order) & _repeated((1 << width) - 1, len(low))
    step = 8 - width
    while step < 8 * each - 8:
        held |= held >> step
        step *= 2
    return held.to_bytes(len(low), order)[0 if order == "little" else each - 1 :: each]


@lru_cache(maxsize=64)
def _repeated(byte: int, count: int) -> int:
    return int.from_bytes(bytes([byte]) * count, "little")


def ones(stream: bytes) -> list[int]:
    """How many bytes have each of their eight bits set, lowest first."""
    held = int.from_bytes(stream, "little")
    return [(held & _repeated(1 << bit, len(stream))).bit_count() for bit in range(8)]


def serial(stream: bytes) -> float:
    """How much more or less often bytes repeat near each other than far, in standard deviations, the worst.

    Of numbers drawn one by one it is as the larger of two standard normals, whatever their distribution.
    """
    held = int.from_bytes(stream, "little")

    def equal(lag: int) -> int:
        # Shifted out at the top come zeros: the last bytes would be compared with nothing
        differ = (held ^ (held >> 8 * lag)).to_bytes(len(stream), "little")
        return differ[: len(stream) - FAR[-1]].count(0)

    if len(stream) <= 4 * FAR[-1]:
        return 0.0
    far = sum(map(equal, FAR)) / len(FAR)
    if far < ENOUGH:
        return 0.0
    return max(abs(equal(lag) - far) for lag in NEAR) / math.sqrt(far * (1 + 1 / len(FAR)))


def phases(stream: bytes, width: int) -> float:
    """How far bits of one plane differ by their place in the stream's bytes, in standard deviations.

    width  low bits of each number that the stream was packed from; with eight, no two places share a plane
    """
    if width == 8:
        return 0.0
    found, n, worst = ones(stream), len(stream), 0.0
    for plane in range(width):
        places = found[plane::width]
        rate = sum(places) / (len(places) * n) if n else 0.0
        deviation = math.sqrt(n * rate * (1 - rate))
        if len(places) > 1 and deviation > 1:
            worst = max(worst, *(abs(one - rate * n) / deviation for one in places))
    return worst


def nulls(stream: bytes, numbers: bytes, width: int) -> float:
    """How many more bytes of the stream are zero than numbers drawn one by one give, in standard deviations.

    numbers  bytes that the stream was packed from; with eight bits of each, there is nothing to compare
    """
    if width == 8 or not numbers:
        return 0.0
    each, n = 8 // width, len(numbers)
    held, step = int.from_bytes(numbers, "little"), 1
    while step < width:  # into the lowest bit of each byte, whether any of its low bits is set
        held |= held >> step
        step *= 2
    zero = n - (held & _repeated(1, n)).bit_count()
    expected = len(stream) * (zero / n) ** each
    return (stream.count(0) - expected) / math.sqrt(expected + each)


class Smooth(NamedTuple):
    """What the shape of a distribution says of its low bits.

    power  how many standard deviations lie between untouched numbers and overwritten ones
    share  of the numbers whose low bits were overwritten, an estimate
    even   how far the halves differ, in standard deviations of the sum of squares about what drawn bits give
    """

    power: float
    share: float
    even: float


Halves = dict[int, Counter[int]]  # width to how many numbers are in each half of each group


def halves(held: bytes, kind: str) -> Halves:
    """What ``flattened`` wants to know of numbers; of several runs of them, add the counts."""
    return {width: Counter(_halves(held, kind, width)) for width in SMOOTH_WIDTHS.get(kind, ())}


def smooth(halves: Counter[int], kind: str, width: int) -> Smooth:
    """Whether neighbouring values are as equally frequent as drawn low bits would make them.

    Groups of 2^width values keep their sums under overwriting; from those of its neighbours a group's two
    halves can be foretold to differ, while overwriting makes them equal. Groups at the end of a binade, where
    the density of the numbers jumps, foretell nothing.
    """
    block = BLOCKS[kind] >> width
    told = seen = excess = 0.0
    groups = 0
    for group in range(1, 127):
        if group % block in (0, block - 1):
            continue
        low, high = halves[2 * group], halves[2 * group + 1]
        before, after = (halves[2 * one] + halves[2 * one + 1] for one in (group - 1, group + 1))
        middle, tilt = low + high, high - low
        if min(before, middle, after) < ENOUGH or not _gentle(before, middle, after):
            continue
        expected = (after - before) / 8  # of a straight line through three groups
        told += expected * expected / middle
        seen += expected * tilt / middle
        excess += tilt * tilt / middle - 1
        groups += 1
    if told == 0:
        return Smooth(0.0, 0.0, 0.0)
    return Smooth(math.sqrt(told), 1 - seen / told, excess / math.sqrt(2 * groups))


def _halves(held: bytes, kind: str, width: int) -> bytes:
    """For each number, which half of which group it is in: eight bits, of the exponent the lowest."""
    if kind == "i8":
        return held.translate(_shift(width - 1, flip=0x80))
    held = held[: len(held) // 2 * 2]
    return (int.from_bytes(held, "little") >> width - 1).to_bytes(len(held), "little")[::2]


def _gentle(before: int, middle: int, after: int) -> bool:
    """Whether three groups may lie on a straight line: no spike of zeros, no comb of few levels."""
    return max(before, middle, after) < STEEPEST * min(before, middle, after) and (
        abs(before + after - 2 * middle)
        < 4 * math.sqrt(before + after + 4 * middle) + abs(after - before) / 2
    )


class Message(NamedTuple):
    """Low bits that do not look like those of numbers: how many of each, how sure, what gives them away."""

    width: int
    deviations: float
    why: str


def message(held: bytes, kind: str) -> Message | None:
    """What the low bits of numbers in a row carry beside the numbers; None where they look honest.

    Seen are contents with an order of their own: text, machine code, tables. Encrypted or compressed
    content is as mixed as the low bits of 32- and 64-bit numbers are, and no statistic tells it from them.
    """
    if SHAPES[kind].item_bytes >= 4 and _levels(held, SHAPES[kind].item_bytes):
        return None
    low, above = low_bytes(held, kind), _above(held, kind)
    for width in WIDTHS[kind]:
        shifted = above if width == 8 else low.translate(_shift(width))
        found = _signs(packed(low, width, "little"), low, width)
        worst = max(found)
        if (
            worst > CERTAIN
            and max(map(abs, _signs(packed(shifted, width, "little"), shifted, width))) < QUIET
        ):
            why = ("they follow on each other", "they have a rhythm of bytes", "too many are zero")
            return Message(width, worst, why[found.index(worst)])
    return None


def _signs(stream: bytes, numbers: bytes, width: int) -> tuple[float, float, float]:
    return serial(stream), phases(stream, width), nulls(stream, numbers, width)


def _levels(held: bytes, item_bytes: int) -> bool:
    """Whether numbers repeat, as those do that come from few levels."""
    some = held[: min(DISTINCT_ITEMS, len(held) // item_bytes) * item_bytes]
    items = memoryview(some).cast("I" if item_bytes == 4 else "Q")
    return len(set(items)) < DISTINCT_SHARE * len(items)


def _above(held: bytes, kind: str) -> bytes:
    """The bytes above the lowest."""
    size = SHAPES[kind].item_bytes
    return held[1 : len(held) // size * size : size] if size > 1 else b""


@lru_cache(maxsize=8)
def _shift(width: int, *, flip: int = 0) -> bytes:
    return bytes((byte ^ flip) >> width for byte in range(256))


def flattened(found: Halves, kind: str) -> Message | None:
    """Whether so many numbers of 8 or 16 bits had their low bits overwritten that it shows in their values.

    Encrypted content is seen here, where there is enough of it: 130,000 numbers of 8 bits with two or four of
    them overwritten, 260,000 with one; as many of 16 bits with six of a half, four of a bfloat16.
    """
    for width, counts in found.items():
        one = smooth(counts, kind, width)
        surely = one.share - 4 / one.power if one.power > CERTAIN else 0.0
        if surely > SHARE and one.even < EVEN:
            return Message(width, one.power, "neighbouring values are as frequent as each other")
    return None
