"""MessagePack as Flax writes it: walked to its end, nothing is built (msgpack specification).

Flax keeps arrays as extension 1, complex numbers as 2, scalars as 3: flax/serialization.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ancile.formats.held import Held

ITEMS = 5_000_000  # values of one file
DEEPEST = 512
FIXED = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2,
    0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
SIZED = {  # width of a length, and bytes beside the content that it does not count
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
}  # fmt: skip
HELD = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}  # width of a count, and values for each
TEXTS = frozenset((0xD9, 0xDA, 0xDB))
LONGEST_TEXT = 1 << 16


@dataclass
class Packed:
    """One document: where it ends, its texts, and why it does not.

    broken  whether no writer writes that: it is more than the end of the file, or of what is followed
    """

    stop: int = 0
    fault: str = ""
    broken: bool = False
    texts: list[tuple[str, str]] = field(default_factory=list)


def parse_msgpack(data: Held) -> Packed:
    """The first document of the bytes."""
    found = Packed()
    left = [1]  # values that each open container still wants
    for _ in range(ITEMS):
        while left and left[-1] == 0:
            left.pop()
        if not left:
            return found
        if found.stop >= len(data):
            found.fault = "it breaks off"
            return found
        left[-1] -= 1
        inner = _value(data, found)
        if inner:
            left.append(inner)
        if len(left) > DEEPEST:
            found.fault = "it nests too deep"
        if found.fault:
            return found
    found.fault = f"more than {ITEMS} values"
    return found


def _value(data: Held, found: Packed) -> int:
    """Step over one value; how many values it holds."""
    start, kind = found.stop, data[found.stop]
    found.stop += 1
    if kind < 0x80 or kind >= 0xE0:
        return 0
    if kind < 0xA0:
        return (kind & 15) * (2 if kind < 0x90 else 1)
    if kind < 0xC0:
        _content(data, found, kind & 31, is_text=True)
        return 0
    if kind in HELD:
        width, each = HELD[kind]
        found.stop += width
        return int.from_bytes(data[start + 1 : start + 1 + width], "big") * each
    if kind in SIZED:
        width, beside = SIZED[kind]
        found.stop += width
        size = int.from_bytes(data[start + 1 : start + 1 + width], "big")
        _content(data, found, size + beside, is_text=kind in TEXTS)
    elif kind in FIXED:
        _content(data, found, FIXED[kind], is_text=False)
    else:
        found.fault, found.broken = f"a value of no kind at byte {start}", True
    return 0


def _content(data: Held, found: Packed, size: int, *, is_text: bool) -> None:
    stop = found.stop + size
    if stop > len(data):
        found.fault = "it breaks off"
        return
    if is_text and size <= LONGEST_TEXT:
        found.texts.append(("a text", bytes(data[found.stop : stop]).decode("utf-8", "replace")))
    found.stop = stop
