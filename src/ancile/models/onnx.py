"""An ONNX model in onnxruntime, on the CPU; runs in the child, as its parser is native code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.formats.onnx import require_self_contained
from ancile.models.layout import layout_for
from ancile.models.onnx_session import onnx_session
from ancile.models.wrap import Ready, function_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ancile.models.order import Order

FLOATS = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
LABELS = ("tensor(int64)", "tensor(int32)", "tensor(bool)", "tensor(uint8)")
THREADS_VARIABLE = "OMP_NUM_THREADS"  # onnxruntime has a pool of its own and does not read it


def open_bytes(order: Order, parts: list[bytes], probe: NDArray[np.floating]) -> Ready:
    """The graph as a black box that answers with its first output of scores, else of labels."""
    require_self_contained(parts[0])
    threads = os.environ.get(THREADS_VARIABLE, "")
    session = onnx_session(parts[0], threads=int(threads) if threads.isdecimal() else 0, spinning=False)
    given = session.get_inputs()
    if len(given) != 1 or given[0].type not in FLOATS:
        shown = ", ".join(f"{one.name} {one.type}" for one in given)
        raise AncileError(
            "the ONNX model does not take one tensor of floats",
            value=plain(shown or "no input"),
            remedy="export it with a single float input",
        )
    name, dtype, shape = given[0].name, FLOATS[given[0].type], given[0].shape
    declared = [axis if isinstance(axis, int) else None for axis in shape]
    layout = layout_for(probe.shape[1:], tuple(declared[1:]) if shape else None)
    if layout is None:
        raise AncileError(
            "the ONNX model takes samples of another shape",
            value=f"{tuple(declared[1:])}, the data's are {probe.shape[1:]}",
            remedy="give the data that belongs to the model",
        )
    answer, rows = _output(session), declared[0] if declared else None

    def run(x: NDArray[np.floating]) -> NDArray[np.generic]:
        import numpy as np  # noqa: PLC0415 - beside its type above

        laid = np.ascontiguousarray(x, dtype=dtype)
        if rows is None:
            return _run(session, answer, {name: laid})
        whole = np.concatenate([laid, np.repeat(laid[-1:], -len(laid) % rows, axis=0)])
        found = [_run(session, answer, {name: whole[at : at + rows]}) for at in range(0, len(whole), rows)]
        return np.concatenate(found)[: len(laid)]

    notes = () if rows is None else (f"the model was exported for {rows} samples at a time",)
    return function_model(run, order, probe, kind="onnx", notes=notes, layout=layout)


def _output(session: Any) -> str:
    outputs = session.get_outputs()
    for kinds in (tuple(FLOATS), LABELS):
        for one in outputs:
            if one.type in kinds and len(one.shape) <= 2:
                return str(one.name)
    shown = ", ".join(f"{one.name} {one.type}" for one in outputs)
    raise AncileError(
        "the ONNX model has no output of scores or labels",
        value=plain(shown or "no output"),
        remedy="export scores as a tensor (n, classes); from scikit-learn with options={'zipmap': False}",
    )


def _run(session: Any, output: str, given: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    try:
        found: NDArray[np.generic] = session.run([output], given)[0]
    except Exception as reason:  # as above
        raise AncileError(
            "the ONNX model fails on the samples",
            value=plain(" ".join(str(reason).split())),
            remedy="give data of the shape that the model was exported for",
        ) from reason
    return found
