from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.models.torch_module import TorchModule, torch_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6))


class Does(torch.nn.Module):
    """A network that is a function."""

    def __init__(self, function: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def layer(classes: int, dtype: torch.dtype = torch.float64) -> torch.nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(classes)
        return torch.nn.Linear(6, classes, dtype=dtype)


def total(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 1].sum() - logits[:, 0].sum()


def test_a_plain_network_is_white_box_with_logits() -> None:
    net = layer(3)
    model = torch_model(net.eval(), probe=X)
    traits = model.traits
    assert (traits.access, traits.output, traits.classes, traits.kind) == ("white-box", "logits", 3, "torch")
    assert np.allclose(model.scores(X), net(torch.from_numpy(X)).detach().numpy())
    assert any("logits" in note for note in traits.notes)


@pytest.mark.parametrize("squeezed", [True, False])
def test_a_single_logit_is_two_classes_with_logits_0_and_it(squeezed: bool) -> None:
    line = layer(1)
    net = Does(lambda x: line(x).squeeze(1) if squeezed else line(x)).double()
    net.line = line
    model = torch_model(net, probe=X)
    assert (model.traits.classes, model.traits.output) == (2, "logits")
    scores = model.scores(X)
    assert (scores[:, 0] == 0).all()
    assert np.allclose(scores[:, 1], line(torch.from_numpy(X)).detach().numpy()[:, 0])
    gradient = model.gradient(torch.from_numpy(X), total).gradient
    assert torch.allclose(gradient, line.weight.expand(40, 6))


def test_a_single_probability_is_two_classes_and_its_logits_are_their_logarithms() -> None:
    line = layer(1)
    net = torch.nn.Sequential(line, torch.nn.Sigmoid())
    model = torch_model(net, probe=X)
    assert (model.traits.classes, model.traits.output) == (2, "probabilities")
    p = net(torch.from_numpy(X)).detach().numpy()[:, 0]
    assert np.allclose(model.scores(X), np.stack([1 - p, p], axis=1))
    x = torch.from_numpy(X)
    assert np.allclose(np.exp(model.logits(x).numpy()), model.scores(X))
    assert torch.allclose(model.gradient(x, total).gradient, line.weight.expand(40, 6))


def test_the_gradient_through_a_softmax_is_that_of_its_logits() -> None:
    """Differences of logits and of log-probabilities are the same function."""
    line = layer(4)
    ends = torch_model(torch.nn.Sequential(line, torch.nn.Softmax(dim=1)), probe=X)
    assert ends.traits.output == "probabilities"
    x = torch.from_numpy(X)
    assert torch.allclose(
        ends.gradient(x, total).gradient, torch_model(line, probe=X).gradient(x, total).gradient
    )


def test_a_probability_that_underflows_gives_finite_logits_and_gradients() -> None:
    line = layer(3, torch.float32)
    net = torch.nn.Sequential(line, torch.nn.Softmax(dim=1))
    model = torch_model(net, probe=X)
    far = torch.from_numpy(X).float() * 1e4
    assert model.scores(far.numpy()).min() == 0
    answer = model.gradient(far, total)
    assert torch.isfinite(answer.logits).all()
    assert torch.isfinite(answer.gradient).all()


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_timid_logits_within_0_and_1_are_not_taken_for_probabilities(classes: int) -> None:
    line = layer(classes)
    with torch.no_grad():
        line.weight.mul_(1e-2)
        line.bias.fill_(1.0 / max(2, classes))
    assert torch_model(line, probe=X[:2]).traits.output == "logits"


def test_a_network_that_refuses_enlarged_samples_is_judged_by_the_probe_alone() -> None:
    def picky(x: torch.Tensor) -> torch.Tensor:
        if x.abs().max() > 50:
            raise ValueError("out of range")
        return torch.softmax(x, dim=1)

    assert torch_model(Does(picky), probe=X).traits.output == "probabilities"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_follows_the_float_type_of_parameters_or_buffers(dtype: torch.dtype) -> None:
    assert torch_model(layer(2, dtype), probe=X).dtype == dtype
    norm = torch.nn.BatchNorm1d(6, affine=False).to(dtype)
    assert torch_model(norm.eval(), probe=X).dtype == dtype
    model = torch_model(layer(2, dtype), probe=X)
    assert model.gradient(torch.from_numpy(X).to(dtype), total).gradient.dtype == dtype
    assert model.device == torch.device("cpu")


def test_a_network_without_state_is_float32() -> None:
    assert torch_model(Does(lambda x: x), probe=X).dtype == torch.float32


def test_a_half_precision_network_is_refused_with_the_remedy() -> None:
    with pytest.raises(AncileError, match="float16") as caught:
        torch_model(layer(2).half(), probe=X)
    assert "net.float()" in caught.value.remedy


def test_answers_of_another_float_type_come_back_in_the_networks_own() -> None:
    model = torch_model(Does(lambda x: x.bfloat16()), probe=X)
    assert model.logits(torch.from_numpy(X).float()).dtype == torch.float32


def test_train_mode_is_noted_suspended_and_put_back() -> None:
    """Dropout would draw lots, a batch norm would learn from the attack."""
    frozen, dropout = torch.nn.BatchNorm1d(6).eval(), torch.nn.Dropout(0.5)
    net = torch.nn.Sequential(frozen, dropout, layer(2, torch.float32))
    model = torch_model(net, probe=X)
    before = frozen.running_mean.clone()  # type: ignore[union-attr]  # batch norm has one
    x = torch.from_numpy(X).float()
    first, second = model.gradient(x, total), model.gradient(x, total)
    assert torch.equal(first.gradient, second.gradient)
    assert (net.training, frozen.training, dropout.training) == (True, False, True)
    assert torch.equal(frozen.running_mean, before)  # type: ignore[arg-type]  # batch norm has one
    assert any("train mode" in note for note in model.traits.notes)


def test_the_mode_is_put_back_after_a_failure() -> None:
    net = torch.nn.Sequential(layer(2), torch.nn.Linear(3, 3))
    with pytest.raises(AncileError):
        torch_model(net, probe=X)
    assert net.training


def test_parameters_and_their_gradients_are_left_alone() -> None:
    net = layer(3)
    model = torch_model(net, probe=X)
    before = net.weight.clone()
    model.gradient(torch.from_numpy(X), total)
    assert net.weight.grad is None
    assert net.weight.requires_grad
    assert torch.equal(net.weight, before)


def test_a_network_that_writes_into_its_input_changes_no_sample() -> None:
    model = torch_model(torch.nn.Sequential(torch.nn.ReLU(inplace=True), layer(3)), probe=X)
    x, array = torch.from_numpy(X.copy()), X.copy()
    model.logits(x)
    model.scores(array)
    gradient = model.gradient(x, total).gradient
    assert np.array_equal(x.numpy(), X)
    assert np.array_equal(array, X)
    assert (gradient[x < 0] == 0).all()


def test_normalisation_lies_along_the_channels_of_images() -> None:
    images = RNG.uniform(size=(5, 3, 4, 4))
    model = torch_model(torch.nn.Flatten(), probe=images, mean=[0.1, 0.2, 0.3], std=[0.5, 1.0, 2.0])
    wanted = (images - np.array([0.1, 0.2, 0.3])[:, None, None]) / np.array([0.5, 1.0, 2.0])[:, None, None]
    assert np.allclose(model.scores(images), wanted.reshape(5, -1), atol=1e-6)


def test_normalisation_lies_along_the_features_of_rows() -> None:
    model = torch_model(Does(lambda x: x), probe=X, mean=X.mean(axis=0), std=X.std(axis=0))
    assert np.allclose(model.scores(X), (X - X.mean(axis=0)) / X.std(axis=0), atol=1e-6)


def test_prepare_brings_the_layout_and_gradients_come_back_in_the_data_s_own() -> None:
    conv = torch.nn.Conv2d(3, 2, 4).double()
    net = torch.nn.Sequential(conv, torch.nn.Flatten())
    images = RNG.uniform(size=(5, 4, 4, 3))
    model = torch_model(net, probe=images, prepare=lambda x: x.permute(0, 3, 1, 2))
    gradient = model.gradient(torch.from_numpy(images), total).gradient
    wanted = (conv.weight[1] - conv.weight[0]).permute(1, 2, 0)
    assert torch.allclose(gradient, wanted.expand(5, 4, 4, 3))


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: x.detach() @ torch.ones(6, 3),
        lambda x: torch.from_numpy(np.round(x.detach().numpy())),
        lambda x: x.data @ torch.ones(6, 3),
        lambda x: torch.ones(len(x), 3, requires_grad=True) * 1.0,
    ],
)
def test_a_broken_graph_gives_zeros_and_a_flag(cut: Callable[[torch.Tensor], torch.Tensor]) -> None:
    model = torch_model(Does(cut), probe=X)
    notes = len(model.traits.notes)
    before = model.graph_broken
    assert (model.gradient(torch.from_numpy(X).float(), total).gradient == 0).all()
    assert (before, model.graph_broken) == (False, True)
    assert len(model.traits.notes) == notes + 1


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_a_network_that_turns_gradients_off_inside_is_a_broken_graph(off: Callable[[], Any]) -> None:
    line = layer(3, torch.float32)

    def silent(x: torch.Tensor) -> Any:
        with off():
            return line(x)

    model = torch_model(Does(silent), probe=X)
    assert not model.logits(torch.from_numpy(X).to(model.dtype)).is_inference()
    assert (model.gradient(torch.from_numpy(X).to(model.dtype), total).gradient == 0).all()
    assert model.graph_broken


