"""A model that answers with the nearest of stored samples: how robust it is, a linear programme tells exactly.

Wang, Jha, Chaudhuri, ICML 2018, arXiv:1706.03922: its cells are polyhedra.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog

from ancile.assess.run import Samples
from tests.assess.small import assessed

FEATURES, EPS = 6, 0.1


class Nearest(torch.nn.Module):
    """Scores are distances to the nearest stored sample of each class, less than 0."""

    def __init__(self, x: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        super().__init__()
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3)."""
        far = torch.cdist(x, self.x)
        return torch.stack([-far[:, self.y == one].amin(dim=1) for one in range(3)], dim=1)


def stored(n: int) -> Samples:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    x = (0.5 + 0.12 * (y[:, None] - 1) + 0.12 * rng.normal(size=(n, FEATURES))).clip(0, 1)
    return Samples(np.arange(n), x.astype(np.float32), y)


def reaches(x: NDArray[np.float32], y: int, held: Samples) -> bool:
    """Whether some point of the ball around ``x`` is nearer to a sample of another class than to all of its own."""
    own, others = held.x[held.y == y].astype(float), held.x[held.y != y].astype(float)
    bounds = list(zip(np.clip(x - EPS, 0, 1), np.clip(x + EPS, 0, 1), strict=True))
    for one in others:
        sides, least = 2 * (own - one), (own**2).sum(axis=1) - (one**2).sum() - 1e-4
        if linprog(np.zeros(FEATURES), A_ub=sides, b_ub=least, bounds=bounds, method="highs").status == 0:
            return True
    return False


@pytest.mark.slow
def test_the_figure_of_a_lookup_is_the_exact_one() -> None:
    """Held against samples that it has stored it is as robust as it looks, and against others as well."""
    held = stored(45)
    rng = np.random.default_rng(1)
    moved = (held.x[:20] + 0.08 * rng.normal(size=(20, FEATURES))).clip(0, 1).astype(np.float32)
    for asked in (held, Samples(np.arange(20), moved, held.y[:20])):
        net = Nearest(held.x, held.y)
        right = net(torch.from_numpy(asked.x)).argmax(dim=1).numpy() == asked.y
        exact = [not reaches(x, int(y), held) for x, y in zip(asked.x[right], asked.y[right], strict=True)]
        made = assessed(net, asked, EPS)
        assert made.result.robust.sum() == sum(exact)
        assert 0 < sum(exact) < len(exact)
