"""Real small models as files, each made by its own library."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

X_SHAPE = (8, 8)


def network(out: int = 4) -> nn.Module:
    """A small convolutional network for (1, 8, 8)."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(108, out)
    ).eval()


def exported(net: nn.Module | None = None, *, rows: int | None = None) -> bytes:
    """A .pt2 of the network, for any number of samples or for ``rows`` of them."""
    shapes = None if rows else ({0: torch.export.Dim("batch", max=100_000)},)
    program = torch.export.export(net or network(), (torch.zeros(rows or 2, 1, 8, 8),), dynamic_shapes=shapes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def scripted() -> bytes:
    """The network as TorchScript."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(network(), torch.zeros(1, 1, 8, 8)), buffer)  # type: ignore[no-untyped-call]  # torch gives none
    return buffer.getvalue()


def rewritten(
    archive: bytes, changes: dict[str, bytes | None], *, more: dict[str, bytes] | None = None
) -> bytes:
    """The zip archive with members replaced by the end of their name, taken out (None), or added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            hit = [ending for ending in changes if name.endswith(ending)]
            content = changes[hit[0]] if hit else old.read(name)
            if content is not None:
                new.writestr(name, content)
        for name, content in (more or {}).items():
            new.writestr(f"{root}/{name}", content)
    return buffer.getvalue()


def member(archive: bytes, ending: str) -> bytes:
    """The member whose name ends so."""
    with zipfile.ZipFile(io.BytesIO(archive)) as held:
        return held.read(next(name for name in held.namelist() if name.endswith(ending)))


def graph_of(archive: bytes) -> dict[str, Any]:
    """The program of a .pt2, to be changed and put back."""
    found: dict[str, Any] = json.loads(member(archive, "models/model.json"))
    return found


def with_graph(archive: bytes, program: dict[str, Any]) -> bytes:
    """The .pt2 with another program."""
    return rewritten(archive, {"models/model.json": json.dumps(program).encode()})


class Reduced:
    """Pickles to a call that leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return exec, (f"open({str(self._trace)!r}, 'w').write('ran')",)


def saved(thing: object) -> bytes:
    """What ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def hostile(trace: Path) -> bytes:
    """What ``torch.save`` writes for an object that runs code when it is unpickled."""
    return saved(({"x": Reduced(trace)},))


def onnx_linear(weights: NDArray[np.float32], *, rows: int | str = "n", **changes: Any) -> bytes:
    """``Flatten -> Gemm`` on (n, 1, 8, 8), as an ONNX model; ``changes`` go to the Gemm node."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node(changes.pop("op", "Gemm"), ["flat", "w"], ["scores"], **changes),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [rows, weights.shape[1]])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found: bytes = model.SerializeToString()
    return found


def onnx_identity(*, inputs: int = 1, type: str = "FLOAT", rank: int = 2) -> bytes:  # noqa: A002 - ONNX's word
    """``Identity`` on inputs of a type, as an ONNX model."""
    from onnx import TensorProto, helper

    kind = getattr(TensorProto, type)
    names = [f"x{i}" for i in range(inputs)]
    given = [helper.make_tensor_value_info(name, kind, ["n", *[8] * rank]) for name in names]
    nodes = [helper.make_node("Identity", ["x0"], ["y"])]
    out = [helper.make_tensor_value_info("y", kind, ["n", *[8] * rank])]
    graph = helper.make_graph(nodes, "identity", given, out)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found: bytes = model.SerializeToString()
    return found


def onnx_labels() -> bytes:
    """The place of the largest of 64 pixels, as an ONNX model."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("ArgMax", ["f"], ["y"], axis=1, keepdims=0),
    ]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8, 8])]
    out = [helper.make_tensor_value_info("y", TensorProto.INT64, ["n"])]
    graph = helper.make_graph(nodes, "largest", given, out)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found: bytes = model.SerializeToString()
    return found


def digits(n: int = 400) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows of scikit-learn's digits in [0, 1]."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x[:n] / 16).astype(np.float32), y[:n].astype(np.int64)
