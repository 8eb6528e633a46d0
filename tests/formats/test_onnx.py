"""What an ONNX file asks for is found by a reader of its own; the onnx library builds the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from ancile.core.errors import AncileError
from ancile.formats import onnx as reader
from ancile.formats.onnx import is_onnx, read_onnx, require_self_contained
from ancile.formats.protobuf import Steps, fields
from tests.models import files

W = np.ones((64, 2), dtype=np.float32)


def nested(depth: int) -> onnx.GraphProto:
    """A graph with an If in an If, ``depth`` times, and a foreign operator at the bottom."""
    inner = helper.make_graph([helper.make_node("Evil", [], ["y"], domain="my.ops")], "inner", [], [])
    for level in range(depth):
        node = helper.make_node(
            "If", ["c"], ["y"], then_branch=inner, else_branch=inner if level == 0 else nested(0)
        )
        inner = helper.make_graph([node], "outer", [], [])
    return inner


def model(graph: onnx.GraphProto, **more: object) -> bytes:
    found: bytes = helper.make_model(graph, **more).SerializeToString()
    return found


def test_operators_are_the_file_s_own() -> None:
    data = files.onnx_linear(W)
    assert is_onnx(data)
    assert read_onnx(data).operators == {("", "Flatten"), ("", "Gemm")}
    require_self_contained(data)


@pytest.mark.parametrize(
    "op",
    [
        {"op": "Evil", "domain": "my.ops"},
        {"op": "PyOp", "domain": "ai.onnx.contrib"},
        {"op": "EPContext", "domain": "com.microsoft"},
    ],
)
def test_operators_from_elsewhere_are_refused_by_name(op: dict[str, str]) -> None:
    with pytest.raises(AncileError, match=f"not built in: .*{op['op']}"):
        require_self_contained(files.onnx_linear(W, **op))


def test_operators_are_found_in_graphs_within_graphs() -> None:
    assert ("my.ops", "Evil") in read_onnx(model(nested(3))).operators


def test_graphs_nested_too_deep_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "DEPTH", 6)
    with pytest.raises(AncileError, match="nested deeper"):
        read_onnx(model(nested(5)))


def test_functions_of_the_file_itself_are_its_own() -> None:
    body = [helper.make_node("Relu", ["a"], ["b"])]
    own = helper.make_function("my.own", "F", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    graph = helper.make_graph([helper.make_node("F", ["x"], ["y"], domain="my.own")], "g", [], [])
    require_self_contained(model(graph, functions=[own]))
    foreign = [helper.make_node("G", ["a"], ["b"], domain="else.where")]
    hiding = helper.make_function("my.own", "F", ["a"], ["b"], foreign, [helper.make_opsetid("", 17)])
    with pytest.raises(AncileError, match=r"else\.where\.G"):
        require_self_contained(model(graph, functions=[hiding]))


def elsewhere() -> TensorProto:
    tensor = numpy_helper.from_array(W, "outside")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def test_tensors_in_other_files_are_refused_wherever_they_stand() -> None:
    sparse = onnx.SparseTensorProto(
        values=elsewhere(), indices=numpy_helper.from_array(np.zeros(1, np.int64))
    )
    graphs = [
        helper.make_graph([], "g", [], [], initializer=[elsewhere()]),
        helper.make_graph([], "g", [], [], sparse_initializer=[sparse]),
        helper.make_graph([helper.make_node("Constant", [], ["c"], value=elsewhere())], "g", [], []),
        helper.make_graph([helper.make_node("Constant", [], ["c"], sparse_value=sparse)], "g", [], []),
    ]
    for graph in graphs:
        with pytest.raises(AncileError, match="other files: outside"):
            require_self_contained(model(graph))
    quiet = elsewhere()
    quiet.data_location = TensorProto.DEFAULT
    with pytest.raises(AncileError, match="other files"):
        require_self_contained(model(helper.make_graph([], "g", [], [], initializer=[quiet])))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80" * 20,
        b"\x0b",
        b"\x0a\xff",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x02\x01a",
        b"\x0d\x01",
        b"\x09" + bytes(3),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    assert not is_onnx(data)
    with pytest.raises(AncileError, match="protobuf"):
        list(fields(memoryview(data), Steps()))


def test_every_wire_type_is_read() -> None:
    data = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1a\x02ab" + b"\x25" + bytes(4)
    assert [(one.tag, one.value, bytes(one.data)) for one in fields(memoryview(data), Steps())] == [
        (1, 150, b""),
        (2, 0, bytes(8)),
        (3, 0, b"ab"),
        (4, 0, bytes(4)),
    ]


def test_the_number_of_fields_is_bounded() -> None:
    with pytest.raises(AncileError, match="too many"):
        list(fields(memoryview(b"\x08\x01" * 100), Steps(50)))


@settings(max_examples=200)
@given(st.data())
def test_any_change_ends_in_facts_or_a_known_error(data: st.DataObject) -> None:
    whole = bytearray(files.onnx_linear(W[:, :1]))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, min(400, len(whole)) - 1))] = data.draw(st.integers(0, 255))
    is_onnx(bytes(whole))
    try:
        read_onnx(bytes(whole))
    except AncileError:
        return


def test_the_library_agrees_on_which_operators_there_are(tmp_path: Path) -> None:
    data = files.onnx_linear(W)
    nodes = onnx.load_model_from_string(data).graph.node
    assert {(node.domain, node.op_type) for node in nodes} == read_onnx(data).operators
