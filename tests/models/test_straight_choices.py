"""The choice of a class has the slope of the scores that it was made from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from ancile.models.straight import Straight

Function = Callable[[torch.Tensor], torch.Tensor]
Z = torch.tensor([[0.1, 0.7, 0.3], [2.0, -1.0, 0.5]])

CHOICES: dict[str, Function] = {
    "one-hot of the highest": lambda z: functional.one_hot(z.argmax(1), 3).float(),
    "one-hot in whole numbers": lambda z: functional.one_hot(z.argmax(1), 3) * 1.0,
    "a row of the identity": lambda z: torch.eye(3)[z.argmax(1)],
    "rows of the identity selected": lambda z: torch.eye(3).index_select(0, z.argmax(1)),
    "an embedding of the class": lambda z: functional.embedding(z.argmax(1), torch.eye(3)),
    "filled in": lambda z: torch.zeros(2, 3).scatter_(1, z.argmax(1, keepdim=True), 1.0),
    "filled in at the place of the maximum": lambda z: torch.zeros(2, 3).scatter(
        1, z.max(1, keepdim=True).indices, 1.0
    ),
    "equal to the maximum": lambda z: (z == z.amax(1, keepdim=True)).float(),
    "the first of the best two": lambda z: functional.one_hot(z.topk(2, 1).indices[:, 0], 3).float(),
    "the best two": lambda z: functional.one_hot(z.topk(2, 1).indices, 3).float().sum(1),
    "the last when sorted": lambda z: functional.one_hot(z.sort(1).indices[:, -1], 3).float(),
    "ranks": lambda z: z.argsort(1).argsort(1).float(),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_rises_with_its_own_score_and_keeps_its_value(name: str) -> None:
    z = Z.clone().requires_grad_()
    with Straight():
        answer = CHOICES[name](z)
    torch.testing.assert_close(answer.detach(), CHOICES[name](Z))
    (gradient,) = torch.autograd.grad(answer[0, 1] - answer[0, 0], z)
    assert gradient[0, 1] > 0 > gradient[0, 0]
    assert not gradient[1].any()


def test_equal_to_another_number_is_nearer_from_both_sides() -> None:
    x = torch.tensor([0.2, 0.9], requires_grad=True)
    with Straight():
        answer = (x == 0.5).float()
    (gradient,) = torch.autograd.grad(answer.sum(), x)
    assert gradient[0] > 0 > gradient[1]


def test_a_place_that_no_scores_were_chosen_by_stays_a_table_entry() -> None:
    table = torch.eye(3)
    with Straight():
        answer = table[torch.tensor([0, 2])]
    assert not answer.requires_grad
