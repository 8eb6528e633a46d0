"""A model in this process: what it says of itself, and what it answers inline and in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from ancile.core.errors import AncileError
from ancile.serve import embedded
from ancile.serve.backend import Outcome
from ancile.serve.embedded import Embedded, model_name
from ancile.serve.inference import Infer, Wanted
from ancile.serve.refusal import Refused
from ancile.serve.tensors import Tensor
from tests.serve.small import W, linear


def asked(path: Path, infers: list[Infer]) -> list[Outcome]:
    """What comes back for each, asked one after another without waiting."""

    async def whole() -> list[Outcome]:
        model = Embedded(path, loop=asyncio.get_running_loop())
        (signature,) = model.signatures.values()
        found: dict[int, Outcome] = {}
        ready = asyncio.Event()

        def done(number: int) -> Callable[[Outcome], None]:
            def keep(outcome: Outcome) -> None:
                found[number] = outcome
                if len(found) == len(infers):
                    ready.set()

            return keep

        for number, infer in enumerate(infers):
            model.ask(infer, signature, done(number))
        await asyncio.wait_for(ready.wait(), 20)
        model.tick(0.0)
        model.close()
        return [found[number] for number in range(len(infers))]

    return asyncio.run(whole())


def rows(count: int, *wanted: str) -> Infer:
    x = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    return Infer(
        None, (Tensor("x", "FP32", x),), tuple(Wanted(one, binary=False) for one in wanted), binary=False
    )


@pytest.mark.parametrize("inline_seconds", [10.0, -1.0])
def test_answers_are_those_of_the_model_inline_and_in_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline_seconds: float
) -> None:
    monkeypatch.setattr(embedded, "INLINE_SECONDS", inline_seconds)
    (tmp_path / "line.onnx").write_bytes(linear())
    whole, named, wrong = asked(tmp_path / "line.onnx", [rows(5), rows(2, "scores"), rows(2, "nope")])
    for outcome, infer in ((whole, rows(5)), (named, rows(2))):
        assert isinstance(outcome, tuple)
        assert outcome[0].datatype == "FP32"
        assert np.allclose(outcome[0].array, infer.inputs[0].array.astype("f4") @ W)
    assert isinstance(wrong, Refused)
    assert wrong.status == 400


def test_more_than_the_threads_can_hold_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "INLINE_SECONDS", -1.0)
    monkeypatch.setattr(embedded, "WAITING", 3)
    (tmp_path / "line.onnx").write_bytes(linear())
    outcomes = asked(tmp_path / "line.onnx", [rows(1)] * 5)
    assert [one.status for one in outcomes if isinstance(one, Refused)] == [503, 503]


def test_a_model_of_strings_answers_with_bytes(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "same",
        [helper.make_tensor_value_info("x", onnx.TensorProto.STRING, ["n"])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.STRING, ["n"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "same.onnx").write_bytes(model.SerializeToString())
    texts = np.empty(2, dtype=object)
    texts[:] = ["Grüße".encode(), b""]
    (outcome,) = asked(
        tmp_path / "same.onnx", [Infer(None, (Tensor("x", "BYTES", texts),), (), binary=False)]
    )
    assert isinstance(outcome, tuple)
    assert outcome[0].array.tolist() == texts.tolist()


def test_a_model_that_fails_on_an_input_is_told_without_its_words(tmp_path: Path) -> None:
    (tmp_path / "line.onnx").write_bytes(linear())
    x = Tensor("x", "FP32", np.zeros((1, 3), np.float32))
    (outcome,) = asked(tmp_path / "line.onnx", [Infer(None, (x,), (), binary=False)])
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.why) == (500, "the model fails on this input")


def test_a_model_without_plain_tensors_and_one_that_reaches_outside_are_refused(tmp_path: Path) -> None:
    sequence = helper.make_tensor_sequence_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        "sequence",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n"])],
        [sequence],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "sequence.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(AncileError, match="no plain tensors"):
        asked(tmp_path / "sequence.onnx", [])
    (tmp_path / "broken.onnx").write_bytes(linear()[:60])
    with pytest.raises(AncileError):
        asked(tmp_path / "broken.onnx", [])


@pytest.mark.parametrize(
    ("file", "name"), [("a b.onnx", "a_b"), ("Größe.onnx", "Gr__e"), ("x" * 200 + ".onnx", "x" * 128)]
)
def test_a_model_is_named_by_its_file_in_characters_that_a_path_has(file: str, name: str) -> None:
    assert model_name(Path(file)) == name
