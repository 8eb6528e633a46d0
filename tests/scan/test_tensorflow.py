"""TensorFlow graphs: what reaches out of a graph is found in every graph and function, what is ordinary passes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part

ORDINARY = (
    "Placeholder",
    "Const",
    "VarHandleOp",
    "MatMul",
    "SaveV2",
    "RestoreV2",
    "MergeV2Checkpoints",
    "ShardedFilename",
)


def number(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + number(value >> 7)


def held(tag: int, data: bytes) -> bytes:
    return number(tag << 3 | 2) + number(len(data)) + data


def node(operator: str, *texts: str) -> bytes:
    attributes = (held(5, held(1, b"a") + held(2, held(2, one.encode()))) for one in texts)
    return held(1, b"n") + held(2, operator.encode()) + b"".join(attributes)


def graph(*operators: str | bytes, functions: dict[str, bytes] | None = None) -> bytes:
    nodes = (held(1, one if isinstance(one, bytes) else node(one)) for one in operators)
    library = b"".join(
        held(1, held(1, held(1, name.encode())) + held(3, body)) for name, body in (functions or {}).items()
    )
    return b"".join(nodes) + (held(2, library) if library else b"")


def saved(*graphs: bytes, more: bytes = b"") -> bytes:
    return b"\x08\x01" + b"".join(held(2, held(1, held(4, b"serve")) + held(2, one) + more) for one in graphs)


def examined(data: bytes, path: str = "file") -> Examination:
    return examine_part(Part(path, data))


def checks(found: Examination) -> set[str]:
    return {one.check for one in found.findings}


def test_an_ordinary_model_is_data() -> None:
    """Saving and restoring variables is in each of them."""
    for data in (saved(graph(*ORDINARY)), graph(*ORDINARY)):
        found = examined(data)
        assert (found.format, found.verdict, found.findings) == ("tensorflow", "data-only", ())


@pytest.mark.parametrize(
    "operator",
    [
        "ReadFile",
        "WriteFile",
        "MatchingFiles",
        "PyFunc",
        "EagerPyFunc",
        "PyFuncStateless",
        "TextLineDataset",
        "SaveDatasetV2",
        "LMDBReader",
        "GeneratorDataset",
        "CreateSummaryFileWriter",
    ],
)
def test_what_reaches_out_is_refused(operator: str) -> None:
    """In the graph, in a second one, in a function, and as text."""
    text = f'node {{ name: "a" op: "Const" }} node {{ name: "b"\n op : "{operator}" }}'
    for data in (
        graph("Placeholder", operator),
        saved(graph("Placeholder"), graph(operator)),
        saved(graph("Placeholder", functions={"f": node(operator)})),
        text.encode(),
    ):
        found = examined(data)
        assert "tensorflow-reaching-operator" in checks(found)
        assert found.verdict == "block"


def test_printing_is_refused_where_it_goes_elsewhere() -> None:
    """To standard output it is ordinary; debugging operators may talk to other machines too."""
    assert examined(graph(node("PrintV2", "stderr"))).verdict == "data-only"
    for operator in ("PrintV2", "DebugIdentity", "DebugIdentityV2", "DebugNumericSummaryV2"):
        for address in ("file:///tmp/x", "grpc://host:1"):
            assert examined(graph(node(operator, address))).verdict == "block"


def test_unknown_operators_are_reviewed_but_for_the_files_own_functions() -> None:
    """A library of machine code would bring them."""
    assert checks(examined(graph("OwnOp"))) == {"tensorflow-unknown-operator"}
    assert examined(saved(graph("own", functions={"own": node("MatMul")}))).verdict == "data-only"


def test_assets_outside_and_configurations_within_are_found() -> None:
    """Keras's metadata stands in the model or in a file beside it."""
    layer = json.dumps({"class_name": "Lambda", "config": {"name": "l"}}).encode()
    objects = held(7, held(1, held(4, held(1, b"_tf_keras_layer") + held(3, layer))))
    assert "keras-holds-program" in checks(examined(saved(graph("Const"), more=objects)))
    beside = held(1, b"\x10\x01" + held(3, b"root") + held(4, b"_tf_keras_layer") + held(5, layer))
    assert "keras-holds-program" in checks(examined(beside))
    assert checks(examined(saved(graph("Const"), more=held(6, held(2, b"../words.txt"))))) == {
        "tensorflow-reads-outside"
    }
    assert examined(saved(graph("Const"), more=held(6, held(2, b"words.txt")))).verdict == "data-only"


def test_code_in_texts_is_refused() -> None:
    """Where a graph keeps a text."""
    assert checks(examined(graph(node("Const", "__import__('os')")))) == {"tensorflow-code-in-text"}


def test_variables_are_numbers() -> None:
    """As TensorFlow finds them, by name; a pickle among them is one."""
    assert examined(b"\0\0\x80\x3f" * 4, "variables/variables.data-00000-of-00001").verdict == "data-only"
    hostile = b"\0\0\x80\x3f" * 4 + b"cos\nsystem\n(Vtrue\ntR."
    assert examined(hostile, "variables/variables.data-00000-of-00001").verdict == "block"


@settings(max_examples=100)
@given(st.integers(0, 300), st.binary(min_size=1, max_size=4))
def test_a_changed_graph_never_breaks_the_scan(place: int, change: bytes) -> None:
    """Whatever bytes stand in it, and wherever it ends."""
    data = saved(graph(*ORDINARY, node("Const", "words"), functions={"f": node("ReadFile")}))
    place %= len(data)
    assert examined(data[:place] + change + data[place + len(change) :]).verdict
    if place:
        assert examined(data[:place]).verdict


def fingerprint(uuid: bytes) -> bytes:
    """As TensorFlow writes it beside a SavedModel: fingerprint.proto."""
    numbers = b"".join(number(tag << 3) + number(2**64 - 1 - tag) for tag in range(1, 6))
    return numbers + held(6, number(1 << 3) + number(4)) + held(7, uuid)


def test_a_fingerprint_is_no_damaged_onnx_model() -> None:
    found = examine_part(Part("fingerprint.pb", fingerprint(b"96564965410025996211491968964310075709")))
    assert (found.format, found.verdict) == ("tensorflow", "data-only")


def test_what_carries_a_graph_where_the_digits_stand_is_no_fingerprint() -> None:
    inner = held(
        1, held(4, b"Evil") + held(7, b"own.domain")
    )  # GraphProto: 1 node; NodeProto: 4 op, 7 domain
    assert examine_part(Part("fingerprint.pb", fingerprint(inner))).format == "onnx"
