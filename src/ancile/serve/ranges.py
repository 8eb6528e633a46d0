"""Ranges of several inputs, and of inputs that are no floats, from an archive with an array for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.inputs.members import check_sizes, members, unpack
from ancile.inputs.npy import read_array
from ancile.inputs.source import LIMIT_BYTES, read_once
from ancile.numeric import np
from ancile.serve.signature import Range, Signature, Spec, is_float
from ancile.serve.tensors import BYTES, TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLACK = 0.5  # of the span between lowest and highest value of the reference, on both sides
MOST_VALUES = 1000  # different texts; an input with more is no list of names
REMEDY = "save it as numpy.savez(FILE, NAME=…, …) with the names of the model's inputs"


def ranged(named: str, signature: Signature) -> Signature:
    """The signature with what the archive ``named`` says of each input's values."""
    found = arrays(named, signature)
    return signature._replace(inputs=tuple(with_range(one, found[one.name]) for one in signature.inputs))


def arrays(named: str, signature: Signature) -> dict[str, NDArray[Any]]:
    """The samples of each input in the archive ``named``."""
    if not named.endswith(".npz"):
        raise AncileError(
            "a model with several inputs, or with other than floats, has its reference in an .npz archive",
            value=plain(named),
            remedy=REMEDY,
        )
    data = read_once(Path(named)).data
    found = members(data)
    if missing := [one.name for one in signature.inputs if one.name not in found]:
        raise AncileError("the reference has no array for an input", value=plain(missing[0]), remedy=REMEDY)
    wanted = {one.name: found[one.name] for one in signature.inputs}
    check_sizes(wanted, limit_bytes=LIMIT_BYTES)
    return {name: read_array(unpack(data, member), name=name) for name, member in wanted.items()}


def with_range(spec: Spec, samples: NDArray[Any]) -> Spec:
    """The input with the range of its samples, (n, *shape): half of the span beyond, or the very texts."""
    kind = "U" if spec.datatype == BYTES else TYPES[spec.datatype].kind
    if (
        samples.dtype.kind not in {"f": "fiu", "i": "iu", "u": "iu", "b": "b", "U": "U"}[kind]
        or not samples.size
    ):
        raise AncileError(
            "an array of the reference is of another kind than its input",
            value=plain(f"{spec.name}: {samples.dtype}, the model takes {spec.datatype}"),
            remedy=REMEDY,
        )
    if kind == "b":
        return spec
    if kind == "U":
        values = frozenset(one.encode() for one in np.unique(samples).tolist())
        return spec._replace(values=values) if len(values) <= MOST_VALUES else spec
    if -1 in spec.shape[1:] or samples.shape[1:] != spec.shape[1:]:
        samples = samples.reshape(-1)[:, None]  # an axis of any length: one range for all elements
    return spec._replace(bounds=_bounds(samples, spec.datatype))


def _bounds(samples: NDArray[Any], datatype: str) -> Range:
    """Of each element, in the input's own datatype."""
    low, high = samples.min(axis=0).astype("f8"), samples.max(axis=0).astype("f8")
    span, dtype = SLACK * (high - low), TYPES[datatype]
    if is_float(datatype):
        return Range((low - span).astype(dtype), (high + span).astype(dtype))
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    # Doubles end at 2^53: beyond, the datatype's own end is as good a bound.
    inside = [
        [min(max(int(one), least), most) for one in np.ravel(side)]
        for side in (np.floor(low - span), np.ceil(high + span))
    ]
    lows, highs = (np.array(side, dtype).reshape(low.shape) for side in inside)
    return Range(lows, highs)
