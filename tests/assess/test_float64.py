"""A network in float64 is asked in float64, whatever searches for examples."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from ancile.assess.evasion import Settings
from ancile.attacks.constraint import Constraint
from ancile.models.form import Form
from tests.assess.small import assessed, problem


class Strict(torch.nn.Module):
    """A linear layer that takes float64 alone."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        if x.dtype != torch.float64:
            raise TypeError(f"float64 is wanted, {x.dtype} came")
        return torch.as_tensor(self.net(x))


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 0.1), ("l1", 0.2), ("l0", 1.0)])
def test_all_that_searches_follows_the_type_of_the_network(
    norm: Literal["linf", "l2", "l1", "l0"], eps: float
) -> None:
    net, samples = problem(3, n=30)
    done = assessed(
        Strict(net),
        samples,
        eps,
        constraint=Constraint(norm, eps),
        settings=Settings(effort="quick", form=Form(precision="float64")),
    )
    assert done.result.faults == ()
    assert done.result.broken.any()
    assert done.result.x_adv.dtype == np.float32
    assert done.result.outside_count == 0
