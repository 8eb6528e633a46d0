"""The pickle machine, run without running anything: PEP 307, PEP 3154, PEP 574.

It follows an unpickler opcode by opcode and tells every name that is looked up, every call, and every change
of an object that the pickle did not make itself. What such a call would give is not known, so the walk takes
it that it works; everything that a victim's unpickler would reach is reached. Nothing recurses, and memory
grows with what stands on the stack, not with what it would unpack to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ancile.formats.held import Held, forget
from ancile.formats.pickle_constants import Broken
from ancile.formats.pickle_machine import ENDLESS, Event, Machine, Oddity, Stopped
from ancile.formats.pickle_memo import MANY, Memo, asked_slots
from ancile.formats.pickle_opcodes import OPCODES
from ancile.formats.pickle_values import Made

ROUND = 1 << 12  # opcodes between looks at how much memory they take
STEPS = 12_208 * ROUND  # opcodes of one pickle, a run of numbers counted once
CUT = "the data ends"  # how a reason begins where some more was to come
FORGOTTEN_BYTES = 1 << 20  # at once


class End(NamedTuple):
    """How a walk ended.

    stop   offset behind its last opcode
    why    empty after STOP; else why no unpickler gets further
    spent  whether it was the budget that ended it, or the data: something more was to come
    """

    stop: int
    why: str = ""
    spent: bool = False


def walk(
    data: Held,
    start: int,
    tell: Callable[[Event], None],
    *,
    end: int | None = None,
    raw: Callable[[Made, int], int] | None = None,
    begun: Callable[[Machine], None] | None = None,
) -> tuple[End, Machine]:
    """Follow the pickle that begins at ``start`` to its STOP, or to where every unpickler ends.

    data  bytes or a map of a file
    tell  is given every event, in order
    raw   given what a call made and the offset behind a BUILD on it: where the next opcode is
    begun given the machine before its first step, for who wants to read constants
    """
    machine = Machine(data, start, len(data) if end is None else end, tell, raw)
    if begun is not None:
        begun(machine)
    behind = start
    try:
        for _ in range(STEPS // ROUND):
            _round(machine)
            if machine.pos - behind >= FORGOTTEN_BYTES:
                forget(data, behind, machine.pos)
                behind = machine.pos
            if len(machine.memo) >= MANY and type(machine.memo) is dict:
                machine.memo = Memo(machine.memo, asked_slots(data, machine.pos, machine.end))
    except Stopped:
        return End(machine.pos), machine
    except Broken as reason:
        return End(machine.pos, str(reason), spent=str(reason).startswith(CUT)), machine
    return End(machine.pos, f"more than {STEPS} opcodes", spent=True), machine


def _round(machine: Machine) -> None:
    """A good number of opcodes."""
    data, last, table = machine.data, machine.end, OPCODES
    for _ in range(ROUND):
        pos = machine.pos
        if pos >= machine.frame_end:
            _leave_frame(machine)
        if pos >= last:
            raise Broken("the data ends without STOP")
        opcode = data[pos]
        handler = table[opcode]
        if handler is None:
            raise Broken(f"there is no opcode {opcode:#04x}")
        machine.pos = pos + 1
        handler(machine)


def _leave_frame(machine: Machine) -> None:
    """A frame is over; where an opcode stood across its end, the same bytes are two programs."""
    if machine.pos > machine.frame_end:
        machine.tell(Oddity("an opcode stands across the end of its frame", machine.frame_end))
    machine.frame_end = ENDLESS
