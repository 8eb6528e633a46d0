"""ONNX models: every place that reaches outside the file is found, and real exports are data."""

from __future__ import annotations

import base64

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper as make

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part
from tests.shared import SHARED, needs_shared

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."


def kept_at(location: str, **entries: str) -> onnx.TensorProto:
    tensor = make.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def model_of(*nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = ()) -> onnx.ModelProto:
    graph = make.make_graph(nodes or [make.make_node("Identity", ["x"], ["y"])], "g", [], [], tensors)
    return make.make_model(graph)


def examined(model: onnx.ModelProto | bytes) -> Examination:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return examine_part(Part("file", data))


def checks(found: Examination) -> set[str]:
    return {one.check for one in found.findings}


def test_an_ordinary_model_is_data() -> None:
    """Standard operators, tensors in the file or beside it."""
    assert examined(model_of()).verdict == "data-only"
    beside = model_of(tensors=(kept_at("model.onnx.data", offset="0", length="4"),))
    assert examined(beside).verdict == "data-only"
    assert examined(beside).format == "onnx"


@pytest.mark.parametrize(
    "location",
    [
        "/etc/passwd",
        "../w",
        "a/../../w",
        "..\\w",
        "C:\\w",
        "c:w",
        "\\\\host\\w",
        "http://host/w",
        "file:w",
        "a\0b",
    ],
)
def test_data_outside_the_folder_is_refused(location: str) -> None:
    """Wherever a tensor may stand in a model."""
    tensor = kept_at(location)
    sparse = make.make_sparse_tensor(tensor, make.make_tensor("i", onnx.TensorProto.INT64, [1], [0]), [1])
    inner = make.make_graph([], "inner", [], [], [tensor])
    with_sparse = model_of()
    with_sparse.graph.sparse_initializer.append(sparse)
    in_function = model_of()
    constant = make.make_node("Constant", [], ["c"], value=tensor)
    opset = [make.make_opsetid("", 20)]
    in_function.functions.append(make.make_function("own", "f", [], ["c"], [constant], opset))
    trained = model_of()
    trained.training_info.add().initialization.CopyFrom(inner)
    for model in (
        model_of(tensors=(tensor,)),
        model_of(constant),
        model_of(make.make_node("Constant", [], ["c"], sparse_value=sparse)),
        model_of(make.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)),
        with_sparse,
        in_function,
        trained,
    ):
        found = examined(model)
        assert found.verdict == "block"
        assert "onnx-reads-outside" in checks(found)


@pytest.mark.parametrize(("key", "value"), [("offset", "-1"), ("length", "1e9"), ("offset", "9" * 30)])
def test_a_place_that_is_no_number_is_reviewed(key: str, value: str) -> None:
    """Readers take different bytes for such a tensor."""
    assert checks(examined(model_of(tensors=(kept_at("w.bin", **{key: value}),)))) == {
        "onnx-external-data-unclear"
    }


def test_operators_are_told_by_who_has_them() -> None:
    """A runtime's own pass, those of the file's functions too; unknown ones are reviewed, Python refused."""
    assert examined(model_of(make.make_node("Gelu", ["x"], ["y"], domain="com.microsoft"))).findings == ()
    strange = model_of(make.make_node("Run", ["x"], ["y"], domain="a.b"))
    assert examined(strange).verdict == "review"
    opset = [make.make_opsetid("", 20)]
    strange.functions.append(make.make_function("a.b", "Other", [], [], [], opset))
    assert examined(strange).verdict == "review"
    strange.functions.append(make.make_function("a.b", "Run", [], [], [], opset))
    assert examined(strange).verdict == "data-only"
    for name in ("PyOp", "PythonOp", "ATen", "EPContext"):
        assert (
            examined(model_of(make.make_node(name, ["x"], ["y"], domain="com.microsoft"))).verdict == "block"
        )


def test_metadata_that_is_a_program_is_refused() -> None:
    """Code, a library, or what decodes to a pickle."""
    for value, verdict in {
        "__import__('os').system('true')": "block",
        base64.b64encode(HOSTILE).decode(): "block",
        HOSTILE.hex(): "block",
        "/opt/own.so": "review",
        "exported by a notebook, see os.path": "data-only",
    }.items():
        model = model_of()
        make.set_model_props(model, {"note": value})
        assert examined(model).verdict == verdict, value


def test_graphs_within_graphs_are_bounded() -> None:
    """What is nested too deep is not called clean."""
    graph = make.make_graph([], "g", [], [])
    for _ in range(15):
        graph = make.make_graph([make.make_node("If", ["x"], ["y"], then_branch=graph)], "g", [], [])
    assert checks(examined(make.make_model(graph))) == {"onnx-damaged"}


@settings(max_examples=60)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_a_changed_model_never_breaks_the_scan(place: int, change: bytes) -> None:
    """Whatever bytes stand in it."""
    data = model_of(tensors=(kept_at("../w"),)).SerializeToString()
    place %= len(data)
    assert examined(data[:place] + change + data[place + len(change) :]).verdict
    examined(data[:place])


@needs_shared
def test_models_of_real_writers_are_data() -> None:
    """skl2onnx and others."""
    assert SHARED is not None
    for file in sorted((SHARED / "data/model_corpus/benign/onnx").glob("*.onnx")):
        assert examined(file.read_bytes()).verdict == "data-only", file.name
