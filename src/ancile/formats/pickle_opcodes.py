"""What each opcode does to the machine: one function an opcode, in the order of ``_pickle.c``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ancile.formats.pickle_constants import FIXED, LINES, LONGEST_LINE, SIZED, Broken, check, line_end
from ancile.formats.pickle_machine import (
    ENDLESS,
    SHORT_TEXT,
    Call,
    Change,
    Lookup,
    Machine,
    Oddity,
    Stopped,
)  # fmt: skip
from ancile.formats.pickle_memo import SLOTS
from ancile.formats.pickle_renames import renamed
from ancile.formats.pickle_values import Box, Made, Name, Run, Unknown, Value

HIGHEST = 5  # protocol
MEMOIZE = 0x94
LONGEST_NAME = 4096  # that a finding carries; longer ones name nothing that exists

Handler = Callable[[Machine], None]

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
    _put_top(m, m.argument(1))


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


# Constants; others than these are pushed by the machine


def _fixed(width: int) -> Handler:
    def push(m: Machine) -> None:
        start = m.pos - 1
        stop = m.pos + width
        if stop < m.end and m.data[stop] in FIXED:
            m.push_constant()  # perhaps one of many in a row
        elif stop > m.end:
            raise Broken("the data ends within an opcode")
        else:
            m.pos = stop
            m.stack.append(start)

    return push


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


def _is_plain(one: Value) -> bool:
    """Whether this is a constant or a container of the pickle's own: it can neither be called nor built."""
    return type(one) is int or type(one) is Box


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
        m.boxed("tuple", values)

    return push


def _from_mark(kind: str) -> Handler:
    def push(m: Machine) -> None:
        values = m.above_mark()
        if kind == "dict" and m.is_odd(values):
            raise Broken("a dict has a key without a value")
        m.boxed(kind, values)

    return push


def _empty(kind: str) -> Handler:
    return lambda m: m.stack.append(Box(kind))


def _put(m: Machine, opcode: str, values: list[Value], kinds: tuple[str, ...]) -> None:
    """Items go into what is now the top."""
    target = m.top()
    if not values:
        return
    if type(target) is Box and target.kind in kinds:
        m.fill(target, values)
        return
    if _is_plain(target) and not (opcode.startswith("SET") and _is_list(target)):
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


# Names and calls


def _raw_line(m: Machine) -> bytes:
    """Without its LF; the last line may have none and loses a byte then, as in the Python unpickler."""
    if m.data.find(b"\n", m.pos, min(m.end, m.pos + LONGEST_LINE)) < 0 and m.end - m.pos < LONGEST_LINE:
        stop = max(m.pos, m.end - 1)
    else:
        stop = line_end(m.data, m.pos, m.end)
    held = bytes(m.data[m.pos : stop])
    m.pos = min(stop + 1, m.end)
    return held


def _line(m: Machine) -> str:
    held = _raw_line(m)
    if not held:
        raise Broken("a name is empty")
    try:
        return held.decode("utf-8")
    except UnicodeDecodeError as reason:
        raise Broken("a name is not UTF-8") from reason


def _look_up(m: Machine, opcode: str, module: str, path: str, offset: int) -> Name:
    asked = (module[:LONGEST_NAME], path[:LONGEST_NAME])
    name = Name(*(renamed(*asked) if m.protocol < 3 else asked), offset)
    m.tell(Lookup(name, opcode, asked, m.protocol))
    return name


def _global_(m: Machine) -> None:
    start = m.pos - 1
    module = _line(m)
    m.stack.append(_look_up(m, "GLOBAL", module, _line(m), start))


def _stack_global(m: Machine) -> None:
    path, module = m.pop(), m.pop()
    said = m.text(module), m.text(path)
    if said[0] is not None and said[1] is not None:
        m.stack.append(_look_up(m, "STACK_GLOBAL", said[0], said[1], m.pos - 1))
        return
    if any(
        type(one) in (int, Box, Name) and text is None for one, text in zip((module, path), said, strict=True)
    ):
        raise Broken("a name is no text")
    m.tell(Oddity("a name is computed while loading", m.pos - 1))
    m.stack.append(Unknown("a name that is computed while loading"))


def _call(m: Machine, opcode: str, callee: Value, args: Value, start: int) -> None:
    if _is_plain(callee):
        raise Broken("what is called is no function")
    made = Made(opcode, callee, args, start)
    m.tell(Call(made))
    m.stack.append(made)


