"""Types, shapes and values as the model's signature has them; nothing that is no number passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ancile.numeric import np
from ancile.serve.inference import Infer
from ancile.serve.signature import Signature, Spec, fits, in_order, is_float
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import ALLOW, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHERS = Verdict("deny", "schema", "the model takes other inputs")


def schema(infer: Infer, signature: Signature, *, rows: int) -> Verdict:
    """Whether the inputs are those of the signature, finite, within its bounds, and at most ``rows`` samples.

    Infinity that a cast to the tensor's precision made is found here as well.
    """
    specs = signature.inputs
    inputs = in_order(infer.inputs, specs)
    if len(inputs) != len(specs):
        return OTHERS
    for tensor, spec in zip(inputs, specs, strict=True):
        if tensor.name != spec.name:
            return OTHERS
        if why := _fault(tensor, spec, rows):
            return Verdict("deny", "schema", why)
    return ALLOW


def _all(flags: NDArray[np.bool_]) -> bool:
    """The same as their own, whose cost is mostly its call."""
    return b"\0" not in flags.tobytes()


def _fault(tensor: Tensor, spec: Spec, rows: int) -> str:
    """What is wrong with one input, empty for nothing."""
    array: NDArray[Any] = tensor.array
    if not fits(tensor, spec):
        return "datatype or shape of an input is not the model's"
    if array.shape[0] > rows:
        return "more samples at once than are served"
    if spec.bounds is not None:
        low, high = spec.bounds
        sample = array[0] if len(array) == 1 else array  # of one shape with the bounds: half the cost
        inside = _all(sample >= low) and _all(sample <= high)  # no number fails both
        return "" if inside else "a value is outside the range that the model was made for"
    if spec.values is not None and not spec.values.issuperset(array.ravel().tolist()):
        return "a text is none of those that the model was made for"
    if is_float(spec.datatype) and not bool(np.isfinite(array).all()):
        return "a value is not finite"
    return ""
