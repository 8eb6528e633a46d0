"""What a model takes: names, datatypes and shapes of its inputs, and the range of values it was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.serve.tensors import TYPES, Tensor

if TYPE_CHECKING:
    from ancile.numeric import NDArray, np


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


def is_float(datatype: str) -> bool:
    """Whether values may be infinite or no number."""
    return datatype in TYPES and TYPES[datatype].kind == "f"
