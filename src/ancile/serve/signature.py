"""What a model takes: names, datatypes and shapes of its inputs, and the range of values it was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.serve.tensors import TYPES, Tensor

if TYPE_CHECKING:
    from ancile.numeric import NDArray, np


FLOATS = frozenset(name for name, dtype in TYPES.items() if dtype.kind == "f")


class Range(NamedTuple):
    """Lowest and highest value of each element of a sample."""

    low: NDArray[np.number]
    high: NDArray[np.number]


class Spec(NamedTuple):
    """A tensor of the model: -1 stands for an axis of any length.

    bounds  of the values, where a reference set gave them
    values  that a text may have, likewise
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    bounds: Range | None = None
    values: frozenset[bytes] | None = None

    def document(self) -> dict[str, object]:
        """As metadata name it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


class Signature(NamedTuple):
    """A model's name, platform and tensors."""

    model: str
    platform: str
    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    version: str | None = None

    def document(self) -> dict[str, object]:
        """The metadata answer of the Open Inference Protocol v2."""
        return {
            "name": self.model,
            "versions": [] if self.version is None else [self.version],
            "platform": self.platform,
            "inputs": [one.document() for one in self.inputs],
            "outputs": [one.document() for one in self.outputs],
        }


def fits(tensor: Tensor, spec: Spec) -> bool:
    """Whether datatype and shape are those that the model takes."""
    shape = tensor.array.shape
    if tensor.datatype != spec.datatype or len(shape) != len(spec.shape):
        return False
    for wanted, given in zip(spec.shape, shape, strict=True):  # noqa: SIM110 - all() costs as much as the rest
        if wanted not in (-1, given):
            return False
    return True


def in_order(inputs: tuple[Tensor, ...], specs: tuple[Spec, ...]) -> tuple[Tensor, ...]:
    """The inputs as the model names them: in whatever order they come, they are the same request.

    Others than the model's are left as they are, for a guard to refuse.
    """
    if len(inputs) == 1 or len(inputs) != len(specs):
        return inputs
    found = {one.name: one for one in inputs}
    return tuple(found.get(spec.name, one) for one, spec in zip(inputs, specs, strict=True))


def rows_of(inputs: tuple[Tensor, ...], specs: tuple[Spec, ...]) -> int:
    """Samples of a request: as long as the longest of the inputs that take any number of them."""
    if len(inputs) == 1:
        return len(inputs[0].array)
    batched = {one.name for one in specs if one.shape and one.shape[0] == -1}
    return max((len(one.array) for one in inputs if one.name in batched), default=1)


def is_float(datatype: str) -> bool:
    """Whether values may be infinite or no number."""
    return datatype in FLOATS
