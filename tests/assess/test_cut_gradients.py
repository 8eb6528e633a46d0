"""A network that hides its gradients is told, and is attacked through its scores all the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ancile.assess.call import assess

RNG = np.random.default_rng(5)
X = RNG.uniform(size=(24, 8)).astype(np.float32)
W = np.ones(8, dtype=np.float32)
Y = (X @ W > 4).astype(np.int64)


def scored(x: torch.Tensor) -> torch.Tensor:
    logit = 10 * (x @ torch.from_numpy(W) - 4)
    return torch.stack([-logit, logit], dim=1)


CUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "detach": lambda x: scored(x.detach()),
    "numpy": lambda x: scored(torch.from_numpy(x.numpy().copy())),
    "inference mode": torch.inference_mode()(scored),
}


class Cut(torch.nn.Module):
    """A network that computes as told."""

    def __init__(self, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (n, 2)."""
        return self.function(x)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CUTS))
def test_a_cut_graph_is_told_and_its_scores_are_attacked(name: str) -> None:
    report = assess(Cut(CUTS[name]), X, Y, eps=0.1, effort="quick", bounds=(0.0, 1.0))
    measured = {one.name: one for one in report.measures if not one.slice}
    told = {one.check: one.status for one in report.findings if one.status in ("WARN", "ERROR", "FAIL")}
    assert told.keys() & {"evasion-masked-gradient", "evasion-lost-gradient", "evasion-black-box-figure"}, (
        told
    )
    exact = float(np.mean(np.abs(X @ W - 4) > 0.1 * 8))  # the closed form: what the best attack leaves
    assert measured["robust_accuracy"].value <= exact + 0.15
