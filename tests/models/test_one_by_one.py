"""What takes one sample at a time is asked for each by itself, answers as in batches, and is said to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ancile.core.errors import AncileError
from ancile.models.answers import ONE_BY_ONE
from ancile.models.in_process import model_here
from ancile.models.order import Order
from ancile.models.torch_module import torch_model
from ancile.models.wrap import function_model, network_model

X = np.random.default_rng(0).random((12, 4, 4)).astype(np.float32)


class Single(torch.nn.Module):
    """A network of one layer that is written for a batch of one."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.line = torch.nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, 3), or (3,) of the kind ``flat``."""
        if self.kind == "asserts" and len(x) != 1:
            raise ValueError("a batch of one, please")
        found: torch.Tensor = self.line(x.reshape(-1) if self.kind == "flat" else x.reshape(1, -1))
        return found


def wanted() -> NDArray[np.float32]:
    line = Single("view").line
    return np.asarray(line(torch.from_numpy(X).flatten(1)).detach().numpy())


@pytest.mark.parametrize("kind", ["view", "flat", "asserts"])
def test_a_network_for_one_sample_answers_many_and_has_their_gradients(kind: str) -> None:
    for model in (torch_model(Single(kind).eval(), probe=X), model_here(Single(kind).eval(), X[:1]).model):
        np.testing.assert_allclose(model.scores(X), wanted(), atol=1e-6)
        assert model.traits.access == "white-box"
        assert ONE_BY_ONE in model.traits.notes
        assert not any("train mode" in note for note in model.traits.notes)
    white = torch_model(Single(kind), probe=X)
    slope = white.gradient(torch.from_numpy(X), lambda logits: logits[:, 1].sum()).gradient
    row = Single(kind).line.weight[1].reshape(4, 4)
    torch.testing.assert_close(slope, row.expand(12, 4, 4))


def test_a_network_for_one_sample_finds_its_layout_in_the_child() -> None:
    ready = network_model(Single("asserts"), Order(kind="code"), X, kind="torch")
    np.testing.assert_allclose(ready.model.scores(X), wanted(), atol=1e-6)
    assert ONE_BY_ONE in ready.model.traits.notes


def test_a_network_of_batches_is_given_batches_whatever_its_layout() -> None:
    """A convolution takes (1, h, w) for a sample without a batch; it is the last thing that is tried."""
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    ready = network_model(net, Order(kind="code"), X, kind="torch")
    assert ONE_BY_ONE not in ready.model.traits.notes
    assert ready.model.scores(X).shape == (12, 3)


def single(answer: Callable[[NDArray[Any]], Any]) -> Callable[[NDArray[Any]], Any]:
    def asked(x: NDArray[Any]) -> Any:
        if len(x) != 1:
            raise ValueError("a batch of one, please")
        return answer(x)

    return asked


ANSWERS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "row": lambda x: x.reshape(1, -1)[:, :3],
    "flat row": lambda x: x.reshape(-1)[:3],
    "label": lambda x: int(x.reshape(-1)[:3].argmax()),
    "labels": lambda x: np.array([x.reshape(-1)[:3].argmax()]),
    "word": lambda x: "abc"[int(x.reshape(-1)[:3].argmax())],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_function_for_one_sample_answers_many(name: str) -> None:
    rows = X.reshape(12, -1)[:, :3]
    call, names = single(ANSWERS[name]), ("a", "b", "c")
    there = function_model(call, Order(kind="code", names=names, classes=3), X, kind="callable")
    for model in (model_here(call, X, classes=3, names=names).model, there.model):
        found = model.scores(X)
        np.testing.assert_allclose(found, rows if "row" in name else np.eye(3)[rows.argmax(1)], atol=1e-6)
        assert model.traits.access == ("scores" if "row" in name else "labels")
    assert ONE_BY_ONE in (*there.notes, *there.model.traits.notes)
    assert ONE_BY_ONE in model_here(call, X, classes=3, names=names).model.traits.notes


def test_what_fails_on_one_sample_too_is_told_as_it_fails_on_many() -> None:
    def broken(x: NDArray[Any]) -> Any:
        raise ValueError(f"{len(x)} samples are not to my taste")

    with pytest.raises(AncileError, match="12 samples are not to my taste"):
        model_here(broken, X)
    with pytest.raises(AncileError, match="12 samples are not to my taste"):
        function_model(broken, Order(kind="code"), X, kind="callable")
