"""Files of safetensors: huggingface/safetensors, README section "Format" and ``SafeTensors::deserialize``.

Eight bytes of length, a JSON header of that length, then the tensors without a hole.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import NamedTuple

from ancile.formats.extents import SHOWN, Extent, FaultKind, LayoutFault, Numbers, lay_out
from ancile.formats.held import Held

LENGTH_BYTES = 8
HEADER_BYTES = 100_000_000  # the reference reader's own limit
READ_BYTES = 64 << 20  # of a header that is taken apart here
METADATA = "__metadata__"
BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
KEY = re.compile(rb"\s*(?:\}|\"[^\x00-\x1f]+\"\s*:)")
ITEM_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
KINDS = {"F64": "f64", "F32": "f32", "F16": "f16", "BF16": "bf16", "I8": "i8"}


class SafetensorsFacts(NamedTuple):
    """What the header says.

    strings  of the metadata, with their keys
    gaps     bytes that belong to no tensor
    start    of the tensors, 0 where the header cannot be read
    tensors  those that lie within the file
    """

    faults: tuple[LayoutFault, ...]
    strings: tuple[tuple[str, str], ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    start: int = 0
    tensors: tuple[Numbers, ...] = ()


class _Header(list[tuple[str, object]]):
    """A JSON object as its pairs, so that what stands twice is seen."""


def is_safetensors(head: bytes) -> bool:
    """Whether the first bytes are those of such a file: a length that is no text, then JSON, sound or not."""
    begin = BEGIN.match(head, LENGTH_BYTES)
    if begin is None or b"\0" not in head[:LENGTH_BYTES]:
        return False
    return head[5:LENGTH_BYTES] == bytes(3) or KEY.match(head, begin.end()) is not None


def is_whole(data: Held) -> bool:
    """Whether the header ends within the file as JSON does."""
    stop = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
    return stop <= len(data) and bytes(data[max(0, stop - 64) : stop]).rstrip().endswith(b"}")


def parse_safetensors(data: Held) -> SafetensorsFacts:
    """The facts of a file; whatever is wrong is among them, nothing is raised."""
    size = int.from_bytes(data[:LENGTH_BYTES], "little")
    start = LENGTH_BYTES + size
    if start > len(data):
        return _broken("unread", 0, f"a header of {size} bytes in a file of {len(data)}")
    if size > READ_BYTES:
        return _broken("unread" if size <= HEADER_BYTES else "damaged", 0, f"a header of {size} bytes")
    try:
        text = bytes(data[LENGTH_BYTES:start]).decode("utf-8")
        header = json.loads(text, object_pairs_hook=_Header)
    except (ValueError, RecursionError, MemoryError) as reason:
        return _broken("damaged", LENGTH_BYTES, f"the header is no JSON: {reason}")
    if not isinstance(header, _Header):
        return _broken("damaged", LENGTH_BYTES, "the header is no JSON object")
    return _facts(header, start, len(data))


def _broken(kind: FaultKind, offset: int, what: str) -> SafetensorsFacts:
    return SafetensorsFacts((LayoutFault(kind, offset, what),))


def _facts(header: _Header, start: int, end: int) -> SafetensorsFacts:
    faults = [LayoutFault("ambiguous", LENGTH_BYTES, f"{name!r} stands twice") for name in _twice(header)]
    strings: list[tuple[str, str]] = []
    tensors: list[Numbers] = []
    for name, told in header:
        wrong = _metadata(told, strings) if name == METADATA else _tensor(name, told, start, tensors)
        if wrong:
            faults.append(LayoutFault("damaged", LENGTH_BYTES, wrong))
        strings.append((name, name))
    layout = lay_out([Extent(one.name, one.start, one.stop) for one in tensors], start=start, end=end)
    within = tuple(one for one in tensors if one.start <= one.stop <= end)
    return SafetensorsFacts((*faults[:SHOWN], *layout.faults), tuple(strings), layout.gaps, start, within)


def _metadata(told: object, strings: list[tuple[str, str]]) -> str:
    if not isinstance(told, _Header):
        return "its metadata is no JSON object"
    for key, value in told:
        if not isinstance(value, str):
            return f"metadata {key!r} is no text"
        strings.append((key, value))
    twice = _twice(told)
    return f"metadata {twice[0]!r} stands twice" if twice else ""


def _tensor(name: str, told: object, start: int, tensors: list[Numbers]) -> str:
    if not isinstance(told, _Header) or sorted(key for key, _ in told) != ["data_offsets", "dtype", "shape"]:
        return f"tensor {name!r} is not described by dtype, shape and data_offsets alone"
    fields = dict(told)
    shape, offsets, dtype = fields["shape"], fields["data_offsets"], fields["dtype"]
    bits = ITEM_BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        return f"tensor {name!r} is of the unknown type {dtype!r}"
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_size(one) for one in offsets):
        return f"tensor {name!r} has no two offsets"
    kind = KINDS.get(dtype, "") if isinstance(dtype, str) else ""
    tensors.append(Numbers(repr(name), start + offsets[0], start + offsets[1], kind))
    if not isinstance(shape, list) or not all(_is_size(one) for one in shape):
        return f"tensor {name!r} has the shape {shape!r}"
    count = bits
    for one in shape:
        count *= one
    if count != 8 * (offsets[1] - offsets[0]) or count >= 1 << 67:
        return f"tensor {name!r} holds {offsets[1] - offsets[0]} bytes, its shape asks for {count / 8:g}"
    return ""


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 64


def _twice(header: _Header) -> list[str]:
    return [key for key, times in Counter(key for key, _ in header).items() if times > 1][:SHOWN]
