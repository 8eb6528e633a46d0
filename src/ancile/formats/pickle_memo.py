"""What a long pickle remembers: of millions of slots those that some opcode can ask for.

Picklers remember nearly everything and ask for hardly any of it. An opcode that asks for a slot stands in the
data with its number, so bytes that look like one are looked for; what none of them can mean is not kept.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from ancile.formats.held import Held, forget
from ancile.formats.pickle_values import Value

MANY: Final = 1 << 16  # slots that are all kept
SHORT: Final = 256  # slots that the opcode with an argument of one byte asks for
SLOTS: Final = 1 << 24  # an index beyond makes CPython's own table that long
WINDOW = 16 << 20
LONGEST = 64  # bytes that an opcode with its argument takes
LONG_BINGET = re.compile(rb"(?s)j(?=(...)\x00)")  # of slots below SLOTS
GET = re.compile(rb"g(?=([ \t\r\f\v+_0-9]{1,40})\n)")


class Memo(dict[int, Value]):
    """Slot to value, counting also what is not kept.

    held   what was remembered so far
    asked  slots that may be asked for
    """

    def __init__(self, held: dict[int, Value], asked: set[int]) -> None:
        super().__init__(held)
        self._asked = asked
        self._count = len(held)
        self._taken = bytearray(1 + max((slot for slot in held if slot < SLOTS), default=0))
        for slot in held:
            if slot < SLOTS:
                self._taken[slot] = 1

    def __len__(self) -> int:
        """Slots that are taken, kept or not."""
        return self._count

    def __setitem__(self, slot: int, value: Value) -> None:
        """Take a slot; its value is kept where it may be asked for."""
        if slot >= SLOTS:
            self._count += slot not in self
            super().__setitem__(slot, value)
            return
        if slot >= len(self._taken):
            self._taken.extend(bytes(slot + MANY - len(self._taken)))
        if not self._taken[slot]:
            self._taken[slot] = 1
            self._count += 1
        if slot < SHORT or slot in self._asked:
            super().__setitem__(slot, value)
        else:
            self.pop(slot, None)


def asked_slots(data: Held, start: int, end: int) -> set[int]:
    """Every slot from ``SHORT`` on that opcodes between two places may ask for, and some that none does."""
    found: set[int] = set()
    for pos in range(start, end, WINDOW):
        stop = min(end, pos + WINDOW + LONGEST)
        found.update(int.from_bytes(one[1], "little") for one in LONG_BINGET.finditer(data, pos, stop))
        for one in GET.finditer(data, pos, stop):
            with suppress(ValueError):
                found.add(int(one[1], 10))
        forget(data, pos, stop)
    return found
