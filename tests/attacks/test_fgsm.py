from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ancile.attacks.ball import NORMS, Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.fgsm import fgsm
from ancile.models.torch_module import torch_model
from tests.attacks.worlds import FAR, linear, world


@given(eps=st.floats(1e-3, 5), seed=st.integers(0, 2**31), scale=st.sampled_from([None, 0.5, 3.0]))
def test_fgsm_is_optimal_on_a_linear_model(eps: float, seed: int, scale: float | None) -> None:
    """On w.x + b the best Linf step lowers the margin by exactly eps * ||scale * w||_1."""
    w = np.random.default_rng(seed).normal(size=(1, 7))
    here = linear(w, np.array([0.1]), n=5, seed=seed)
    x_adv = fgsm(here.model, here.x, here.y, Constraint("linf", eps, -FAR, FAR, scale), here.rng)
    fallen = (here.net(here.x) - here.net(x_adv)).detach().numpy()[:, 0] * np.where(here.y == 1, 1, -1)
    assert np.allclose(fallen, eps * (scale or 1) * np.abs(w).sum(), rtol=1e-9)


@given(eps=st.floats(1e-3, 5), seed=st.integers(0, 2**31))
def test_the_l2_step_is_optimal_on_a_linear_model(eps: float, seed: int) -> None:
    """On w.x + b the best L2 step lowers the margin by exactly eps * ||w||_2."""
    w = np.random.default_rng(seed).normal(size=(1, 7))
    here = linear(w, np.array([0.1]), n=5, seed=seed)
    x_adv = fgsm(here.model, here.x, here.y, Constraint("l2", eps, -FAR, FAR), here.rng)
    fallen = (here.net(here.x) - here.net(x_adv)).detach().abs().numpy()[:, 0]
    assert np.allclose(fallen, eps * np.sqrt((w**2).sum()), rtol=1e-9)


@given(eps=st.floats(1e-3, 5), seed=st.integers(0, 2**31))
def test_the_l1_step_is_optimal_on_a_linear_model(eps: float, seed: int) -> None:
    """On w.x + b the best L1 step lowers the margin by exactly eps * max |w|."""
    w = np.random.default_rng(seed).normal(size=(1, 7))
    here = linear(w, np.array([0.1]), n=5, seed=seed)
    x_adv = fgsm(here.model, here.x, here.y, Constraint("l1", eps, -FAR, FAR), here.rng)
    fallen = (here.net(here.x) - here.net(x_adv)).detach().abs().numpy()[:, 0]
    assert np.allclose(fallen, eps * np.abs(w).max(), rtol=1e-9)


def test_fgsm_costs_one_forward_and_one_backward_a_sample() -> None:
    here = linear(np.eye(3), np.zeros(3), n=11)
    model = torch_model(here.net, probe=here.x.numpy())
    fgsm(model, here.x, here.y, Constraint("linf", 0.1, -FAR, FAR), here.rng)
    usage = model.usage
    assert (usage.forwards, usage.backwards, usage.queries) == (11, 11, 0)


@pytest.mark.parametrize("norm", NORMS)
def test_a_gradient_of_1e_30_still_has_a_direction(norm: Norm) -> None:
    """Its square is 0 in float32; a saturated network gives such gradients."""

    class Faint(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sum(dim=1) * -1e-30

    here = world(Faint(), torch.full((2, 3), 0.5))
    x_adv = fgsm(here.model, here.x, here.y, Constraint(norm, 3.0 if norm == "l0" else 0.1), here.rng)
    assert (x_adv <= here.x).all()
    assert (x_adv < here.x).any(dim=1).all()
