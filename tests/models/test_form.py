"""The form for a search is faster or the network's own, answers nearly alike, and can be had again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from ancile.core.errors import AncileError
from ancile.models import tuned
from ancile.models.form import Form, search_form
from ancile.models.model import GradientModel
from ancile.models.network import Network
from ancile.models.opener import open_model
from ancile.models.request import ModelRequest
from ancile.models.torch_module import torch_model
from ancile.models.tuned import clock_for, fastest, formed
from tests.models import files, foreign

X = foreign.images(20)[:, None]
T = torch.from_numpy(X)


class Costs(nn.Module):
    """A linear network whose passes move a clock as a table says, so that a trial is no matter of chance."""

    ticks = 0.0

    def __init__(self, costs: dict[str, float], *, each_call: float = 0.0, off: float = 0.0) -> None:
        super().__init__()
        self.line = nn.Linear(64, 3)
        self.costs, self.each_call, self.off = costs, each_call, off

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        kind = str(x.dtype).removeprefix("torch.") + (" last" if last else "")
        Costs.ticks += self.costs.get(kind, 1.0) * len(x) + self.each_call
        found: torch.Tensor = self.line(x.flatten(1))
        return found if x.dtype == torch.float32 else found + self.off


def trial(net: nn.Module, sample: torch.Tensor = T, *, seconds: float = 1e9, lower: bool = True) -> Form:
    network = Network(net, None, torch.device("cpu"), torch.float32, None, None)
    return fastest(network, sample, seconds=seconds, lower=lower, clock=lambda: Costs.ticks)[1]


def total(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 1].sum() - logits[:, 0].sum()


@pytest.mark.parametrize(
    ("cost", "wins"), [(0.5, "bfloat16"), (0.66, "bfloat16"), (0.68, "float32"), (5.0, "float32")]
)
def test_a_lower_precision_has_to_win_clearly(cost: float, wins: str) -> None:
    found = trial(Costs({"bfloat16": cost}))
    assert (found.precision, found.layout) == (wins, "contiguous")
    assert found.plain_seconds == pytest.approx(1.0)
    assert found.seconds == pytest.approx(cost if wins == "bfloat16" else 1.0)


def test_a_precision_that_answers_otherwise_is_none() -> None:
    assert trial(Costs({"bfloat16": 0.1}, off=0.2)).precision == "float32"
    assert trial(Costs({"bfloat16": 0.1})).difference < 0.03


def test_no_lower_precision_is_tried_where_none_may_be() -> None:
    assert trial(Costs({"bfloat16": 0.1}), lower=False).precision == "float32"


def test_the_largest_batch_of_those_that_cost_as_little_is_taken() -> None:
    assert trial(Costs({}, each_call=100.0)).batch == 512
    assert trial(Costs({})).batch == 512
    assert trial(Costs({}), seconds=0.0).batch == 128


def test_large_samples_get_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)[:, :3]

    monkeypatch.setattr(tuned, "BATCH_BYTES", 1 << 20)
    wide = torch.zeros(1, (1 << 20) // 4 // 5)
    assert trial(Mean(), wide).batch == 5


def test_the_same_network_answers_nearly_alike_in_its_form_and_counts_there() -> None:
    net = files.network()
    model = torch_model(net, probe=X)
    before = [one.clone() for one in net.parameters()]
    for form in (None, Form(precision="float32", layout="channels-last"), Form(precision="bfloat16")):
        found = search_form(model, T, form=form)
        start = model.usage.backwards
        answer, own = found.model.gradient(T, total), model.gradient(T, total)
        assert model.usage.backwards == start + 2 * len(T)
        assert found.model.usage is model.usage
        assert answer.gradient.dtype == answer.logits.dtype == torch.float32
        assert (answer.logits - own.logits).abs().mean() < 0.03 * own.logits.abs().mean()
        assert (
            torch.nn.functional.cosine_similarity(answer.gradient.flatten(), own.gradient.flatten(), dim=0)
            > 0.99
        )
        assert form is None or found.form == form
    assert all(torch.equal(*pair) for pair in zip(before, net.parameters(), strict=True))
    assert all(one.requires_grad for one in net.parameters())


def test_a_float64_network_may_be_searched_in_float32() -> None:
    model = torch_model(files.network().double(), probe=X)
    found = search_form(model, T.double(), form=Form(precision="float32"))
    assert found.model.dtype == torch.float64
    assert found.model.logits(T.double()).dtype == torch.float64


def test_probabilities_are_searched_in_full_precision() -> None:
    ends = nn.Sequential(files.network(), nn.Softmax(dim=1)).eval()
    assert search_form(torch_model(ends, probe=X), T).form.precision == "float32"


def test_a_network_that_cannot_be_copied_is_searched_as_it_is() -> None:
    class Single(nn.Module):
        def __deepcopy__(self, memo: object) -> object:
            raise TypeError("there is one")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 7 * x.flatten(1)[:, :3]

    net = Single()
    found = search_form(torch_model(net, probe=X), T)
    assert (found.form.precision, found.form.layout) == ("float32", "contiguous")
    network = Network(net, None, torch.device("cpu"), torch.float32, None, None)
    assert formed(network, Form(precision="float32")).net is net
    with pytest.raises(AncileError, match="cannot be brought into another form"):
        formed(network, Form(precision="bfloat16"))


def test_a_cut_graph_met_while_searching_is_known_to_the_model() -> None:
    class Cut(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 9 * x.detach().flatten(1)[:, :3]

    model = torch_model(Cut(), probe=X)
    search_form(model, T).model.gradient(T, total)
    assert model.graph_broken


def test_a_model_without_forms_is_searched_as_it_is() -> None:
    class Fixed:
        """A model of somebody else's."""

        dtype = torch.float64

    model: GradientModel = Fixed()  # type: ignore[assignment]  # only its type is asked for
    found = search_form(model, T)
    assert (found.model, found.form) == (model, Form(precision="float64"))


@pytest.mark.slow
def test_the_child_tries_and_holds_several_forms(tmp_path: Path) -> None:
    foreign.folder_with(tmp_path, net=foreign.NET)
    with open_model(ModelRequest(reference="net.py:build", base=tmp_path), X) as opened:
        model = cast("GradientModel", opened.model)  # white-box by its traits
        tried = search_form(model, T, seconds=0.1)
        exact = search_form(model, T, form=Form(precision="float32"))
        rough = search_form(model, T, form=Form(precision="bfloat16"))
        own = model.gradient(T, total)
        assert tried.form.plain_seconds > 0
        assert (exact.form.precision, rough.form.precision) == ("float32", "bfloat16")
        torch.testing.assert_close(exact.model.gradient(T, total).gradient, own.gradient)
        assert not torch.equal(rough.model.gradient(T, total).gradient, own.gradient)
        np.testing.assert_allclose(exact.model.scores(X), model.scores(X), atol=1e-6)
        assert model.usage.backwards == 3 * len(X)
        assert model.usage is rough.model.usage
        with pytest.raises(AncileError, match="fails"):
            search_form(model, T[:0])


def test_a_form_survives_being_kept() -> None:
    form = Form(precision="bfloat16", layout="channels-last", batch=64, seconds=0.25, plain_seconds=0.5)
    assert msgspec.convert(msgspec.to_builtins(form), Form) == form


def test_time_on_a_device_is_taken_when_its_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    device = torch.device("cuda")
    assert clock_for(device)() <= clock_for(device)()
    assert waited == [device, device]
    assert clock_for(torch.device("cpu")) is time.process_time