def _reduce(m: Machine) -> None:
    args = m.pop()
    _call(m, "REDUCE", m.pop(), args, m.pos - 1)


def _newobj(m: Machine) -> None:
    args = m.pop()
    _call(m, "NEWOBJ", m.pop(), args, m.pos - 1)


def _newobj_ex(m: Machine) -> None:
    keywords, args = m.pop(), m.pop()
    both = Box("tuple")
    both.take([args, keywords])
    _call(m, "NEWOBJ_EX", m.pop(), both, m.pos - 1)


def _inst(m: Machine) -> None:
    start = m.pos - 1
    module = _line(m)
    callee = _look_up(m, "INST", module, _line(m), start)
    values = m.above_mark()
    m.boxed("tuple", m.counted(values, spread=True))
    _call(m, "INST", callee, m.pop(), start)


def _obj(m: Machine) -> None:
    values = m.counted(m.above_mark(), spread=True)
    if not values:
        raise Broken("there is nothing to call")
    m.boxed("tuple", values[1:])
    _call(m, "OBJ", values[0], m.pop(), m.pos - 1)


def _build(m: Machine) -> None:
    state = m.pop()
    target = m.top()
    m.tell(Change("BUILD", target, state, m.pos - 1))
    if type(target) is Made:
        target.state, target.builds = state, target.builds + 1
        if m.raw is not None:
            before, m.pos = m.pos, m.raw(target, m.pos)
            if m.pos != before:
                m.frame_end = ENDLESS  # who writes there ends the frame before


def _persid(m: Machine) -> None:
    start = m.pos - 1
    _raw_line(m)
    _call(m, "PERSID", Unknown("a persistent id"), Box("tuple"), start)


def _binpersid(m: Machine) -> None:
    _call(m, "BINPERSID", Unknown("a persistent id"), m.pop(), m.pos - 1)


def _extension(width: int) -> Handler:
    def push(m: Machine) -> None:
        code = m.argument(width)
        if code == 0 or code >= 1 << 31:
            raise Broken("an extension code is not positive")
        m.tell(Oddity("a name is an extension code", m.pos - 1 - width))
        m.stack.append(Unknown("an extension code"))

    return push


def _next_buffer(m: Machine) -> None:
    m.tell(Oddity("data is expected from outside the file", m.pos - 1))
    m.stack.append(Unknown("a buffer from outside"))


def _readonly_buffer(m: Machine) -> None:
    m.top()


def _table() -> list[Handler | None]:
    table: dict[int, Handler] = dict.fromkeys((*SIZED, *LINES), Machine.push_constant)
    table |= {opcode: _fixed(width) for opcode, width in FIXED.items()}
    table[SHORT_TEXT] = _short_text
    table |= {
        ord("."): _stop, ord("("): _mark, ord("0"): _pop, ord("1"): _pop_mark, ord("2"): _dup,
        0x80: _proto, 0x95: _frame, 0x97: _next_buffer, 0x98: _readonly_buffer,
        ord("p"): lambda m: _remember(m, _slot_of_line(m)),
        ord("q"): _binput,
        ord("r"): lambda m: _remember(m, m.argument(4)),
        0x94: _memoize,
        ord("g"): lambda m: _recall(m, _slot_of_line(m)),
        ord("h"): lambda m: _recall(m, m.argument(1)),
        ord("j"): lambda m: _recall(m, m.argument(4)),
        ord(")"): _empty("tuple"), ord("t"): _from_mark("tuple"),
        0x85: _tuple_of(1), 0x86: _tuple_of(2), 0x87: _tuple_of(3),
        ord("]"): _empty("list"), ord("l"): _from_mark("list"), ord("a"): _append, ord("e"): _appends,
        ord("}"): _empty("dict"), ord("d"): _from_mark("dict"), ord("s"): _setitem, ord("u"): _setitems,
        0x8F: _empty("set"), 0x90: _additems, 0x91: _from_mark("frozenset"),
        ord("c"): _global_, 0x93: _stack_global,
        0x82: _extension(1), 0x83: _extension(2), 0x84: _extension(4),
        ord("R"): _reduce, 0x81: _newobj, 0x92: _newobj_ex, ord("i"): _inst, ord("o"): _obj,
        ord("b"): _build, ord("P"): _persid, ord("Q"): _binpersid,
    }  # fmt: skip
    return [table.get(code) for code in range(256)]


OPCODES: Final[list[Handler | None]] = _table()
