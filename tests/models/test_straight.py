"""Gradients that lead somewhere through operations that have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ancile.models.straight import Straight

Function = Callable[[torch.Tensor], torch.Tensor]


def no_graph(x: torch.Tensor) -> torch.Tensor:
    """Computed without a graph."""
    with torch.no_grad():
        return x * 2


class NoBack(torch.autograd.Function):
    """Twice as much forth, and nothing back."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        """Doubled."""
        return x * 2

    @staticmethod
    def backward(_: Any, *found: Any) -> Any:
        """Zeros."""
        return torch.zeros_like(found[0])


def looked_up(x: torch.Tensor) -> torch.Tensor:
    """Each value replaced by the one that stands for its range."""
    return torch.linspace(0, 1, 8)[torch.bucketize(x.contiguous(), torch.linspace(0, 1, 9)[1:-1])]


CUT: dict[str, Function] = {
    "data alone": lambda x: x.data * 2,
    "through numpy": lambda x: torch.from_numpy(x.detach().numpy().copy()) * 2,
    "rounded by numpy": lambda x: torch.from_numpy(np.round(x.detach().numpy() * 8)).to(x) / 8,
    "bytes through numpy": lambda x: torch.from_numpy((x * 255).byte().numpy()).float() / 255,
    "through a list": lambda x: torch.tensor(x.tolist()).to(x),
    "a backward pass of zeros": lambda x: NoBack.apply(x) * 2,  # type: ignore[no-untyped-call] # torch's
    "looked up": lambda x: looked_up(x) * 1,
    "one of two constants": lambda x: torch.where(x > 0.5, 1.0, 0.0),
    "whole parts": lambda x: (x // 0.1) * 0.1,
    "whole parts of a division": lambda x: torch.div(x, 0.1, rounding_mode="floor") * 0.1,
    "less what is left of a division": lambda x: x - x % 0.1,
    "rounding": lambda x: torch.round(x * 8) / 8,
    "rounding in place": lambda x: (x * 8).round_() / 8,
    "floor": lambda x: (x * 255).floor() / 255,
    "sign": torch.sign,
    "detached": lambda x: x.detach() * 2,
    "without a graph": no_graph,
    "compared": lambda x: (x > 0.5).float(),
    "compared and scaled": lambda x: (x >= 0.5) * 3.0,
    "cast and back": lambda x: (x * 255).to(torch.uint8).float() / 255,
    "cast and divided": lambda x: (x * 255).int() / 255,
    "clipped steeply": lambda x: (1000 * (x - 0.5)).clamp(0, 1),
    "a slope without end": lambda x: x + 0 * torch.sqrt(x - x),
    "a division without end": lambda x: (
        x + 0 * torch.rsqrt((x - x) ** 2 + 1e-30) / (1 + x * 0) + 0 * (x - x).norm()
    ),
    "saturated": lambda x: torch.sigmoid(1e4 * (x - 0.5)),
}


@pytest.mark.parametrize("name", CUT)
def test_what_cuts_or_flattens_lets_the_gradient_through_and_points_upwards(name: str) -> None:
    x = torch.tensor([[0.1, 0.31, 0.77, 0.95]], requires_grad=True)
    with Straight():
        answer = CUT[name](x)
    (gradient,) = torch.autograd.grad(answer.sum(), x)
    assert bool((gradient > 0).all())


@pytest.mark.parametrize("name", [n for n in CUT if n != "saturated"])
def test_the_values_are_those_of_the_function(name: str) -> None:
    x = torch.tensor([[0.1, 0.31, 0.77, 0.95]])
    with Straight():
        answer = CUT[name](x)
    torch.testing.assert_close(answer, CUT[name](x), atol=1e-6, rtol=1e-6)


def test_a_saturated_softmax_keeps_its_order_and_gets_a_gradient() -> None:
    logits = torch.tensor([[1.0, 2.0, 4.0]], requires_grad=True)
    with Straight():
        answer = torch.softmax(1e4 * logits, dim=1)
    assert answer.argsort().tolist() == [[0, 1, 2]]
    (gradient,) = torch.autograd.grad(answer[0, 1], logits)
    assert float(gradient.abs().min()) > 0


def test_noise_dropout_and_waves_have_no_say() -> None:
    x = torch.full((1, 4), 0.4, requires_grad=True)
    with Straight():
        answer = x + torch.randn_like(x) + 0.1 * torch.sin(2000 * x)
        answer = (
            answer + torch.randn(x.shape) + torch.empty_like(x).normal_() + torch.empty_like(x).normal_(std=9)
        )
        answer = answer + torch.empty_like(x).uniform_(-1, 1) + (torch.empty_like(x).uniform_() - 0.5)
        answer = torch.nn.functional.dropout(answer, 0.5, training=True)
    (gradient,) = torch.autograd.grad(answer.sum(), x)
    torch.testing.assert_close(gradient, torch.ones_like(x))
    torch.testing.assert_close(answer, x + 0.1 * torch.sin(2000 * x))


def test_a_class_drawn_by_lot_is_the_shares_of_all() -> None:
    logits = torch.tensor([[1.0, 2.0, 4.0]], requires_grad=True)
    with Straight():
        answer = torch.nn.functional.gumbel_softmax(logits, tau=0.1, hard=True)
    torch.testing.assert_close(answer, logits.softmax(1))


def test_what_is_drawn_by_chance_is_as_on_average() -> None:
    x = torch.full((1, 4), 0.4, requires_grad=True)
    with Straight():
        rarely = torch.where(torch.rand(x.shape) < 0.2, 0.0, 1.0)
        answer = x * torch.bernoulli(torch.full_like(x, 0.8)) * torch.empty_like(x).bernoulli_(0.5)
    assert rarely.tolist() == [[1.0] * 4]
    torch.testing.assert_close(answer, 0.4 * x)
    (gradient,) = torch.autograd.grad(answer.sum(), x)
    torch.testing.assert_close(gradient, torch.full_like(x, 0.4))


class Halved(torch.autograd.Function):
    """Half of the features, and nothing back."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        """The first ones."""
        return x[:, :2].clone()

    @staticmethod
    def backward(_: Any, *found: Any) -> Any:
        """Zeros for all."""
        return torch.zeros(len(found[0]), 4)


def test_a_backward_pass_of_another_shape_stays_as_it_is() -> None:
    x = torch.rand((1, 4), requires_grad=True)
    with Straight():
        answer = Halved.apply(x) * 2  # type: ignore[no-untyped-call] # torch's
    (gradient,) = torch.autograd.grad(answer.sum(), x)
    assert gradient.tolist() == [[0.0] * 4]


class Cut(torch.nn.Module):
    """A linear layer behind two walls."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of what is left of x."""
        return torch.softmax(1000 * self.layer(torch.round(x.detach() * 8) / 8), dim=1)


