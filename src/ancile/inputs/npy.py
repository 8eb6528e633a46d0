"""Arrays in the npy format, version 1 and 2: numpy.lib.format, "Format Version 1.0".

The header is a Python literal. It is matched, not evaluated: numpy writes it in one shape only, and an
evaluator warns, recurses and accepts more than any writer makes.
"""

from __future__ import annotations

import math
import re

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import NDArray, np

MAGIC = b"\x93NUMPY"
HEADER_BYTES = 1 << 16  # numpy itself stops at 10,000
AXES = 8  # samples, channels, depth, height, width and three to spare
HEADER = re.compile(
    r"\{\s*'descr'\s*:\s*'(?P<descr>[<>|=]?[A-Za-z]\d{0,9})'\s*,"
    r"\s*'fortran_order'\s*:\s*(?P<fortran>True|False)\s*,"
    r"\s*'shape'\s*:\s*\((?P<shape>[0-9L, ]*)\)\s*,?\s*\}\s*"
)
LAST_CODE_POINT = 0x10FFFF  # beyond, numpy's conversion to text ends in a SystemError
AXIS = re.compile(r"\d{1,18}")
READ = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|U\d{1,9})")

Array = NDArray[np.generic]


def read_array(content: memoryview, *, name: str) -> Array:
    """The array in ``content``, numbers, booleans or unicode text, read-only over the same memory.

    The stated shape is compared with the bytes that are there before anything is made; arrays of Python
    objects, which are pickles, are refused.
    """
    header, start = _header(content, name)
    found = HEADER.fullmatch(header)
    if not found:
        raise _refused("header is not one that numpy writes for a plain array", name)
    descr = found["descr"]
    if descr.lstrip("<>|=").startswith("O"):
        raise AncileError(
            "array holds Python objects, which means a pickle",
            value=plain(name, 40),
            remedy="save it as numbers or text: numpy.savez(…, x=numpy.asarray(x, dtype='float32'))",
        )
    if not READ.fullmatch(descr):
        raise AncileError(
            "array is of a type that is not read",
            value=f"{plain(name, 40)}: {descr}",
            remedy="save it as booleans, integers, floats up to 64 bits or unicode text",
        )
    shape = _shape(found["shape"], name)
    kind = np.dtype(descr)
    wanted = math.prod(shape) * kind.itemsize
    if wanted != len(content) - start:
        raise _refused(
            f"shape {shape} of {descr} takes {wanted} bytes, {len(content) - start} are there", name
        )
    if not wanted:
        raise AncileError(
            "array is empty",
            value=f"{plain(name, 40)} of shape {shape}",
            remedy="give at least one sample of at least one value",
        )
    if (
        kind.kind == "U"
        and np.frombuffer(content[start:], dtype=f"{kind.byteorder}u4").max() > LAST_CODE_POINT
    ):
        raise _refused("text holds what is no unicode", name)
    flat: Array = np.frombuffer(content[start:], dtype=kind)
    return flat.reshape(shape, order="F" if found["fortran"] == "True" else "C")


def _header(content: memoryview, name: str) -> tuple[str, int]:
    """The header's text and where the numbers start."""
    if bytes(content[:6]) != MAGIC or len(content) < 12:
        raise _refused("not an npy array", name)
    major, minor = content[6], content[7]
    if (major, minor) not in ((1, 0), (2, 0)):
        raise _refused(f"npy version {major}.{minor} is for structured arrays, which are not read", name)
    width = 2 if major == 1 else 4
    start = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    if start > min(len(content), HEADER_BYTES):
        raise _refused("header is cut short", name)
    return bytes(content[8 + width : start]).decode("latin-1"), start


def _shape(text: str, name: str) -> tuple[int, ...]:
    axes = [part.strip().removesuffix("L") for part in text.split(",") if part.strip()]
    if len(axes) > AXES or not all(AXIS.fullmatch(axis) for axis in axes):
        raise _refused(f"shape ({text}) is none", name)
    return tuple(int(axis) for axis in axes)


def _refused(detail: str, name: str) -> AncileError:
    return AncileError(
        "array is damaged or of another kind",
        value=plain(f"{plain(name, 40)}: {detail}"),
        remedy="save it again with numpy.savez",
    )
