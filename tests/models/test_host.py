"""What runs in the child, run in this process on a real channel: each kind opens, each request is answered."""

from __future__ import annotations

import pickle
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import joblib  # type: ignore[import-untyped]  # it has none
import lightgbm
import msgspec
import numpy as np
import pytest
import skops.io
import torch
import xgboost
from numpy.typing import NDArray
from safetensors.torch import save
from sklearn.linear_model import LogisticRegression

from ancile.core.errors import AncileError
from ancile.models.blocks import array_of, block_of
from ancile.models.host import serve
from ancile.models.kinds import OPENERS, open_kind
from ancile.models.order import Asked, Opened, Order
from ancile.models.torch_export import _require_operators
from ancile.models.touched import files_touched
from ancile.models.weights import OLDEST, safe_torch
from ancile.work.entry import begin
from ancile.work.frames import Frame, decoded, receive, send, text_block
from tests.models import files, foreign

X = foreign.images(6)
OF_THE_MODEL = msgspec.msgpack.encode(Asked())


class Hosted:
    """A host in a thread, and our end of its channel."""

    def __enter__(self) -> Self:
        self.channel, theirs = socket.socketpair()
        self.theirs, self.number = theirs, 0
        self.thread = threading.Thread(target=serve, args=(theirs,))
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.channel.close()
        self.thread.join()
        self.theirs.close()

    def ask(
        self,
        word: str,
        *arrays: NDArray[np.generic],
        body: bytes = OF_THE_MODEL,
        parts: tuple[bytes, ...] = (),
    ) -> Frame:
        self.number += 1
        blocks = (*map(text_block, parts), *map(block_of, arrays))
        send(self.channel, Frame(self.number, word, body, blocks))
        answer = receive(self.channel, limit_bytes=1 << 30)
        assert answer.number == self.number
        return answer

    def open(self, order: Order, *parts: bytes, probe: NDArray[np.float32] = X) -> Opened:
        answer = self.ask("open", probe, body=msgspec.msgpack.encode(order), parts=parts)
        assert answer.word == "opened", decoded(answer.body, tuple[str, str, str])
        return decoded(answer.body, Opened)


def fault(answer: Frame) -> str:
    assert answer.word == "fault"
    return " ".join(decoded(answer.body, tuple[str, str, str]))


def floats(answer: Frame) -> NDArray[np.generic]:
    return array_of(answer, 0, dtype=answer.blocks[0].shape.dtype, axes=None)


@pytest.fixture
def clean() -> Iterator[None]:
    """What imported code leaves behind in this process is taken away."""
    meta, path, modules = list(sys.meta_path), list(sys.path), set(sys.modules)
    yield
    sys.meta_path[:], sys.path[:] = meta, path
    for name in set(sys.modules) - modules:
        if name.startswith("model_code"):
            del sys.modules[name]


def code(name: str, module: str, **more: object) -> Order:
    return Order(kind="code", name=name, module=module, path="/nowhere/net.py", **more)  # type: ignore[arg-type]  # as the test gives them


@pytest.mark.usefixtures("clean")
def test_a_gradient_is_two_exchanges_and_may_be_abandoned_between_them() -> None:
    with Hosted() as host:
        opened = host.open(code("build", "model_code_a"), foreign.NET.encode())
        assert (opened.kind, opened.access, opened.classes) == ("torch", "white-box", 4)
        logits = floats(host.ask("gradient", X))
        np.testing.assert_array_equal(floats(host.ask("logits", X)), logits)  # the pull never came
        host.ask("gradient", X)
        answer = host.ask("pull", np.ones((6, 4), dtype=np.float32))
        assert (answer.word, decoded(answer.body, bool), floats(answer).shape) == (
            "gradient",
            False,
            (6, 8, 8),
        )
        host.ask("gradient", X)
        # A fault in the second half answers the second request: nobody waits for the first any more
        assert "must match the size" in fault(host.ask("pull", np.ones((5, 4), dtype=np.float32)))
        assert floats(host.ask("scores", X)).shape == (6, 4)


@pytest.mark.usefixtures("clean")
def test_a_fault_is_told_and_the_host_goes_on() -> None:
    with Hosted() as host:
        assert "cannot answer that" in fault(host.ask("scores", X))
        assert "no such name" in fault(
            host.ask(
                "open",
                X,
                body=msgspec.msgpack.encode(code("no", "model_code_b")),
                parts=(foreign.NET.encode(),),
            )
        )
        host.open(code("scores", "model_code_c"), foreign.PREDICT.encode())
        assert "no floats" in fault(host.ask("scores", np.zeros((2, 8), dtype=np.int64)))
        assert "cannot answer that" in fault(host.ask("dance", X))
        assert "fails" in fault(host.ask("scores", X[:, 0, :1]))
        assert floats(host.ask("scores", X)).dtype == np.float64


