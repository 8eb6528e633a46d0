"""How large numbers are, and how many are none: IEEE 754-2019, section 3.4, and bfloat16.

The exponent of a number is in its two highest bytes: they are counted, and nothing is converted.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

from ancile.formats.tensor_bits import SHAPES

GAP = 20  # in powers of two, between ordinary values and those beyond
FEW = 2048
RARE = 100  # one in so many may lie beyond
# Bits of the exponent that stand in the lower of the two bytes
EXPONENT_LOW = {"f64": 4, "f32": 1, "bf16": 1}
TOP = {"f64": 2047, "f32": 255, "bf16": 255}
HALF_TOP = 31


class Range(NamedTuple):
    """What was counted.

    is_mask  infinities of one sign alone, and nothing but zeros beside them
    beyond   values above a gap of at least ``GAP`` powers of two; 0 where there is none
    gap      at least so many powers of two from the largest of the others to the smallest of these
    """

    items: int
    nans: int = 0
    infinities: int = 0
    is_mask: bool = False
    beyond: int = 0
    gap: int = 0


def range_of(held: bytes, kind: str) -> Range:
    """What numbers in a row are like; integers are neither infinite nor far away."""
    size = SHAPES[kind].item_bytes
    items = len(held) // size
    if kind == "i8":
        return Range(items)
    found, top = Range(items), TOP.get(kind, HALF_TOP)
    if _is_ordinary(held[size - 1 : items * size : size], kind):
        return found
    exponents = _exponents(held, kind)
    if exponents.pop(top, 0):
        found = _not_finite(held[: items * size], kind, only_zeros=not any(exponents))
    exponents.pop(0, None)  # zeros
    return _gap(found, exponents, 1 << EXPONENT_LOW[kind]) if kind != "f16" else found


def _is_ordinary(high: bytes, kind: str) -> bool:
    """Whether the high bytes alone show that every number is finite, and none far from the others.

    It is so of most numbers, and how many there are of each exponent then says nothing more.
    """
    present = {byte & 0x7F for byte in _present(high)}
    if kind == "f16":
        return max(present, default=0) >> 2 != HALF_TOP
    step = 1 << EXPONENT_LOW[kind]
    is_finite = max(present, default=0) * step < TOP[kind] // step * step
    rows = sorted(present - {0})
    return is_finite and all((above - below - 1) * step + 1 < GAP for below, above in pairwise(rows))


def _exponents(held: bytes, kind: str) -> Counter[int]:
    """How often each exponent occurs.

    The high byte alone first: it holds all but the lowest bits, and there are few different ones.
    """
    size = SHAPES[kind].item_bytes
    whole = len(held) // size * size
    high, low = held[size - 1 : whole : size], held[size - 2 : whole : size]
    found: Counter[int] = Counter()
    if kind == "f16":
        for value in _present(high):
            found[(value & 0x7F) >> 2] += high.count(value)
        return found
    bits = EXPONENT_LOW[kind]
    for value in _present(high):
        found[(value & 0x7F) << bits] += high.count(value)
    top = TOP[kind] >> bits << bits
    if top in found:  # the largest need the lower byte as well
        del found[top]
        for one, other in zip(high, low, strict=True):
            if (one & 0x7F) << bits == top:
                found[top | other >> 8 - bits] += 1
    return found


def _present(high: bytes) -> set[int]:
    """The different bytes there are: a few thousand show nearly all, the others are what those leave."""
    common = set(high[:FEW])
    return common | set(high[FEW:].translate(None, bytes(common)))


def _not_finite(held: bytes, kind: str, *, only_zeros: bool) -> Range:
    size, shape = SHAPES[kind].item_bytes, SHAPES[kind]
    fraction, top = (1 << shape.mantissa) - 1, TOP.get(kind, HALF_TOP)
    nans, signs = 0, Counter[int]()
    for at in range(0, len(held), size):
        value = int.from_bytes(held[at : at + size], "little")
        if value >> shape.mantissa & top != top:
            continue
        if value & fraction:
            nans += 1
        else:
            signs[value >> 8 * size - 1] += 1
    is_mask = not nans and len(signs) == 1 and only_zeros
    return Range(len(held) // size, nans, signs.total(), is_mask)


def _gap(found: Range, exponents: Counter[int], step: int) -> Range:
    """Few values above the widest hole in the exponents, which were counted in steps."""
    present = sorted(exponents)
    holes = [(above - below - step + 1, above, below) for below, above in pairwise(present)]
    width, above, below = max(holes, default=(0, 0, 0))
    beyond = sum(count for exponent, count in exponents.items() if exponent >= above)
    ordinary = sum(count for exponent, count in exponents.items() if exponent <= below)
    if width < GAP or beyond * RARE > ordinary:
        return found
    return found._replace(beyond=beyond, gap=width)
