"""What the pickles in some bytes would do, sorted by what is wrong with it.

One pass: the machine tells, and each event is judged as it comes. Default deny: a name is harmless because a
list says so, never because no list says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from heapq import merge

from ancile.formats.held import Held, forget
from ancile.formats.joblib_arrays import array_end, raw_array
from ancile.formats.pickle_constants import Broken
from ancile.formats.pickle_machine import Event, Machine
from ancile.formats.pickle_values import Made
from ancile.formats.pickle_walk import End, walk
from ancile.formats.torch_storages import Asking
from ancile.scan.pickle_judge import Judge
from ancile.scan.wrong import Reading, Wrong

NESTED = 20  # pickles within arrays of pickles
HIDDEN = 1_000_000  # places in what is no pickle: random bytes have one in ten thousand
STREAMS = 100_000  # pickles in a row
DEEPEST = 5000  # containers within containers: CPython's own pickler stops long before
EXPANSION = 1000  # objects a byte that a pickle may unpack to
FEW = 1 << 24  # objects that are never too many
# Where a pickle could begin: a protocol, or a protocol-0 look-up
BEGIN = re.compile(rb"\x80[\x00-\x05]|[c(]i?[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n")
# The same for a search: a pattern that begins with one certain byte is looked for twenty times as fast.
# Behind it stands an opcode that does something to an empty stack: any other ends the unpickler there
FIRST_OPCODE = b"()]}NKMJGUTXVSBCILFcPi\x80\x82\x83\x84\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96\x97"
PROTOCOL = re.compile(rb"\x80[\x00-\x05](?=[" + re.escape(FIRST_OPCODE) + rb"])")
SECOND_LINE = re.compile(rb"\n(?=[A-Za-z_][\w.]*\n)")
FIRST_LINE = re.compile(rb"[c(]i?[A-Za-z_][\w.]*\Z")
WINDOW = 16 << 20
LONGEST_NAME = 4096  # of a module; longer ones name nothing that exists
PLAIN_BEGIN = b"]}(NKMJ\x8a"  # what a pickle without protocol may begin with, right behind another


def read_pickles(
    data: Held,
    *,
    start: int = 0,
    persistent: bool = False,
    nested: Callable[[bytes, int], None] | None = None,
    most: int = STREAMS,
    asking: Asking | None = None,
) -> Reading:
    """What all pickles in a row do, from ``start`` on, and what stands behind the last.

    nested  given bytes that a listed function unpickles, and their offset
    most    pickles that a loader takes one after the other; what stands behind them is numbers
    asking  told of the first one
    """
    reading = Reading()
    pos, read = start, 0
    while pos < len(data) and read < most:
        read += 1
        end = _read_one(data, pos, reading, persistent=persistent, nested=nested, asking=asking)
        asking = None
        if end.why:
            break
        pos = end.stop
        if pos < len(data) and not _plausible(data, pos):
            break
    reading.stop = pos
    _note_hidden(data, max(pos, start + 1), reading, persistent=persistent, nested=nested)
    return reading


def hidden_pickles(data: Held) -> Reading:
    """Pickles anywhere in bytes that are something else: only what one would call or look up is told."""
    reading = Reading()
    _note_hidden(data, 0, reading, persistent=True, nested=None)
    return reading


def may_hide(data: Held) -> bool:
    """Whether there is a place in some bytes where a pickle could begin."""
    return PROTOCOL.search(data) is not None or SECOND_LINE.search(data) is not None


def _note_hidden(
    data: Held,
    pos: int,
    reading: Reading,
    *,
    persistent: bool,
    nested: Callable[[bytes, int], None] | None,
) -> None:
    for number, hidden in enumerate(_hidden(data, pos)):
        if number == HIDDEN:
            reading.note(
                Wrong.UNREAD, hidden, f"more than {HIDDEN} places look like the beginning of a pickle"
            )
            return
        later = Reading()
        _read_one(data, hidden, later, persistent=persistent, nested=nested)
        for kind in (Wrong.UNLISTED_CALL, Wrong.UNLISTED_NAME):
            for place in later.wrong.get(kind, []):
                reading.note(kind, place.offset, f"in what is no pickle: {place.detail}")


def _plausible(data: Held, pos: int) -> bool:
    return BEGIN.match(data, pos) is not None or data[pos : pos + 1] in (
        b"]",
        b"}",
        b"(",
        b"N",
        b"K",
        b"M",
        b"J",
        b"\x8a",
    )


def _hidden(data: Held, pos: int) -> Iterator[int]:
    """Every place where BEGIN matches, from window to window, so that a map keeps but one in memory."""
    for start in range(pos, len(data), WINDOW):
        stop = start + WINDOW
        protocols = (found.start() for found in PROTOCOL.finditer(data, start, stop + 2))
        yield from merge(protocols, _lookups(data, pos, start, stop))
        forget(data, start, min(stop, len(data)))


def _lookups(data: Held, pos: int, start: int, stop: int) -> Iterator[int]:
    """Those whose first line ends between ``start`` and ``stop``; it begins at ``pos`` at the earliest."""
    for second in SECOND_LINE.finditer(data, start, stop + LONGEST_NAME):
        if second.start() >= stop:
            return
        start = max(pos, second.start() - LONGEST_NAME)
        first = FIRST_LINE.search(data[start : second.start()])
        if first is not None:
            yield start + first.start()


def _read_one(
    data: Held,
    pos: int,
    reading: Reading,
    *,
    persistent: bool,
    nested: Callable[[bytes, int], None] | None,
    depth: int = 0,
    asking: Asking | None = None,
) -> End:
    judge = Judge(reading, persistent, nested=nested)

    def begun(machine: Machine) -> None:
        judge.machine = machine
        if asking is not None:
            asking.begun(machine)

    def tell_both(event: Event) -> None:
        judge.tell(event)
        if asking is not None:
            asking.tell(event)

    def raw(made: Made, at: int) -> int:
        array = raw_array(judge.machine, made) if judge.machine else None
        if array is None or judge.machine is None:
            return at
        if not array.is_object:
            return array_end(judge.machine, array, at)
        if depth == NESTED:
            raise Broken("arrays of objects within each other")
        inner = _read_one(data, at, reading, persistent=persistent, nested=nested, depth=depth + 1)
        if inner.why:
            raise Broken(inner.why)
        return inner.stop

    reading.streams.append(pos)
    tell = judge.tell if asking is None else tell_both
    end, machine = walk(data, pos, tell, raw=raw, begun=begun)
    judge.finish()
    judge.machine = None  # they know each other, and would wait for the garbage collector
    if asking is not None:
        asking.ended(broken=bool(end.why))
    _note_end(reading, end, machine, start=pos)
    return end


def _note_end(reading: Reading, end: End, machine: Machine, *, start: int) -> None:
    """What is known of a pickle at its end alone: whether it is whole, and how much it unpacks to."""
    if end.spent:
        reading.note(Wrong.UNREAD, end.stop, end.why)
    elif end.why:
        reading.note(Wrong.DAMAGED, end.stop, end.why)
    if machine.deepest > DEEPEST:
        reading.note(Wrong.EXPANSION, start, f"{machine.deepest} containers within each other")
    if machine.heaviest > max(FEW, EXPANSION * (end.stop - start)):
        reading.note(Wrong.EXPANSION, start, "a container that holds the same over and over")