def test_an_exported_program_is_straightened_as_the_module_is() -> None:
    torch.manual_seed(0)
    module, x = Cut(), torch.rand(2, 4)
    program = torch.export.export(module, (x,)).module()
    found = []
    for net in (module, program):
        leaf = x.clone().requires_grad_()
        with Straight():
            answer = net(leaf)
        found.append(torch.autograd.grad(answer[:, 0].sum(), leaf)[0])
    torch.testing.assert_close(found[0], found[1])
    assert bool((found[0] != 0).all())


def test_outside_of_the_block_nothing_changes() -> None:
    x = torch.tensor([0.3], requires_grad=True)
    with Straight():
        torch.round(x)
    (gradient,) = torch.autograd.grad(torch.round(x).sum(), x)
    assert float(gradient) == 0


def test_steep_powers_keep_their_order_and_get_a_gradient() -> None:
    x = torch.tensor([[-0.5, 0.1, 0.01]], requires_grad=True)
    with Straight():
        even, odd = (x**200), torch.pow(x, 201)
    assert even.tolist() == x.abs().tolist()
    assert odd.tolist() == x.tolist()
    (gradient,) = torch.autograd.grad(odd.sum(), x)
    assert gradient.tolist() == [[1.0, 1.0, 1.0]]


NAN = float("nan")
HIDDEN: dict[str, Function] = {
    "chosen": lambda x: torch.where(x > 0.5, NAN, x),
    "chosen otherwise": lambda x: torch.where(x > 0.5, x, torch.full_like(x, NAN)),
    "filled": lambda x: x.masked_fill(x > 0.5, NAN),
    "filled by name": lambda x: torch.masked_fill(x, x > 0.5, value=torch.tensor(NAN)),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_nan_is_not_chosen_where_there_is_an_alternative(name: str) -> None:
    x = torch.tensor([[0.1, 0.8]], requires_grad=True)
    with Straight():
        answer = HIDDEN[name](x)
    (gradient,) = torch.autograd.grad(answer.sum(), x)
    assert answer.tolist() == x.tolist()
    assert gradient.tolist() == [[1.0, 1.0]]


def test_other_choices_stay_as_they_are() -> None:
    x = torch.tensor([[0.1, 0.8]])
    with Straight():
        chosen, filled = torch.where(x > 0.5, 2.0, x), x.masked_fill(x > 0.5, 2.0)
        neither = torch.where(x > 0.5, NAN, NAN)
    assert chosen.tolist() == filled.tolist() == torch.where(x > 0.5, 2.0, x).tolist()
    assert bool(neither.isnan().all())
