"""The state of a pickle machine that runs nothing, and what it tells (``_pickle.c`` of CPython 3.13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from ancile.formats.held import Held
from ancile.formats.pickle_constants import FIXED, LONGEST_TEXT, ONE, RUN, SIZED, Broken, after, check, value
from ancile.formats.pickle_memo import SLOTS
from ancile.formats.pickle_values import Box, Made, Name, Run, Value, box_of

SHORT_RUN = 64  # bytes of a run that is not worth a place of its own
FEW = 16  # values that are looked at one by one
SHORT_TEXT: Final = 0x8C  # most texts; they were looked at when they were pushed
TEXT: Final = ord("X")
SMALL_NUMBER: Final = ord("K")
BINPUT: Final = ord("q")
MEMOIZE: Final = 0x94
ENDLESS: Final = 1 << 63


class Lookup(msgspec.Struct, frozen=True, eq=False):
    """A name is looked up.

    name    after the renaming from Python 2, where the protocol then asks for it
    opcode  GLOBAL, INST or STACK_GLOBAL
    asked   module and path as they stand in the pickle
    """

    name: Name
    opcode: str
    asked: tuple[str, str]
    protocol: int


class Call(msgspec.Struct, frozen=True, eq=False):
    """Something is called, or a class without its ``__init__``."""

    made: Made


class Change(msgspec.Struct, frozen=True, eq=False):
    """An object is changed: by BUILD, or by items put into what is no container of the pickle's own.

    given  the state, or a box of the items
    """

    opcode: str
    target: Value
    given: Value
    offset: int


class Oddity(msgspec.Struct, frozen=True, eq=False):
    """What no pickler writes."""

    what: str
    offset: int


Event = Lookup | Call | Change | Oddity


class Stopped(Exception):  # noqa: N818 - the ordinary end
    """STOP."""


class Machine(msgspec.Struct, eq=False):
    """A walk in progress.

    stack, fence, marks  as in ``_pickle.c``: nothing is popped below the fence
    memo                 slot to value; ``stored`` slots are taken
    raw                  asked after each BUILD on what a call made: how many bytes that follow are no opcodes
    """

    data: Held
    pos: int
    end: int
    tell: Callable[[Event], None]
    raw: Callable[[Made, int], int] | None = None
    stack: list[Value] = msgspec.field(default_factory=list)
    fence: int = 0
    marks: list[int] = msgspec.field(default_factory=list)
    memo: dict[int, Value] = msgspec.field(default_factory=dict)
    protocol: int = 0
    frame_end: int = ENDLESS
    heaviest: int = 0
    deepest: int = 0

    # The stack

    def pop(self) -> Value:
        """The top, off the stack."""
        stack = self.stack
        if len(stack) <= self.fence:
            raise Broken("the stack is empty")
        if type(stack[-1]) is Run:
            self.spread(len(stack) - 1)
        return stack.pop()

    def top(self) -> Value:
        """The top, which stays."""
        if len(self.stack) <= self.fence:
            raise Broken("the stack is empty")
        if type(self.stack[-1]) is Run:
            self.spread(len(self.stack) - 1)
        return self.stack[-1]

    def spread(self, place: int) -> None:
        """Put the constants of a run in its place."""
        run = self.stack[place]
        if type(run) is Run:
            self.stack[place : place + 1] = [m.start() for m in ONE.finditer(self.data, run.start, run.end)]

    def above_mark(self) -> list[Value]:
        """What stands above the last mark, off the stack with it."""
        if not self.marks:
            raise Broken("there is no mark")
        start = self.marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        self.fence = self.marks[-1] if self.marks else 0
        return found

    def text(self, one: Value) -> str | None:
        """The text that a constant means, None where it is none or no constant."""
        if type(one) is not int:
            return None
        data = self.data
        if data[one] == SHORT_TEXT:
            start = one + 2
            return data[start : start + data[one + 1]].decode("utf-8", "surrogatepass")
        if data[one] == TEXT and (size := int.from_bytes(data[one + 1 : one + 5], "little")) <= LONGEST_TEXT:
            return data[one + 5 : one + 5 + size].decode("utf-8", "surrogatepass")
        held = self.constant(one)
        return held if isinstance(held, str) else None

    def constant(self, one: Value | None) -> object:
        """What a constant means; None also for what is none."""
        if type(one) is int:
            return value(self.data, one, after(self.data, one, self.end))
        return None

    def number(self, one: Value | None) -> int | None:
        """The integer that a constant means; None where it is none."""
        if type(one) is int and self.data[one] == SMALL_NUMBER:
            return self.data[one + 1]
        held = self.constant(one)
        return held if isinstance(held, int) and not isinstance(held, bool) else None

    def constant_bytes(self, one: int) -> bytes | None:
        """The bytes that a constant holds, whole; None where it holds no bytes."""
        if self.data[one] not in SIZED or self.data[one] in b"\x8a\x8bX\x8c\x8d":
            return None
        width, stop = SIZED[self.data[one]], after(self.data, one, self.end)
        return bytes(self.data[one + 1 + width : stop])

    def boxed(self, kind: str, values: list[Value]) -> Box:
        """A container of its own with these items, pushed."""
        if Run in map(type, values):
            values = self.counted(values, spread=len(values) < FEW)
        box = box_of(kind, values)
        self.stack.append(box)
        self._weigh(box)
        return box

    def fill(self, box: Box, values: list[Value]) -> None:
        """Put items into a container of the pickle's own; of runs those that are remembered are spread."""
        if Run in map(type, values):
            values = self.counted(values, spread=len(values) < FEW)
        box.take(values)
        self._weigh(box)

    def _weigh(self, box: Box) -> None:
        if box.weight > self.heaviest:  # noqa: PLR1730 - max() takes three times as long
            self.heaviest = box.weight
        if box.depth > self.deepest:  # noqa: PLR1730 - likewise
            self.deepest = box.depth

    def counted(self, values: list[Value], *, spread: bool) -> list[Value]:
        """The values with their runs spread, where they are few."""
        if not spread or Run not in map(type, values):
            return values
        out: list[Value] = []
        for one in values:
            if type(one) is Run:
                out += [m.start() for m in ONE.finditer(self.data, one.start, one.end)]
            else:
                out.append(one)
        return out

    def is_odd(self, values: list[Value]) -> bool:
        """Whether their number is odd."""
        if Run not in map(type, values):
            return len(values) % 2 == 1
        runs = [one for one in values if type(one) is Run]
        held = sum(sum(1 for _ in ONE.finditer(self.data, one.start, one.end)) for one in runs)
        return bool((len(values) - len(runs) + held) % 2)

    def put_next(self, made: Value) -> None:
        """Take the BINPUT or MEMOIZE that nearly always follows what is pushed: ``made``, now the top."""
        pos, data = self.pos, self.data
        if pos + 1 >= self.end or pos >= self.frame_end:
            return
        if data[pos] == BINPUT:
            self.memo[data[pos + 1]] = made
            self.pos = pos + 2
        elif data[pos] == MEMOIZE and (slot := len(self.memo)) < SLOTS:
            self.memo[slot] = made
            self.pos = pos + 1

    # Arguments

    def argument(self, width: int) -> int:
        """An unsigned argument of so many bytes."""
        start = self.pos
        if start + width > self.end:
            raise Broken("the data ends within an opcode")
        self.pos = start + width
        if width == 1:
            return self.data[start]
        return int.from_bytes(self.data[start : self.pos], "little")

    def push_constant(self) -> None:
        """The constant whose opcode was just read, and those that follow it where many do."""
        start = self.pos - 1
        if self.data[start] in FIXED:
            found = RUN.match(self.data, start, min(self.end, self.frame_end))
            if found is not None:
                self.pos = found.end()
                if self.pos - start > SHORT_RUN:
                    self.stack.append(Run(start, self.pos))
                else:
                    self.stack += [one.start() for one in ONE.finditer(self.data, start, self.pos)]
                return
        self.pos = after(self.data, start, self.end)
        check(self.data, start, self.pos)
        self.stack.append(start)
        self.put_next(start)
