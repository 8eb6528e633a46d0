"""Arrays that joblib writes between the opcodes of a pickle: joblib 1.6, ``numpy_pickle.NumpyArrayWrapper``.

A BUILD on the wrapper is followed by the raw bytes of the array, with padding before them since joblib 1.1;
an array of objects is a whole pickle there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ancile.formats.pickle_constants import Broken
from ancile.formats.pickle_machine import Machine
from ancile.formats.pickle_values import Box, Made, Name, Value

WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
TYPE = re.compile(r"[<>=|]?([?bBhHiIuUlLqQpPefdgFDGSVOMmcat])(\d*)(\[.*\])?")
ITEM_BYTES = {  # of type codes without a size
    **dict.fromkeys("?bBc", 1), **dict.fromkeys("hHe", 2), **dict.fromkeys("fiI", 4),
    **dict.fromkeys("lLqQpPdFMmO", 8), "g": 16, "D": 16, "G": 32,
}  # fmt: skip
DIMENSIONS = 64  # numpy's own limit


class RawArray(NamedTuple):
    """What stands behind the BUILD of a wrapper."""

    content_bytes: int
    is_object: bool
    is_padded: bool


def raw_array(machine: Machine, made: Made) -> RawArray | None:
    """The array that follows, None where ``made`` is no wrapper; Broken where its size cannot be known."""
    callee = made.callee
    if type(callee) is not Name or (callee.module, callee.path) != WRAPPER or made.builds != 1:
        return None
    state = _state(machine, made.state)
    item_bytes = _item_bytes(machine, state.get("dtype"))
    count = 1
    for one in _shape(machine, state.get("shape")):
        count *= one
    return RawArray(
        content_bytes=count * (item_bytes or 0),
        is_object=item_bytes is None,
        is_padded=isinstance(machine.constant(state.get("numpy_array_alignment_bytes")), int),
    )


def array_end(machine: Machine, array: RawArray, pos: int) -> int:
    """Where the opcodes go on behind an array of raw bytes."""
    if array.is_padded:
        if pos >= machine.end:
            raise Broken("the data ends before an array")
        pos += 1 + machine.data[pos]
    if machine.end - pos < array.content_bytes:
        raise Broken("the data ends within an array")
    return pos + array.content_bytes


def _state(machine: Machine, state: Value | None) -> dict[str, Value]:
    if type(state) is not Box or state.kind != "dict":
        raise Broken("an array without a description")
    keys = (machine.text(key) for key in state.items[::2])
    return {key: one for key, one in zip(keys, state.items[1::2], strict=False) if key is not None}


def _shape(machine: Machine, shape: Value | None) -> list[int]:
    if type(shape) is not Box or not shape.whole or len(shape.items) > DIMENSIONS:
        raise Broken("an array without a shape")
    found = [machine.number(one) for one in shape.items]
    if any(one is None or one < 0 for one in found):
        raise Broken("an array with a strange shape")
    return [one for one in found if one is not None]


def _item_bytes(machine: Machine, dtype: Value | None) -> int | None:
    """Bytes of one item; None where an item is an object, or holds one."""
    if type(dtype) is not Made or type(dtype.args) is not Box or not dtype.args.items:
        raise Broken("an array without a type")
    found = TYPE.fullmatch(machine.text(dtype.args.items[0]) or "")
    if found is None:
        raise Broken("an array of a strange type")
    kind, size = found[1], found[2]
    if kind == "O" or _holds_objects(machine, dtype):
        return None
    item = int(size) if size else ITEM_BYTES.get(kind, 0)
    return 4 * item if kind == "U" else item


def _holds_objects(machine: Machine, dtype: Made) -> bool:
    """Whether the flags in the type's state say so: NPY_ITEM_HASOBJECT, and 8th in ``descr.__reduce__``."""
    state = dtype.state
    flags = state.items[7:8] if type(state) is Box else []
    number = machine.number(flags[0]) if flags else 0
    return bool((number or 0) & 1)
