"""A .pt2 that could execute anything is refused before torch sees it; a benign one computes what it did.

Where torch 2.13 itself runs the hostile file, the test shows that too: otherwise it would prove nothing.
"""

from __future__ import annotations

import io
import json
import logging
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ancile.core.errors import AncileError
from ancile.formats.export_graph import EXPRESSION, clean_program
from ancile.formats.torch_export import read_export
from tests.models import files

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def archive() -> bytes:
    return files.exported()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


def load_with_torch(data: bytes) -> None:
    """What a user without this check does; whatever it raises is not the point."""
    logging.getLogger("torch").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.export.load(io.BytesIO(data)).module()(torch.zeros(3, 1, 8, 8))
        except Exception:  # noqa: BLE001 - any end will do
            return


def test_a_benign_program_is_read_and_computes_the_same(archive: bytes) -> None:
    found = read_export(archive)
    assert (found.shape, found.dtype, found.training) == ((None, 1, 8, 8), "float32", ())
    x = torch.rand(3, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = torch.export.load(io.BytesIO(found.archive)).module()
    torch.testing.assert_close(net(x), files.network()(x))


def test_what_is_handed_on_holds_no_pickle_and_no_foreign_text(archive: bytes) -> None:
    found = read_export(archive)
    assert files.member(found.archive, "sample_inputs/model.pt") == b""
    graph = files.member(found.archive, "model.json").decode()
    for word in ("stack_trace", "nn_module_stack", "site-packages"):
        assert word in files.member(archive, "model.json").decode()
        assert word not in graph


def with_sample_inputs(archive: bytes, trace: Path) -> bytes:
    return files.rewritten(archive, {"sample_inputs/model.pt": files.hostile(trace)})


def with_pickled_weight(archive: bytes, trace: Path) -> bytes:
    config = json.loads(files.member(archive, "weights_config.json"))
    first = next(iter(config["config"].values()))
    first["use_pickle"] = True
    changes: dict[str, bytes | None] = {
        "weights_config.json": json.dumps(config).encode(),
        f"weights/{first['path_name']}": files.hostile(trace),
    }
    return files.rewritten(archive, changes)


def constant(archive: bytes, path_name: str, content: bytes) -> bytes:
    payload = {"path_name": path_name, "is_param": False, "use_pickle": True, "tensor_meta": None}
    config = json.dumps({"config": {"c": payload}}).encode()
    more = {f"data/constants/{path_name}": content}
    return files.rewritten(archive, {"constants_config.json": config}, more=more)


def with_pickled_constant(archive: bytes, trace: Path) -> bytes:
    return constant(archive, "tensor_0", files.hostile(trace))


def with_opaque_object(archive: bytes, trace: Path) -> bytes:
    return constant(archive, "opaque_obj_0", pickle.dumps(files.Reduced(trace), protocol=2))


def with_pickle_for_bytes(archive: bytes, _: Path) -> bytes:
    """A weight whose content is a pickle, though its config says that it is not."""
    return files.rewritten(archive, {"weights/weight_0": pickle.dumps(files.Reduced(Path("t")), protocol=4)})


def test_the_message_names_what_a_pickled_tensor_would_call(archive: bytes, tmp_path: Path) -> None:
    for change in (with_pickled_weight, with_pickled_constant, with_opaque_object, with_pickle_for_bytes):
        with pytest.raises(AncileError, match="would run code") as caught:
            read_export(change(archive, tmp_path / "trace"))
        assert "exec" in caught.value.value


def test_a_weight_that_was_cut_off_is_told(archive: bytes) -> None:
    with pytest.raises(AncileError, match="shorter than it states"):
        read_export(files.rewritten(archive, {"weights/weight_0": b"abcd"}))


def with_legacy_weights(archive: bytes, trace: Path) -> bytes:
    return files.rewritten(archive, {}, more={"data/weights/model.pt": files.hostile(trace)})


def with_legacy_constants(archive: bytes, trace: Path) -> bytes:
    return files.rewritten(archive, {}, more={"data/constants/model.pt": files.hostile(trace)})


def with_evaluated_size(archive: bytes, trace: Path) -> bytes:
    program = files.graph_of(archive)
    sizes = program["graph_module"]["graph"]["tensor_values"]["input"]["sizes"]
    code = f"__import__('builtins').open({str(trace)!r}, 'w').write('ran')"
    sizes[0]["as_expr"]["expr_str"] = code
    return files.with_graph(archive, program)


def with_guard(archive: bytes, trace: Path) -> bytes:
    program = files.graph_of(archive)
    program["guards_code"] = [f"__import__('builtins').open({str(trace)!r}, 'w').write('ran')"]
    return files.with_graph(archive, program)


def with_name(archive: bytes, trace: Path) -> bytes:
    """An argument's name, which could become source of a generated function."""
    program = files.graph_of(archive)
    call = program["graph_module"]["module_call_graph"][0]["signature"]
    call["forward_arg_names"] = [f"x=__import__('builtins').open({str(trace)!r}, 'w').write('ran')"]
    return files.with_graph(archive, program)


def with_called_function(archive: bytes, trace: Path) -> bytes:
    program = files.graph_of(archive)
    call = {
        "target": "torch.serialization.os.system",
        "inputs": [{"name": "", "arg": {"as_string": f"touch {trace}"}, "kind": 1}],
        "outputs": [],
        "metadata": {},
        "name": "called",
    }
    program["graph_module"]["graph"]["nodes"].insert(0, call)
    return files.with_graph(archive, program)


HOSTILE = (
    with_called_function,
    with_sample_inputs,
    with_pickled_weight,
    with_pickled_constant,
    with_opaque_object,
    with_legacy_weights,
    with_legacy_constants,
    with_evaluated_size,
    with_name,
)
# What torch's own verifier stops, or where nothing makes source of the name so far
STOPPED = (with_name, with_called_function)


@pytest.mark.parametrize("build", HOSTILE)
def test_a_hostile_program_is_refused_and_nothing_runs(
    archive: bytes, trace: Path, build: Callable[[bytes, Path], bytes]
) -> None:
    data = build(archive, trace)
    with pytest.raises(AncileError) as caught:
        read_export(data)
    assert caught.value.remedy
    assert not trace.exists()


@pytest.mark.slow
@pytest.mark.parametrize("build", [one for one in HOSTILE if one not in STOPPED])
def test_torch_by_itself_runs_the_hostile_program(
    archive: bytes, trace: Path, build: Callable[[bytes, Path], bytes]
) -> None:
    load_with_torch(build(archive, trace))
    assert trace.exists()


def test_guards_are_left_out(archive: bytes, trace: Path) -> None:
    """They would be executed where example inputs come with the program; what remains has none."""
    found = read_export(with_guard(archive, trace))
    assert json.loads(files.member(found.archive, "model.json"))["guards_code"] == []
    load_with_torch(found.archive)
    assert not trace.exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.load",
        "torch.ops.load_library",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.save.default",
        "torch.ops.aten.add.__class__",
        "torch.ops.aten.__class__.default",
        "torch.ops.mylib.run.default",
        "torch.hub.load",
        "torch.serialization.os.system",
        "_operator.attrgetter",
        "_operator.methodcaller",
        "_operator.setitem",
        "_operator.__class__",
        "math.__loader__",
        "#triton:kernel",
        "os.system",
        "",
        "torch.ops.aten.add.Tensor\n",
        "torch.ops.higher_order.triton_kernel_wrapper_functional",
        "torch.ops.higher_order.inductor_compiled_code",
    ],
)
def test_a_node_calls_operators_on_tensors_alone(archive: bytes, target: str) -> None:
    program = files.graph_of(archive)
    program["graph_module"]["graph"]["nodes"][0]["target"] = target
    with pytest.raises(AncileError, match=r"operator|damaged"):
        clean_program(program)
    nested = files.graph_of(archive)
    nested["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {"as_operator": target}
    with pytest.raises(AncileError, match=r"operator|damaged"):
        clean_program(nested)


@pytest.mark.parametrize(
    "text",
    [
        "Symbol('s31', positive=True, integer=True)",
        "Mul(Integer(4), Symbol('s0', integer=True))",
        "s0 + 2*u1",
        "Max(1, s7)",
        "Add(Integer(-1), FloorDiv(Symbol('s0', positive=True, integer=True), Integer(2)))",
    ],
)
def test_arithmetic_of_sizes_passes(text: str) -> None:
    assert EXPRESSION.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "s0.__class__",
        "().__class__",
        "Symbol('__import__')",
        "Symbol('s0'); 1",
        "lambda: 1",
        "exec('1')",
        "[1]",
        "S('1')",
        "s0 if 1 else 2",
        "Symbol('s0')('x')\n",
        "f(1)",
        "1" * 30,
    ],
)
def test_anything_else_is_no_size(archive: bytes, text: str) -> None:
    assert not EXPRESSION.fullmatch(text)
    program = files.graph_of(archive)
    program["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][0]["as_expr"]["expr_str"] = text
    with pytest.raises(AncileError, match="no arithmetic"):
        clean_program(program)


def rename(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["nodes"][0]["name"] = "x = 1; import os"


def keyword_name(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["nodes"][0]["name"] = "lambda"


def dunder_name(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["inputs"][0]["as_tensor"]["name"] = "__builtins__"


def quoted_parameter(program: dict[str, Any]) -> None:
    spec = program["graph_module"]["signature"]["input_specs"][0]["parameter"]
    spec["parameter_name"] = 'a"), exec("1'


def dunder_parameter(program: dict[str, Any]) -> None:
    program["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = "__class__.x"


def odd_key(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["tensor_values"]["a b"] = {}


def custom_object(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {"as_custom_obj": {"name": "a"}}


def custom_values(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["custom_obj_values"] = {"a": {"name": "a", "class_fqn": "b"}}


def odd_input(program: dict[str, Any]) -> None:
    program["graph_module"]["signature"]["input_specs"].append({"token": {"arg": {"name": "a"}}})


def second_input(program: dict[str, Any]) -> None:
    specs = program["graph_module"]["signature"]["input_specs"]
    specs.append(specs[-1])


def scalar_input(program: dict[str, Any]) -> None:
    program["graph_module"]["signature"]["input_specs"][-1]["user_input"]["arg"] = {"as_int": 3}


def odd_tree(program: dict[str, Any]) -> None:
    tree = json.dumps([1, {"type": "os.system", "context": "null", "children_spec": []}])
    program["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = tree


def odd_keys_of_tree(program: dict[str, Any]) -> None:
    tree = json.dumps([1, {"type": "builtins.dict", "context": '["a b"]', "children_spec": []}])
    program["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = tree


def later_tree(program: dict[str, Any]) -> None:
    program["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = "[2, {}]"


def broken_tree(program: dict[str, Any]) -> None:
    program["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = "]"


def deep_tree(program: dict[str, Any]) -> None:
    node: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
    for _ in range(30):
        node = {"type": "builtins.tuple", "context": "null", "children_spec": [node]}
    program["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = json.dumps([1, node])


def odd_device(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["tensor_values"]["input"]["device"] = {"type": "meta", "index": None}


def odd_dialect(program: dict[str, Any]) -> None:
    program["verifiers"] = ["EVIL"]


def odd_version(program: dict[str, Any]) -> None:
    program["torch_version"] = "1; import os"


def odd_text(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {"as_string": "a\nb"}


def odd_number(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {"as_float": "exec"}


def odd_size(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][1] = {"as_int": -1}


def odd_name_of_module(program: dict[str, Any]) -> None:
    program["graph_module"]["module_call_graph"][0]["fqn"] = 7


def no_graph(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"] = []


def no_calls(program: dict[str, Any]) -> None:
    program["graph_module"]["module_call_graph"] = {}


@pytest.mark.parametrize(
    "change",
    [
        *(rename, keyword_name, dunder_name, quoted_parameter, dunder_parameter, odd_key, custom_object),
        *(custom_values, odd_input, second_input, scalar_input, odd_tree, odd_keys_of_tree, later_tree),
        *(broken_tree, deep_tree, odd_device, odd_dialect, odd_version, odd_text, odd_number, odd_size),
        *(odd_name_of_module, no_graph, no_calls),
    ],
)
def test_what_torch_would_not_write_is_refused(archive: bytes, change: Change) -> None:
    program = files.graph_of(archive)
    change(program)
    with pytest.raises(AncileError) as caught:
        clean_program(program)
    assert caught.value.remedy


def test_numbers_that_json_lacks_pass_as_words(archive: bytes) -> None:
    program = files.graph_of(archive)
    program["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {"as_floats": ["-Infinity", 1.5, 2]}
    clean_program(program)


@pytest.mark.parametrize(
    ("changes", "more", "words"),
    [
        ({"archive_format": b"zip"}, {}, "today's layout"),
        ({"byteorder": b"big"}, {}, "today's layout"),
        ({"byteorder": None}, {}, "lacks a part"),
        ({"models/model.json": None}, {}, "lacks a part"),
        ({"models/model.json": b"{"}, {}, "damaged"),
        ({"models/model.json": b"[" * 100_000}, {}, "damaged"),
        ({"models/model.json": b"[]"}, {}, "damaged"),
        ({"weights_config.json": b"[]"}, {}, "damaged"),
        ({"weights/weight_0": b""}, {}, "no content"),
        ({}, {"data/aotinductor/model/x.so": b"\x7fELF"}, "more than a graph"),
        ({}, {"data/weights/evil.py": b"import os"}, "more than a graph"),
        ({}, {"models/other.json": b"{}"}, "more than a graph"),
    ],
)
def test_an_archive_of_other_parts_is_refused(
    archive: bytes, changes: dict[str, bytes | None], more: dict[str, bytes], words: str
) -> None:
    with pytest.raises(AncileError, match=words):
        read_export(files.rewritten(archive, changes, more=more))


def test_an_archive_with_two_roots_is_refused(archive: bytes) -> None:
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as opened:
        opened.writestr("other/archive_format", b"pt2")
    with pytest.raises(AncileError, match="root folder"):
        read_export(buffer.getvalue())


@pytest.mark.parametrize("key", ["a b", 'a"]', "x" * 500])
def test_a_tensor_of_a_strange_name_is_refused(archive: bytes, key: str) -> None:
    config = json.loads(files.member(archive, "weights_config.json"))
    config["config"][key] = next(iter(config["config"].values()))
    with pytest.raises(AncileError, match="name that torch would not give"):
        read_export(files.rewritten(archive, {"weights_config.json": json.dumps(config).encode()}))


def test_a_path_out_of_its_folder_is_refused(archive: bytes) -> None:
    config = json.loads(files.member(archive, "weights_config.json"))
    next(iter(config["config"].values()))["path_name"] = "weight_../../x"
    with pytest.raises(AncileError, match="name that torch would not give"):
        read_export(files.rewritten(archive, {"weights_config.json": json.dumps(config).encode()}))


def test_a_program_of_whole_numbers_is_refused() -> None:
    program = torch.export.export(torch.nn.Embedding(5, 3), (torch.zeros(2, dtype=torch.int64),))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with pytest.raises(AncileError, match="not of floats"):
        read_export(buffer.getvalue())


@pytest.mark.slow
def test_a_program_with_attention_and_masks_survives() -> None:
    """Infinite constants, expressions of sizes, and an operator that draws lots in training."""

    class Attention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = torch.nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows = x.reshape(x.shape[0], 8, 8)
            mask = torch.full((8, 8), float("-inf")).triu(1)
            found: torch.Tensor = self.attention(rows, rows, rows, attn_mask=mask, need_weights=False)[0]
            return found.clamp(min=-float("inf")).flatten(1)

    found = read_export(files.exported(Attention().eval()))
    assert found.training == ()
    trained = read_export(files.exported(Attention().train()))
    assert "attention" in trained.training[0]
