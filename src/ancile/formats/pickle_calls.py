"""Opcodes that look something up, call it or change it, in the order of ``_pickle.c``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ancile.formats.pickle_constants import LONGEST_LINE, Broken
from ancile.formats.pickle_machine import ENDLESS, Call, Change, Lookup, Machine, Oddity
from ancile.formats.pickle_renames import renamed
from ancile.formats.pickle_values import Box, Made, Name, Unknown, Value

LONGEST_NAME = 4096  # that a finding carries; longer ones name nothing that exists

Handler = Callable[[Machine], None]


def is_plain(one: Value) -> bool:
    """Whether this is a constant or a container of the pickle's own: it can neither be called nor built."""
    return type(one) is int or type(one) is Box


def _raw_line(m: Machine) -> bytes:
    """Without its LF; the last line may have none and loses a byte then, as in the Python unpickler."""
    stop = m.data.find(b"\n", m.pos, min(m.end, m.pos + LONGEST_LINE))
    if stop < 0:
        if m.end - m.pos >= LONGEST_LINE:
            raise Broken("a line of text has no end")
        stop = max(m.pos, m.end - 1)
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
    name = _look_up(m, "GLOBAL", module, _line(m), start)
    m.stack.append(name)
    m.put_next(name)


def _stack_global(m: Machine) -> None:
    path, module = m.pop(), m.pop()
    said = m.text(module), m.text(path)
    if said[0] is not None and said[1] is not None:
        name = _look_up(m, "STACK_GLOBAL", said[0], said[1], m.pos - 1)
        m.stack.append(name)
        m.put_next(name)
        return
    if any(
        type(one) in (int, Box, Name) and text is None for one, text in zip((module, path), said, strict=True)
    ):
        raise Broken("a name is no text")
    m.tell(Oddity("a name is computed while loading", m.pos - 1))
    m.stack.append(Unknown("a name that is computed while loading"))


def _call(m: Machine, opcode: str, callee: Value, args: Value, start: int) -> None:
    if is_plain(callee):
        raise Broken("what is called is no function")
    made = Made(opcode, callee, args, start)
    m.tell(Call(made))
    m.stack.append(made)
    m.put_next(made)


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


CALLS: Final[dict[int, Handler]] = {
    ord("c"): _global_, 0x93: _stack_global,
    0x82: _extension(1), 0x83: _extension(2), 0x84: _extension(4),
    ord("R"): _reduce, 0x81: _newobj, 0x92: _newobj_ex, ord("i"): _inst, ord("o"): _obj,
    ord("b"): _build, ord("P"): _persid, ord("Q"): _binpersid,
    0x97: _next_buffer, 0x98: _readonly_buffer,
}  # fmt: skip