def test_gradients_are_to_be_had_under_a_callers_no_grad() -> None:
    model = torch_model(layer(3), probe=X)
    with torch.no_grad():
        assert (model.gradient(torch.from_numpy(X), total).gradient != 0).any()
    assert not model.graph_broken


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["scores", "logits", "gradient"]), max_size=6), st.integers(1, 5))
def test_samples_are_counted_exactly(calls: list[str], n: int) -> None:
    model = torch_model(layer(2), probe=X)
    x = torch.from_numpy(X[:n])
    for call in calls:
        if call == "scores":
            model.scores(X[:n])
        elif call == "logits":
            model.logits(x)
        else:
            model.gradient(x, total)
    usage = model.usage
    assert usage.queries == n * calls.count("scores")
    assert usage.forwards == n * (calls.count("logits") + calls.count("gradient"))
    assert usage.backwards == n * calls.count("gradient")


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (lambda x: (x, x), "one tensor of floating-point scores"),
        (lambda x: {"logits": x}, "one tensor of floating-point scores"),
        (lambda x: x.argmax(dim=1), "one tensor of floating-point scores"),
        (lambda x: x[:3], "one row of scores a sample"),
        (lambda x: x.unsqueeze(2), "one row of scores a sample"),
        (lambda x: x.sum(), "one row of scores a sample"),
        (lambda x: x[:, :0], "one row of scores a sample"),
        (lambda x: x * float("nan"), "answers NaN"),
        (lambda x: x @ x, "fails on samples of shape"),
        (lambda x: x.nothing, "fails on samples of shape"),
        (lambda x: len(x) // 0, "fails on samples of shape"),
    ],
)
def test_a_network_that_does_not_behave_is_refused_with_value_and_remedy(
    answer: Callable[[torch.Tensor], Any], what: str
) -> None:
    with pytest.raises(AncileError, match=what) as caught:
        torch_model(Does(answer), probe=X)
    assert caught.value.value
    assert caught.value.remedy


