"""What each opcode does to the machine: one function an opcode, in the order of ``_pickle.c``."""

from __future__ import annotations

from typing import Final

from ancile.formats.pickle_calls import CALLS, Handler, is_plain
from ancile.formats.pickle_constants import FIXED, LINES, SIZED, Broken, check, line_end
from ancile.formats.pickle_machine import (
    ENDLESS,
    FEW,
    MEMOIZE,
    SHORT_TEXT,
    TEXT,
    Change,
    Machine,
    Oddity,
    Stopped,
)  # fmt: skip
from ancile.formats.pickle_memo import SLOTS
from ancile.formats.pickle_values import Box, Run, Value

HIGHEST = 5  # protocol
NOT_FIXED = -1
WIDTHS: Final = [FIXED.get(opcode, NOT_FIXED) for opcode in range(256)]
LONGEST_PLAIN = 4096  # bytes of a text that are looked at in passing

# Flow


def _proto(m: Machine) -> None:
    if (protocol := m.argument(1)) > HIGHEST:
        raise Broken(f"protocol {protocol} is unknown")
    m.protocol = protocol


def _frame(m: Machine) -> None:
    size = m.argument(8)
    if m.frame_end != ENDLESS:
        m.tell(Oddity("a frame begins within a frame", m.pos - 9))
    if size >= ENDLESS:
        raise Broken("a frame has a negative length")
    if m.pos + size > m.end:
        m.tell(Oddity("a frame is longer than the data", m.pos - 9))
    m.frame_end = m.pos + size


def _stop(m: Machine) -> None:
    m.pop()
    raise Stopped


def _mark(m: Machine) -> None:
    m.fence = len(m.stack)
    m.marks.append(m.fence)


def _pop(m: Machine) -> None:
    if len(m.stack) == m.fence and m.marks:
        m.above_mark()
    else:
        m.pop()


def _pop_mark(m: Machine) -> None:
    m.above_mark()


def _dup(m: Machine) -> None:
    m.stack.append(m.top())


# Memo


def _remember(m: Machine, slot: int) -> None:
    top = m.top()
    if slot >= SLOTS:
        m.tell(Oddity("a memo slot far beyond those in use", m.pos))
        if len(m.memo) >= SLOTS:
            raise Broken("the memo is full")
    m.memo[slot] = top


def _memoize(m: Machine) -> None:
    _put_top(m, len(m.memo))


def _binput(m: Machine) -> None:
    start = m.pos
    if start >= m.end:
        raise Broken("the data ends within an opcode")
    m.pos = start + 1
    _put_top(m, m.data[start])


def _put_top(m: Machine, slot: int) -> None:
    """As ``_remember``, which most opcodes of a checkpoint are, with no call where all is as usual."""
    stack = m.stack
    if len(stack) > m.fence and type(stack[-1]) is not Run and slot < SLOTS:
        m.memo[slot] = stack[-1]
    else:
        _remember(m, slot)


def _slot_of_line(m: Machine) -> int:
    stop = line_end(m.data, m.pos, m.end)
    text = bytes(m.data[m.pos : min(stop, m.pos + 40)])
    m.pos = stop + 1
    try:
        slot = int(text, 10)
    except ValueError as reason:
        raise Broken("a memo slot is no number") from reason
    if slot < 0:
        raise Broken("a memo slot is negative")
    return slot


def _recall(m: Machine, slot: int) -> None:
    if slot not in m.memo:
        raise Broken("nothing is in that memo slot")
    m.stack.append(m.memo[slot])


def _binget(m: Machine) -> None:
    start = m.pos
    if start >= m.end:
        raise Broken("the data ends within an opcode")
    m.pos = start + 1
    slot = m.data[start]
    if slot not in m.memo:
        raise Broken("nothing is in that memo slot")
    m.stack.append(m.memo[slot])


# Constants; others than these are pushed by the machine


def _fixed(width: int) -> Handler:
    """Pushes a constant and the few that follow it; of many the machine takes whole runs."""

    def push(m: Machine) -> None:
        data, start, stop = m.data, m.pos - 1, m.pos + width
        if stop > m.end:
            raise Broken("the data ends within an opcode")
        m.stack.append(start)
        end = m.end
        if stop >= end or WIDTHS[data[stop]] == NOT_FIXED:
            m.pos = stop
            return
        end = min(m.frame_end, end)
        for _ in range(FEW):
            more = WIDTHS[data[stop]] if stop < end else NOT_FIXED
            if more == NOT_FIXED or stop + more >= m.end:
                m.pos = stop
                return
            m.stack.append(stop)
            stop += 1 + more
        m.pos = stop
        if stop < end and WIDTHS[data[stop]] != NOT_FIXED:
            m.pos += 1
            m.push_constant()

    return push


