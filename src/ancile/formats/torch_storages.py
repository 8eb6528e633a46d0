"""Storages that a torch archive asks for: torch/serialization.py, ``persistent_load`` of ``_load``.

Each persistent id is ``("storage", type, key, location, items)``; its bytes are the member ``data/<key>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ancile.formats.held import Held
from ancile.formats.pickle_machine import Call, Event, Machine
from ancile.formats.pickle_values import Box, Made, Name, Value
from ancile.formats.pickle_walk import walk

STORAGE_BYTES = {  # of one item, by the name of the class
    **dict.fromkeys(("Byte", "Char", "Bool", "Untyped", "QInt8", "QUInt8", "QUInt4x2", "QUInt2x4"), 1),
    **dict.fromkeys(("Half", "BFloat16", "Short"), 2),
    **dict.fromkeys(("Float", "Int", "QInt32"), 4),
    **dict.fromkeys(("Double", "Long", "ComplexFloat"), 8),
    "ComplexDouble": 16,
}
KINDS = {"Double": "f64", "Float": "f32", "Half": "f16", "BFloat16": "bf16", "Char": "i8", "QInt8": "i8"}
# Every member that torch.save and TorchScript write below their one folder
MEMBERS = re.compile(
    r"(data\.pkl|constants\.pkl|version|byteorder|\.format_version|\.storage_alignment|\.data/.*|data/.*|code/.*)"
)


# torch/_utils.py: functions whose first arguments are storage, offset, size and stride, in items
REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_qtensor")


class Storage(NamedTuple):
    """What a pickle asks for; ``size_bytes`` is None where its type is not known.

    kind        of its numbers as in ``extents.Numbers``
    dead_bytes  that no tensor of the pickle reaches
    """

    key: str
    size_bytes: int | None
    offset: int
    kind: str
    dead_bytes: int = 0


class _Asked(NamedTuple):
    """A storage, the bytes of an item, and the items that tensors reach, from and to; None where all are."""

    storage: Storage
    item_bytes: int
    reached: list[tuple[int, int] | None]


class Asking:
    """Notes the storages that a walk comes by: told its machine, its events, and whether it came to its end.

    storages  by key, once it has ended; None where it broke off
    """

    def __init__(self) -> None:
        self.is_done = False
        self.storages: dict[str, Storage] | None = None
        self._machine: Machine | None = None
        self._found: dict[str, _Asked] = {}
        self._by_call: dict[Made, _Asked] = {}

    def begun(self, machine: Machine) -> None:
        """Take the machine that reads constants."""
        self._machine = machine

    def tell(self, event: Event) -> None:
        """Take an event."""
        if type(event) is not Call or self._machine is None:
            return
        made = event.made
        if made.opcode == "BINPERSID":
            one = _storage(self._machine, made)
            if one is not None:
                self._by_call[made] = self._found.setdefault(one.storage.key, one)
        elif type(made.args) is Box:
            self._reach(self._machine, made, made.args.items)

    def ended(self, *, broken: bool) -> None:
        """The walk is over."""
        self.is_done = True
        if not broken:
            self.storages = {
                key: one.storage._replace(dead_bytes=_dead_bytes(one)) for key, one in self._found.items()
            }
        self._found, self._by_call, self._machine = {}, {}, None

    def take(self, storages: dict[str, Storage] | None) -> None:
        """Take what another walk of the same bytes noted."""
        self.is_done, self.storages = True, storages

    def _reach(self, machine: Machine, made: Made, items: Sequence[Value]) -> None:
        """Note what a call that is given a storage reaches of it: all, but by a tensor of a known form."""
        for one in items:
            asked = self._by_call.get(one) if type(one) is Made else None
            if asked is not None:
                is_tensor = type(made.callee) is Name and made.callee.path in REBUILD and one is items[0]
                asked.reached.append(_span(machine, items[1:4]) if is_tensor else None)


def asked_storages(data: Held) -> dict[str, Storage] | None:
    """The storages that the first pickle in ``data`` asks for; None where it does not come to its end."""
    asking = Asking()
    end, _ = walk(data, 0, asking.tell, begun=asking.begun)
    asking.ended(broken=bool(end.why))
    return asking.storages


def _storage(machine: Machine, made: Made) -> _Asked | None:
    args = made.args
    if type(args) is not Box or len(args.items) < 5 or machine.text(args.items[0]) != "storage":
        return None
    kind, key, location = args.items[1], machine.text(args.items[2]), machine.text(args.items[3])
    count = machine.number(args.items[4])
    if key is None or location == "meta" or count is None:
        return None
    name = kind.path.removesuffix("Storage") if type(kind) is Name else ""
    item = STORAGE_BYTES.get(name)
    size = None if item is None else item * count
    return _Asked(Storage(key, size, made.offset, KINDS.get(name, "")), item or 0, [])


def _span(machine: Machine, items: Sequence[Value]) -> tuple[int, int] | None:
    """The first item of a tensor and the one behind its last: ``offset + sum((size - 1) * stride)``."""
    if len(items) < 3:
        return None
    offset, sizes, strides = (
        machine.number(items[0]),
        _numbers(machine, items[1]),
        _numbers(machine, items[2]),
    )
    if offset is None or sizes is None or strides is None or len(sizes) != len(strides):
        return None
    if 0 in sizes:
        return offset, offset
    steps = sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    return offset, offset + steps + 1


def _numbers(machine: Machine, value: Value) -> list[int] | None:
    if type(value) is not Box or not value.whole:
        return None
    found = [machine.number(one) for one in value.items]
    return [one for one in found if one is not None] if None not in found else None


def _dead_bytes(one: _Asked) -> int:
    """Bytes outside all that is reached."""
    if one.storage.size_bytes is None or None in one.reached:
        return 0
    covered = pos = 0
    for start, stop in sorted(span for span in one.reached if span is not None):
        covered += max(0, stop - max(start, pos))
        pos = max(pos, stop)
    return max(0, one.storage.size_bytes - covered * one.item_bytes)


def layout_faults(
    members: dict[str, int], asked: Mapping[str, Storage] | None, *, has_pickle: bool
) -> list[str]:
    """What is wrong with the members of a torch archive.

    members     names, and the bytes that each holds
    asked       the storages that its ``data.pkl`` asks for, by key; None where it does not come to its end
    has_pickle  whether there is a ``data.pkl``
    """
    folder = next(iter(members), "").partition("/")[0] + "/"
    inner = {name.removeprefix(folder): size for name, size in members.items()}
    if not has_pickle:
        is_torch = "version" in inner and all(MEMBERS.fullmatch(name) for name in inner)
        return ["there is no data.pkl"] if is_torch else []
    if asked is None:
        return []
    faults = []
    for one in asked.values():
        held = inner.pop(f"data/{one.key}", None)
        if held is None:
            faults.append(f"storage {one.key!r} is not there")
        elif one.size_bytes is not None and held != one.size_bytes:
            faults.append(f"storage {one.key!r} holds {held} bytes, {one.size_bytes} are asked for")
    unused = [name for name in inner if re.fullmatch(r"data/\d+", name)]
    return [*faults, *(f"nothing asks for {name}" for name in unused)]