def test_a_network_that_answers_nan_now_and_then_is_opened_for_what_it_answers() -> None:
    def unsure(x: torch.Tensor) -> torch.Tensor:
        return torch.where((torch.arange(len(x)) == 0)[:, None], torch.nan, x)

    model = torch_model(Does(unsure), probe=X)
    assert model.traits.classes == X.shape[1]
    assert np.isnan(model.scores(X)).any(axis=1).sum() == 1


def test_a_failure_is_told_on_one_line_without_control_characters() -> None:
    def hostile(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("\x1b[2J\n::error::" + "x" * 10_000)

    with pytest.raises(AncileError) as caught:
        torch_model(Does(hostile), probe=X)
    assert caught.value.value.isprintable()
    assert len(caught.value.value) < 400


def test_a_backward_pass_that_fails_is_an_error_of_the_network() -> None:
    class Half(torch.autograd.Function):
        @staticmethod
        def forward(_ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(_ctx: Any, *_grads: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no derivative")

    blind = torch_model(Does(Half.apply), probe=X)
    assert blind.traits.access == "scores"
    assert "no derivative" in blind.traits.notes[-1]
    model = torch_model(Does(Half.apply), classes=6, output="logits")
    with pytest.raises(AncileError, match="backward pass fails"):
        model.gradient(torch.from_numpy(X).float(), total)


def test_a_network_that_leaves_torch_on_its_way_is_a_model_of_scores() -> None:
    """What numpy computes has no gradient, and torch refuses to hand it a tensor that wants one."""
    model = torch_model(Does(lambda x: torch.from_numpy(np.tanh(x.numpy()))), probe=X)
    assert (model.traits.access, model.graph_broken) == ("scores", False)
    assert "scores alone" in model.traits.notes[-1]
    assert np.allclose(model.scores(X), np.tanh(X), atol=1e-6)


def test_without_a_probe_classes_and_output_must_be_given() -> None:
    with pytest.raises(AncileError, match="are not known"):
        torch_model(layer(3), classes=3)
    with pytest.raises(AncileError, match="are not known"):
        torch_model(layer(3), output="logits")
    model: TorchModule = torch_model(layer(3), classes=3, output="logits")
    assert np.allclose(model.scores(X), torch_model(layer(3), probe=X).scores(X))


def test_a_network_that_changes_its_classes_is_refused() -> None:
    with pytest.raises(AncileError, match="another number of classes"):
        torch_model(layer(3), probe=X, classes=4)
    with pytest.raises(AncileError, match="changed its number of classes"):
        torch_model(layer(3), classes=4, output="logits").scores(X)
    with pytest.raises(AncileError, match="too few classes"):
        torch_model(layer(1), classes=1, output="logits")
