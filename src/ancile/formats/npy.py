"""Arrays as NumPy saves them: numpy/lib/format.py, "Format Version 1.0" to "3.0".

The header is the text of a Python literal; it is parsed as one and never evaluated.
"""

from __future__ import annotations

import ast
import re
import struct
import warnings
from typing import NamedTuple

from ancile.formats.extents import FaultKind, LayoutFault, Numbers
from ancile.formats.held import Held

MAGIC = b"\x93NUMPY"
HEADER_BYTES = 1 << 16  # numpy itself stops at 10,000 unless told otherwise
BRACKETS = 200  # open ones in a header: one for each level of a nested type
ARRAYS = 10_000  # in a row in one file, as several calls of numpy.save leave them
DIMENSIONS = 64  # numpy's own limit
FIELDS = 10_000
RUNS = (ast.Call, ast.Attribute, ast.Lambda, ast.Subscript, ast.comprehension, ast.FormattedValue)
# As numpy writes it for a type with a code: nothing else is taken, so that it means what it says
PLAIN = re.compile(
    rb"\{'descr': '([<>|=][A-Za-z?]\d{0,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:0|[1-9]\d{0,17})(?:,|(?:, (?:0|[1-9]\d{0,17}))+)|)\), \} *\n?"
)
LONG = re.compile(rb"(\d)L\b")  # as Python 2 wrote a size
TYPE = re.compile(r"[<>=|]?([?bBhHiIuUlLqQpPefdgFDGSVOMmcat])(\d{0,9})(?:\[\w+\])?")
ITEM_BYTES = {  # of type codes without a size
    **dict.fromkeys("?bBc", 1), **dict.fromkeys("hHe", 2), **dict.fromkeys("fiIu", 4),
    **dict.fromkeys("lLqQpPdFMmO", 8), "g": 16, "D": 16, "G": 32,
}  # fmt: skip

KINDS = {"<f8": "f64", "<f4": "f32", "<f2": "f16", "|i1": "i8"}


class NpyFacts(NamedTuple):
    """What the headers of the arrays in a row say.

    program  a header that is more than a literal; empty where each is one
    objects  where the pickle of an array of objects begins; what follows is not read here
    numbers  the arrays of numbers
    stop     of the last array
    """

    faults: tuple[LayoutFault, ...]
    program: str = ""
    objects: int | None = None
    numbers: tuple[Numbers, ...] = ()
    stop: int = 0


class _Wrong(Exception):  # noqa: N818 - a fault of the file
    def __init__(self, kind: FaultKind, what: str) -> None:
        super().__init__(what)
        self.kind = kind


class _Program(Exception):  # noqa: N818 - a fault of the file
    """A header that is code."""


def is_npy(head: bytes) -> bool:
    """Whether the first bytes are those of a saved array."""
    return head.startswith(MAGIC)


def parse_npy(data: Held) -> NpyFacts:
    """The facts of all arrays in a row; whatever is wrong is among them, nothing is raised."""
    pos = 0
    numbers: list[Numbers] = []
    try:
        while data[pos : pos + len(MAGIC)] == MAGIC and len(numbers) < ARRAYS:
            header, start = _header(data, pos)
            size = _array_bytes(header)
            if size is None:
                return NpyFacts((), objects=start, numbers=tuple(numbers), stop=start)
            _require_held(size, len(data) - start)
            kind = KINDS.get(str(header["descr"]), "")
            numbers.append(Numbers("the array", start, start + size, kind))
            pos = start + size
    except _Wrong as wrong:
        return NpyFacts((LayoutFault(wrong.kind, pos, str(wrong)),), numbers=tuple(numbers), stop=pos)
    except _Program as program:
        return NpyFacts((), program=str(program), numbers=tuple(numbers), stop=pos)
    return NpyFacts((), numbers=tuple(numbers), stop=pos)


def _require_held(size: int, held: int) -> None:
    if size > held:
        raise _Wrong(
            "overrun" if size >= 1 << 62 else "unread",
            f"an array of {min(size, 1 << 80):g} bytes in {held}",
        )


