"""What stands on the stack of a pickle machine that runs nothing: constants, containers, names, calls.

A constant is the offset of the opcode that pushes it, a plain int, and is read again only where somebody
asks: a file of millions of numbers then costs a few bytes each.
"""

from __future__ import annotations

from typing import Final

import msgspec

KEPT = 64  # items of a container that are remembered; names and shapes have few
TALLEST = 1 << 62  # a weight is not counted beyond


class Run(msgspec.Struct, eq=False):
    """Constants of fixed lengths in a row, from ``start`` up to ``end``, not counted yet."""

    start: int
    end: int


class Name(msgspec.Struct, eq=False):
    """What a lookup gives: a module and a path in it, after the renaming from Python 2.

    offset  of the opcode
    """

    module: str
    path: str
    offset: int


class Box(msgspec.Struct, eq=False):
    """A list, tuple, dict, set or frozenset that the pickle itself makes.

    items   its first ``KEPT`` ones, a dict's keys and values by turns
    whole   whether ``items`` are all
    weight  how many objects it holds all in all, one that is held twice counted twice
    depth   containers within containers
    """

    kind: str
    items: list[Value] = msgspec.field(default_factory=list)
    whole: bool = True
    weight: int = 1
    depth: int = 1

    def take(self, values: list[Value]) -> None:
        """Put values into it."""
        held, count = len(self.items), len(values)
        if held + count <= KEPT:
            self.items += values
        else:
            self.items += values[: KEPT - held]
            self.whole = False
        weight = self.weight + count
        for one in values:
            if type(one) is Box:
                weight += one.weight - 1
                if one.depth >= self.depth:
                    self.depth = one.depth + 1
        self.weight = min(TALLEST, weight)


def box_of(kind: str, values: list[Value]) -> Box:
    """A container that holds these from the first; the list is its own then."""
    if len(values) > KEPT:
        box = Box(kind)
        box.take(values)
        return box
    weight, depth = 1 + len(values), 1
    for one in values:
        if type(one) is Box:
            weight += one.weight - 1
            if one.depth >= depth:
                depth = one.depth + 1
    return Box(kind, values, weight=min(TALLEST, weight), depth=depth)


class Made(msgspec.Struct, eq=False):
    """What a call gives, whatever that is.

    opcode  that calls: REDUCE, NEWOBJ, NEWOBJ_EX, INST, OBJ or BINPERSID, PERSID
    callee  what is called; a persistent id is its own
    args    what it is called with
    state   what the last BUILD on it was given
    builds  how many there were
    """

    opcode: str
    callee: Value
    args: Value
    offset: int
    state: Value | None = None
    builds: int = 0


class Unknown(msgspec.Struct, eq=False):
    """Something that nobody can know without running it.

    why  in words
    """

    why: str


Value = int | Run | Name | Box | Made | Unknown

CONTAINERS: Final = frozenset({"list", "tuple", "dict", "set", "frozenset"})