def of_trees(kind: str) -> bytes:
    x, y = files.digits(100)
    if kind == "lightgbm":
        data = lightgbm.Dataset(x, y % 2)
        text: str = lightgbm.train({"objective": "binary", "verbosity": -1}, data, 1).model_to_string()
        return text.encode()
    return bytes(xgboost.XGBClassifier(n_estimators=1).fit(x, y).get_booster().save_raw("json"))


def of_linear(kind: str, folder: Path) -> bytes:
    x, y = files.digits(200)
    model = LogisticRegression().fit(x, y)
    if kind == "joblib":
        joblib.dump(model, folder / "m")
        return (folder / "m").read_bytes()
    return pickle.dumps(model) if kind == "pickle" else bytes(skops.io.dumps(model))


@pytest.mark.parametrize("kind", sorted(OPENERS.keys() - {"code"}))
def test_each_kind_opens_here_as_in_a_child(tmp_path: Path, kind: str) -> None:
    flat = kind in ("xgboost", "lightgbm", "skops", "pickle", "joblib")
    if kind in ("xgboost", "lightgbm"):
        data = of_trees(kind)
    elif flat:
        data = of_linear(kind, tmp_path)
    else:
        weights = np.ones((64, 3), dtype=np.float32)
        made: dict[str, Callable[[], bytes]] = {
            "torch-export": files.exported,
            "torchscript": files.scripted,
            "onnx": lambda: files.onnx_linear(weights, rows=4),
        }
        data = made[kind]()
    probe = files.digits(12)[0] if flat else X
    with Hosted() as host:
        opened = host.open(Order(kind=kind), data, probe=probe)  # type: ignore[arg-type]  # one of them
        assert opened.kind == {"skops": "sklearn", "pickle": "sklearn", "joblib": "sklearn"}.get(kind, kind)
        assert floats(host.ask("scores", probe)).shape == (len(probe), opened.classes)


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("torchscript", b"PK\x03\x04", "cannot load the TorchScript"),
        ("onnx", b"\x08\x01", "onnxruntime cannot load"),
        ("skops", b"PK\x05\x06" + bytes(18), "skops cannot load"),
        ("xgboost", b"{}", "XGBoost cannot load"),
        ("lightgbm", b"tree\nobjective=binary\n", "LightGBM file is damaged"),
        ("pickle", b"\x80\x02c", "pickle cannot be opened"),
        ("pickle", pickle.dumps(3), "is no model"),
        ("joblib", b"noise", "pickle cannot be opened"),
        ("torch-export", b"PK\x05\x06" + bytes(18), "root folder"),
    ],
)
def test_damaged_files_of_each_kind_are_known_errors(kind: str, data: bytes, words: str) -> None:
    with pytest.raises(AncileError, match=words):
        open_kind(Order(kind=kind), [data], X)  # type: ignore[arg-type]  # one of them


@pytest.mark.usefixtures("clean")
def test_weights_are_loaded_into_the_network_here_as_in_a_child() -> None:
    tensors = {
        name: one + 0.5 if one.is_floating_point() else one
        for name, one in files.network().state_dict().items()
    }
    source = b"import torch\nfrom torch import nn\ndef build():\n    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(108, 4))"
    found = []
    for kind, data in (("safetensors", save(tensors)), ("state-dict", files.saved(tensors))):
        ready = open_kind(code("build", f"model_code_{kind[:4]}", weights=kind), [source, data], X)
        found.append(ready.model.scores(X))
    np.testing.assert_array_equal(found[0], found[1])
    with pytest.raises(AncileError, match="no plain state dict"):
        open_kind(code("build", "model_code_d", weights="state-dict"), [source, files.saved([1])], X)
    with pytest.raises(AncileError, match="no plain state dict"):
        open_kind(code("build", "model_code_e", weights="state-dict"), [source, b"\x80\x02noise"], X)
    with pytest.raises(AncileError, match="safetensors file is damaged"):
        open_kind(
            code("build", "model_code_f", weights="safetensors"), [source, b"\x02" + bytes(7) + b"{}x"], X
        )
    with pytest.raises(AncileError, match="do not fit"):
        open_kind(
            code("build", "model_code_g", weights="safetensors"), [source, save({"a": torch.zeros(1)})], X
        )
    with pytest.raises(AncileError, match="weights are for"):
        open_kind(code("scores", "model_code_h", weights="safetensors"), [foreign.PREDICT.encode(), b""], X)


