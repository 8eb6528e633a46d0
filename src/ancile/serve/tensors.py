"""Tensors of the Open Inference Protocol v2 as arrays, from JSON and from its binary extension, and back.

https://github.com/kserve/open-inference-protocol, "Tensor Data" and "Tensor Data Types"; Triton's
"Binary Tensor Data Extension": little-endian, row-major, without padding; BYTES elements each behind their
length in four bytes.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ancile.numeric import np
from ancile.serve.refusal import Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = {
    "BOOL": "|b1",
    **{f"UINT{8 * n}": f"<u{n}" for n in (1, 2, 4, 8)},
    **{f"INT{8 * n}": f"<i{n}" for n in (1, 2, 4, 8)},
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
BYTES = "BYTES"
TYPES = {name: np.dtype(code) for name, code in DTYPES.items()}
NAMES = {dtype: name for name, dtype in TYPES.items()}
MOST_AXES = 8  # images in batches of sequences have five
PLAIN = {"FP32": "f", "FP64": "d"}  # in the standard library's arrays
LENGTH = struct.Struct("<I")


def _decoder(element: type) -> msgspec.json.Decoder[list[object]]:
    """Reads lists of one kind of value, nested as deep as a shape may be.

    numpy alone would take what it finds: of one long string among numbers it makes an array of such strings.
    """
    nested: object = list[element]  # type: ignore[valid-type]  # built here, for each kind
    for _ in range(MOST_AXES - 1):
        nested = list[element | nested]  # type: ignore[valid-type]  # likewise
    return msgspec.json.Decoder(nested)


DECODERS = {
    "f": _decoder(float),
    "i": _decoder(int),
    "u": _decoder(int),
    "b": _decoder(bool),
    "t": _decoder(str),
}


class Tensor(NamedTuple):
    """A named array.

    array  of the datatype's dtype; for BYTES an object array of bytes
    """

    name: str
    datatype: str
    array: NDArray[np.generic]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.array.shape


def checked_shape(shape: list[int]) -> int:
    """Number of elements; every axis has at least one."""
    if not 0 < len(shape) <= MOST_AXES or min(shape) < 1:
        raise Refused(400, "a shape has one to eight axes of at least one element")
    return math.prod(shape)


def from_json(data: bytes | memoryview, datatype: str, shape: list[int]) -> NDArray[np.generic]:
    """The array of a JSON list, flat or nested as the shape says; no value changes its kind on the way.

    Integers are integers and fit, booleans are booleans; a number beyond FP32 becomes infinite, which is for
    a guard to refuse.
    """
    size = checked_shape(shape)
    kind = "t" if datatype == BYTES else _dtype(datatype).kind
    if datatype == "FP16":
        raise Refused(400, "FP16 has no JSON form: send binary data")
    try:
        values = DECODERS[kind].decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "the data is not of its datatype") from None
    if kind == "t":
        return _texts(values, shape).reshape(shape)
    floats = flat_floats(values, datatype, shape) if kind == "f" else None
    if floats is not None:
        return floats
    try:
        raw = np.array(values)
    except (ValueError, OverflowError):  # ragged, or nested too deep
        raw = np.array(None)
    if raw.size != size or (raw.ndim != 1 and raw.shape != tuple(shape)):
        raise Refused(400, "the data is not of its shape")
    dtype = _dtype(datatype)
    if kind in "iu":
        if raw.dtype.kind not in "iu":  # of numbers beyond 2^63 and below 0 together numpy makes doubles
            raw = np.array(values, dtype=object)
        _check_fits(raw, datatype)
    with np.errstate(over="ignore"):
        return raw.astype(dtype).reshape(shape)


def flat_floats(values: Sequence[object], datatype: str, shape: list[int]) -> NDArray[np.generic] | None:
    """The values in their precision, None where they are nested, no floats, or not as many as the shape has.

    Three times as fast as numpy, which first looks what kinds of values there are; and one beyond FP32
    becomes infinite without a warning.
    """
    code = PLAIN.get(datatype)
    if code is None or checked_shape(shape) != len(values):
        return None
    try:
        return np.ndarray(shape, TYPES[datatype], array(code, values))
    except TypeError:
        return None


def _check_fits(raw: NDArray[Any], datatype: str) -> None:
    bits = 8 * TYPES[datatype].itemsize
    low, high = (0, 2**bits - 1) if datatype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if int(raw.min()) < low or int(raw.max()) > high:
        raise Refused(400, "an integer does not fit its datatype")


def from_bytes(data: memoryview, datatype: str, shape: list[int]) -> NDArray[np.generic]:
    """The array of raw bytes, which are exactly as many as the shape asks for."""
    size = checked_shape(shape)
    if datatype == BYTES:
        return _pieces(data, size).reshape(shape)
    dtype = _dtype(datatype)
    if size * dtype.itemsize != len(data):
        raise Refused(400, "the binary data is not as long as its shape and datatype say")
    array = np.frombuffer(data, dtype).reshape(shape)
    if dtype.kind == "b" and array.view("u1").max() > 1:
        raise Refused(400, "a BOOL is 0 or 1")
    return array


def to_bytes(tensor: Tensor) -> bytes:
    """The raw form of a tensor."""
    if tensor.datatype == BYTES:
        return b"".join(LENGTH.pack(len(piece)) + piece for piece in tensor.array.ravel().tolist())
    return tensor.array.tobytes()


def to_list(tensor: Tensor) -> object:
    """What orjson writes as a flat JSON list: each number as short as its own precision has it."""
    if tensor.datatype == BYTES:
        try:
            return [piece.decode("utf-8") for piece in tensor.array.ravel().tolist()]
        except UnicodeDecodeError:
            raise Refused(502, "the answer's BYTES have no JSON form: ask for binary data") from None
    if tensor.datatype == "FP16":
        return tensor.array.ravel().astype("f4")
    return tensor.array.ravel()


def _dtype(datatype: str) -> np.dtype[np.generic]:
    dtype = TYPES.get(datatype)
    if dtype is None:
        raise Refused(400, "that datatype is not known here")
    return dtype


def _texts(values: list[object], shape: list[int]) -> NDArray[np.object_]:
    found = [len(values)]
    while values and isinstance(values[0], list):
        inner = [one for one in values if isinstance(one, list) and len(one) == len(values[0])]
        if len(inner) != len(values):
            raise Refused(400, "the data is not of its shape")
        found.append(len(inner[0]))
        values = [element for one in inner for element in one]
    texts = [one.encode("utf-8") for one in values if isinstance(one, str)]
    if len(texts) != len(values) or found not in (shape, [math.prod(shape)]):
        raise Refused(400, "the data is not of its shape")
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def _pieces(data: memoryview, size: int) -> NDArray[np.object_]:
    if len(data) < LENGTH.size * size:
        raise Refused(400, "the binary data is not as long as its shape and datatype say")
    array, at = np.empty(size, dtype=object), 0
    for place in range(size):
        if len(data) - at < LENGTH.size:
            raise Refused(400, "a BYTES element is cut off")
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        if len(data) - at < length:
            raise Refused(400, "a BYTES element is cut off")
        array[place] = bytes(data[at : at + length])
        at += length
    if at != len(data):
        raise Refused(400, "there are bytes behind the last BYTES element")
    return array