def _header(data: Held, pos: int) -> tuple[dict[str, object], int]:
    """The header at ``pos`` and where its array begins."""
    major = data[pos + 6] if len(data) > pos + 6 else 0
    layout = {1: "<H", 2: "<I", 3: "<I"}.get(major)
    start = pos + 8 + (struct.calcsize(layout) if layout else 0)
    if layout is None or start > len(data):
        raise _Wrong("damaged", f"version {major} of the format is unknown")
    (size,) = struct.unpack_from(layout, data, pos + 8)
    if start + size > len(data):
        raise _Wrong("unread", f"a header of {size} bytes in a file of {len(data)}")
    if size > HEADER_BYTES:
        raise _Wrong("unread", f"a header of {size} bytes")
    return _literal(bytes(data[start : start + size]), major), start + size


def _literal(raw: bytes, major: int) -> dict[str, object]:
    if (plain := PLAIN.fullmatch(raw)) is not None:
        shape = tuple(int(size) for size in plain[3].split(b",") if size.strip())
        return {"descr": plain[1].decode(), "fortran_order": plain[2] == b"True", "shape": shape}
    if _depth(raw) > BRACKETS:
        raise _Wrong("damaged", "a header of too many brackets")
    try:
        text = LONG.sub(rb"\1", raw).decode("utf-8" if major >= 3 else "latin-1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as reason:
        raise _Wrong("damaged", f"the header is no literal: {reason}") from reason
    if any(isinstance(one, RUNS) for one in ast.walk(body)):
        raise _Program(text.strip()[:200])
    try:
        found = ast.literal_eval(body)
    except (ValueError, TypeError, RecursionError, MemoryError) as reason:
        raise _Wrong("damaged", f"the header is no literal: {reason}") from reason
    if not isinstance(body, ast.Dict) or not isinstance(found, dict):
        raise _Wrong("damaged", "the header is no dictionary")
    if len(found) != len(body.keys):
        raise _Wrong("ambiguous", "the header says the same thing twice")
    if set(found) != {"descr", "fortran_order", "shape"} or type(found["fortran_order"]) is not bool:
        raise _Wrong("damaged", "the header is not descr, fortran_order and shape")
    return found


def _depth(raw: bytes) -> int:
    """How many brackets are open at once."""
    now = most = 0
    for byte in raw:
        now += (byte in b"([{") - (byte in b")]}")
        most = max(most, now)
    return most


def _array_bytes(header: dict[str, object]) -> int | None:
    """How many bytes the array takes; None where its items are objects, or hold one."""
    shape = header["shape"]
    if not isinstance(shape, tuple) or len(shape) > DIMENSIONS:
        raise _Wrong("damaged", "the shape is no tuple of sizes")
    size = _item_bytes(header["descr"], [FIELDS])
    return None if size is None else size * _product(shape)


def _product(shape: tuple[object, ...]) -> int:
    count = 1
    for one in shape:
        if type(one) is not int or not 0 <= one < 1 << 63:
            raise _Wrong("damaged", f"the shape holds {one!r}")
        count *= one
    return count


def _item_bytes(descr: object, left: list[int]) -> int | None:
    """Bytes of one item of a type; None where it holds objects.

    left  fields that may still come
    """
    left[0] -= 1
    if left[0] < 0:
        raise _Wrong("unread", f"a type of more than {FIELDS} fields")
    if isinstance(descr, str):
        return _code_bytes(descr)
    if isinstance(descr, tuple) and len(descr) == 2:  # a type and its shape
        item = _item_bytes(descr[0], left)
        return None if item is None else item * _product(_as_shape(descr[1]))
    if not isinstance(descr, list):
        raise _Wrong("damaged", f"the type {descr!r} is unknown"[:200])
    total, holds_objects = 0, False
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in (2, 3):
            raise _Wrong("damaged", f"the field {field!r} is unknown"[:200])
        item = _item_bytes(field[1], left)
        holds_objects |= item is None
        total += (item or 0) * _product(_as_shape(field[2]) if len(field) == 3 else ())
    return None if holds_objects else total


def _as_shape(told: object) -> tuple[object, ...]:
    return told if isinstance(told, tuple) else (told,)


def _code_bytes(code: str) -> int | None:
    if code in ("O", "object"):
        return None
    found = TYPE.fullmatch(code)
    if found is None:
        raise _Wrong("unread", f"the type {code!r} is unknown"[:200])
    kind, size = found[1], found[2]
    if kind == "O":
        return None
    item = int(size) if size else ITEM_BYTES.get(kind, 0)
    return 4 * item if kind == "U" else item
