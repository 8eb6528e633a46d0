"""Storages that a torch archive asks for: torch/serialization.py, ``persistent_load`` of ``_load``.

Each persistent id is ``("storage", type, key, location, items)``; its bytes are the member ``data/<key>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ancile.formats.held import Held
from ancile.formats.pickle_machine import Call, Event, Machine
from ancile.formats.pickle_values import Box, Name
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


class Storage(NamedTuple):
    """What a pickle asks for; ``size_bytes`` is None where its type is not known.

    kind  of its numbers as in ``extents.Numbers``
    """

    key: str
    size_bytes: int | None
    offset: int
    kind: str


def asked_storages(data: Held) -> list[Storage] | None:
    """The storages that the first pickle in ``data`` asks for; None where it does not come to its end."""
    found: dict[str, Storage] = {}
    machines: list[Machine] = []

    def tell(event: Event) -> None:
        if type(event) is Call and event.made.opcode == "BINPERSID":
            one = _storage(machines[0], event)
            if one is not None:
                found.setdefault(one.key, one)

    end, _ = walk(data, 0, tell, begun=machines.append)
    return None if end.why else list(found.values())


def _storage(machine: Machine, event: Call) -> Storage | None:
    args = event.made.args
    if type(args) is not Box or len(args.items) < 5 or machine.text(args.items[0]) != "storage":
        return None
    kind, key, location = args.items[1], machine.text(args.items[2]), machine.text(args.items[3])
    count = machine.number(args.items[4])
    if key is None or location == "meta" or count is None:
        return None
    name = kind.path.removesuffix("Storage") if type(kind) is Name else ""
    item = STORAGE_BYTES.get(name)
    return Storage(key, None if item is None else item * count, event.made.offset, KINDS.get(name, ""))


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