def _text(m: Machine) -> None:
    """BINUNICODE, and the BINPUT that nearly always follows it."""
    data, start, body, end = m.data, m.pos - 1, m.pos + 4, m.end
    if body > end:
        raise Broken("the data ends within an opcode")
    stop = body + int.from_bytes(data[m.pos : body], "little")
    if stop > end:
        raise Broken("the data ends within an opcode")
    if stop - body > LONGEST_PLAIN or not data[body:stop].isascii():
        check(data, start, stop)
    m.stack.append(start)
    m.pos = stop
    m.put_next(start)


def _short_text(m: Machine) -> None:
    """SHORT_BINUNICODE, and the MEMOIZE that nearly always follows it."""
    data, start, end = m.data, m.pos - 1, m.end
    if start + 2 > end:
        raise Broken("the data ends within an opcode")
    stop = start + 2 + data[start + 1]
    if stop > end:
        raise Broken("the data ends within an opcode")
    if not data[start + 2 : stop].isascii():
        check(data, start, stop)
    m.stack.append(start)
    if stop < end and data[stop] == MEMOIZE and stop < m.frame_end and len(m.memo) < SLOTS:
        m.memo[len(m.memo)] = start
        stop += 1
    m.pos = stop


# Containers


def _is_list(one: Value) -> bool:
    return type(one) is Box and one.kind == "list"


def _tuple_of(count: int) -> Handler:
    def push(m: Machine) -> None:
        start = len(m.stack) - count
        values = m.stack[start:]
        if start >= m.fence and Run not in map(type, values):
            del m.stack[start:]
        else:
            values = [m.pop() for _ in range(count)][::-1]
        m.put_next(m.boxed("tuple", values))

    return push


def _from_mark(kind: str) -> Handler:
    def push(m: Machine) -> None:
        values = m.above_mark()
        if kind == "dict" and m.is_odd(values):
            raise Broken("a dict has a key without a value")
        m.put_next(m.boxed(kind, values))

    return push


def _empty(kind: str) -> Handler:
    def push(m: Machine) -> None:
        box = Box(kind)
        m.stack.append(box)
        m.put_next(box)

    return push


def _put(m: Machine, opcode: str, values: list[Value], kinds: tuple[str, ...]) -> None:
    """Items go into what is now the top."""
    target = m.top()
    if not values:
        return
    if type(target) is Box and target.kind in kinds:
        m.fill(target, values)
        return
    if is_plain(target) and not (opcode.startswith("SET") and _is_list(target)):
        raise Broken("items are put into what takes none")
    given = Box("list")
    m.fill(given, values)
    m.tell(Change(opcode, target, given, m.pos - 1))


def _append(m: Machine) -> None:
    _put(m, "APPEND", [m.pop()], ("list",))


def _appends(m: Machine) -> None:
    _put(m, "APPENDS", m.above_mark(), ("list",))


def _setitem(m: Machine) -> None:
    last, key = m.pop(), m.pop()
    _put(m, "SETITEM", [key, last], ("dict",))


def _setitems(m: Machine) -> None:
    values = m.above_mark()
    if m.is_odd(values):
        raise Broken("a dict has a key without a value")
    _put(m, "SETITEMS", values, ("dict",))


def _additems(m: Machine) -> None:
    _put(m, "ADDITEMS", m.above_mark(), ("set",))


def _table() -> list[Handler | None]:
    table: dict[int, Handler] = dict.fromkeys((*SIZED, *LINES), Machine.push_constant)
    table |= {opcode: _fixed(width) for opcode, width in FIXED.items()}
    table[SHORT_TEXT] = _short_text
    table[TEXT] = _text
    table |= {
        ord("."): _stop, ord("("): _mark, ord("0"): _pop, ord("1"): _pop_mark, ord("2"): _dup,
        0x80: _proto, 0x95: _frame,
        ord("p"): lambda m: _remember(m, _slot_of_line(m)),
        ord("q"): _binput,
        ord("r"): lambda m: _remember(m, m.argument(4)),
        0x94: _memoize,
        ord("g"): lambda m: _recall(m, _slot_of_line(m)),
        ord("h"): _binget,
        ord("j"): lambda m: _recall(m, m.argument(4)),
        ord(")"): _empty("tuple"), ord("t"): _from_mark("tuple"),
        0x85: _tuple_of(1), 0x86: _tuple_of(2), 0x87: _tuple_of(3),
        ord("]"): _empty("list"), ord("l"): _from_mark("list"), ord("a"): _append, ord("e"): _appends,
        ord("}"): _empty("dict"), ord("d"): _from_mark("dict"), ord("s"): _setitem, ord("u"): _setitems,
        0x8F: _empty("set"), 0x90: _additems, 0x91: _from_mark("frozenset"),
    }  # fmt: skip
    table |= CALLS
    return [table.get(code) for code in range(256)]


OPCODES: Final[list[Handler | None]] = _table()