def test_a_torch_that_reads_weights_unsafely_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", f"{OLDEST[0]}.{OLDEST[1] - 1}.0+cpu")
    with pytest.raises(AncileError, match="unsafely"):
        safe_torch()


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit"),
        ("def (", "cannot be imported: SyntaxError"),
        ("predict = len", "numbers|rows|fails|one row"),
        (
            "class predict:\n    def __init__(self, **given): self.classes_ = [[1]]\n    def predict(self, x): return x",
            "is no classifier",
        ),
        ("class predict:\n    classes_ = [1]\n    def predict(self, x): return x", "knows one class"),
    ],
)
def test_code_that_is_no_model_is_a_known_error(source: str, words: str) -> None:
    with pytest.raises(AncileError, match=words):
        open_kind(code("predict", "model_code_i"), [source.encode()], X)


def test_files_that_are_read_inside_are_listed_and_none_outside(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", "/nowhere")
        with files_touched(besides=("", str(tmp_path / "b"))) as found:
            for name in ("a", "b", "a"):
                (tmp_path / name).read_text()
        (tmp_path / "c").read_text()
    assert found == [str(tmp_path / "a")]


def test_a_child_begins_by_giving_up_and_then_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of things: nothing is imported before the first answer."""
    monkeypatch.setattr("ancile.work.entry.confine", lambda asked: {"denied": asked.denied})
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=begin, args=(theirs, "ancile.models.host"))
        thread.start()
        send(ours, Frame(1, "confine", msgspec.msgpack.encode({"denied": ["/a"]})))
        assert decoded(receive(ours, limit_bytes=0).body, dict[str, list[str]]) == {"denied": ["/a"]}
        ours.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_program_of_fixed_rows_is_run_that_many_at_a_time() -> None:
    whole = open_kind(Order(kind="torch-export"), [files.exported()], X)
    fixed = open_kind(Order(kind="torch-export"), [files.exported(rows=4)], X)
    np.testing.assert_allclose(fixed.model.scores(X), whole.model.scores(X), atol=1e-6)


def test_a_program_that_torch_made_other_calls_of_is_refused() -> None:
    graph = torch.fx.Graph()
    graph.output(graph.call_function(torch.load, (graph.placeholder("x"),)))
    with pytest.raises(AncileError, match="something else than an operator"):
        _require_operators(torch.fx.GraphModule(torch.nn.Module(), graph))


def test_a_program_that_torch_cannot_load_is_a_known_error() -> None:
    program = files.graph_of(files.exported())
    program["schema_version"] = {"major": 99, "minor": 0}
    with pytest.raises(AncileError, match="torch cannot load the program"):
        open_kind(Order(kind="torch-export"), [files.with_graph(files.exported(), program)], X)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": 2}, "does not take one tensor"),
        ({"type": "INT64"}, "does not take one tensor"),
        ({"rank": 3}, "no output of scores"),
    ],
)
def test_an_onnx_model_of_another_form_is_refused(changes: dict[str, object], words: str) -> None:
    probe = X if changes.get("rank") != 3 else np.zeros((3, 8, 8, 8), dtype=np.float32)
    with pytest.raises(AncileError, match=words):
        open_kind(Order(kind="onnx"), [files.onnx_identity(**changes)], probe)  # type: ignore[arg-type]  # as given


def test_an_onnx_model_of_labels_is_known_as_such() -> None:
    ready = open_kind(Order(kind="onnx", classes=64), [files.onnx_labels()], X)
    assert ready.model.traits.access == "labels"
    np.testing.assert_array_equal(ready.model.scores(X).argmax(axis=1), X.reshape(6, 64).argmax(axis=1))


def test_an_onnx_model_that_fails_on_samples_is_a_known_error() -> None:
    weights = np.ones((63, 3), dtype=np.float32)
    with pytest.raises(AncileError, match=r"fails on the samples|cannot load"):
        open_kind(Order(kind="onnx"), [files.onnx_linear(weights)], X)


def test_an_estimator_with_labels_alone_is_asked_for_labels() -> None:
    source = foreign.PREDICT.encode()
    ready = open_kind(code("estimator", "model_code_j", output="labels"), [source], X)
    assert (ready.kind, ready.model.traits.access, ready.model.traits.classes) == ("sklearn", "labels", 3)
