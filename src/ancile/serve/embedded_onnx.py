"""An ONNX model in ONNX Runtime: its tensors are those that the graph names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.formats.onnx import require_self_contained
from ancile.models.onnx_session import onnx_session
from ancile.numeric import np
from ancile.serve.embedded import Answering
from ancile.serve.inference import Infer
from ancile.serve.signature import Signature, Spec
from ancile.serve.tensors import BYTES, NAMES, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

TENSORS = {
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(float16)": "FP16",
    "tensor(bool)": "BOOL",
    "tensor(string)": BYTES,
    **{f"tensor({kind}{8 * n})": f"{kind.upper()}{8 * n}" for kind in ("int", "uint") for n in (1, 2, 4, 8)},
}


def onnx_answering(data: bytes, name: str) -> Answering:
    """The graph, on one thread."""
    require_self_contained(data)
    session = onnx_session(data, threads=1)

    def run(infer: Infer, wanted: list[str]) -> tuple[Tensor, ...]:
        found = session.run(wanted, {one.name: _given(one) for one in infer.inputs})
        return tuple(_tensor(name, array) for name, array in zip(wanted, found, strict=True))

    return Answering(_signature(session, name), run)


def _signature(session: Any, name: str) -> Signature:
    inputs, outputs = _specs(session.get_inputs()), _specs(session.get_outputs())
    if len(inputs) != len(session.get_inputs()) or not inputs or not outputs:
        shown = ", ".join(f"{one.name} {one.type}" for one in (*session.get_inputs(), *session.get_outputs()))
        raise AncileError(
            "the model takes or gives no plain tensors",
            value=plain(shown),
            remedy="export it with tensors alone; from scikit-learn with options={'zipmap': False}",
        )
    return Signature(name, "onnxruntime_onnx", inputs, outputs)


def _specs(nodes: Any) -> tuple[Spec, ...]:
    """Tensors among the nodes; an axis that is named or unknown has any length."""
    return tuple(
        Spec(one.name, TENSORS[one.type], tuple(axis if isinstance(axis, int) else -1 for axis in one.shape))
        for one in nodes
        if one.type in TENSORS
    )


def _given(tensor: Tensor) -> NDArray[np.generic]:
    if tensor.datatype != BYTES:
        return tensor.array
    flat = [piece.decode("utf-8", "replace") for piece in tensor.array.ravel().tolist()]
    return np.array(flat, dtype=object).reshape(tensor.array.shape)


def _tensor(name: str, array: NDArray[np.generic]) -> Tensor:
    if array.dtype.kind in "OUS":
        flat = np.empty(array.size, dtype=object)
        flat[:] = [str(piece).encode("utf-8") for piece in array.ravel().tolist()]
        return Tensor(name, BYTES, flat.reshape(array.shape))
    return Tensor(name, NAMES[array.dtype], array)
