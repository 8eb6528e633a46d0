"""Where an answer stands still, the last scores inside that decide as it does are found and read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

from ancile.core.errors import AncileError
from ancile.models.form import Form
from ancile.models.torch_module import torch_model

Function = Callable[[torch.Tensor], torch.Tensor]
X = torch.rand(40, 6, generator=torch.Generator().manual_seed(3))
SLOPE = torch.randn(4, 4, generator=torch.Generator().manual_seed(2))
INSIDE = Form(precision="float32", straight=True, inside=True)


class Behind(torch.nn.Module):
    """A linear network of four classes with something behind it."""

    def __init__(self, after: Function, sign: float = 1.0) -> None:
        super().__init__()
        self.layer, self.after, self.sign = torch.nn.Linear(6, 4), after, sign
        drawn = torch.Generator().manual_seed(1)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(4, 6, generator=drawn))
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        return self.after(self.sign * self.layer(x))


def hot(z: torch.Tensor) -> torch.Tensor:
    """One for the highest."""
    return functional.one_hot(z.argmax(1), 4).float()


def through_numpy(z: torch.Tensor) -> torch.Tensor:
    """One for the highest, by numpy."""
    return torch.from_numpy(np.eye(4, dtype=np.float32)[z.detach().numpy().argmax(1)])


def in_place(z: torch.Tensor) -> torch.Tensor:
    """Scores written to after the choice."""
    places, out = z.argmax(1), torch.zeros(len(z), 4)
    out[torch.arange(len(z)), places] = 1.0
    return out


FLAT: dict[str, Function] = {
    "one-hot": hot,
    "by numpy": through_numpy,
    "written in place": in_place,
    "rounded shares": lambda z: torch.round(z.softmax(1), decimals=1),
    "ranks": lambda z: z.argsort(1).argsort(1).float(),
    "one-hot beside a slope that tells nothing": lambda z: 9 * hot(z) + torch.tanh(z @ SLOPE) / 5,
    "sure beyond all doubt": lambda z: (torch.softmax(1e6 * z, 1) > 0.5).float(),
}


def inside(net: torch.nn.Module) -> torch.Tensor:
    """The scores that are searched on, with a gradient on the input to look at."""
    search = torch_model(net, probe=X.numpy()).search_form(X, form=INSIDE).model
    found = search.gradient(X, lambda logits: (logits[:, 0] - logits[:, 1]).sum())
    assert bool(found.gradient.any(dim=1).all())
    assert search.traits.output == "logits"
    torch.testing.assert_close(search.logits(X), found.logits)
    return found.logits


@pytest.mark.parametrize("name", FLAT)
def test_behind_a_flat_answer_scores_are_found_that_decide_as_it_does(name: str) -> None:
    net = Behind(FLAT[name])
    found = inside(net)
    assert bool((found.argmax(1) == net(X).argmax(1)).float().mean() > 0.9)
    assert len(set(found.flatten().tolist())) > 100


def test_where_the_nearest_wins_distances_are_read_turned_round() -> None:
    net = Behind(lambda d: functional.one_hot(d.argmin(1), 4).float())
    found = inside(net)
    torch.testing.assert_close(found, -net.layer(X))


def test_behind_a_rounded_input_and_a_flat_answer_too() -> None:
    net = Behind(hot)
    net.register_forward_pre_hook(lambda _, given: (given[0] * 8).round() / 8)
    assert len(set(inside(net).flatten().tolist())) > 100


def test_of_two_that_decide_alike_the_one_is_read_that_does_so_beside_a_change_of_class() -> None:
    """A second head, bent a little: on samples it agrees, where the answer changes it does not."""
    net = Behind(lambda z: 3 * hot(z) + (z + 0.3 * torch.sin(9 * z.roll(1, 1))).softmax(1))
    torch.testing.assert_close(inside(net), net.layer(X))


class OneByOne(Behind):
    """Sample after sample."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        return torch.cat([self.after(self.layer(one[None])) for one in x])


def test_samples_that_go_through_one_by_one_are_read_so() -> None:
    net = OneByOne(hot)
    torch.testing.assert_close(inside(net), net.layer(X))
    search = torch_model(net, probe=X.numpy()).search_form(X, form=INSIDE).model
    torch.testing.assert_close(search.logits(X[:1]), net.layer(X[:1]))


def test_an_answer_that_moves_is_not_searched_elsewhere() -> None:
    for after in (lambda z: z, lambda z: z.softmax(1), lambda z: z * 3 + 1):
        with pytest.raises(AncileError, match="no scores inside"):
            torch_model(Behind(after), probe=X.numpy()).search_form(X, form=INSIDE)


def test_a_pass_that_takes_another_way_answers_with_its_answer() -> None:
    """Fewer tensors than there were: nothing to read."""

    def after(z: torch.Tensor) -> torch.Tensor:
        return hot(z * 1.0 + 0.0) if len(z) != 3 else torch.zeros(len(z), 4)

    search = torch_model(Behind(after), probe=X.numpy()).search_form(X, form=INSIDE).model
    assert not search.logits(X[:3]).any()
