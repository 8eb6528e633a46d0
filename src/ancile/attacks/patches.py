"""A search by scores alone from the most wrong point that gradients led to.

The moves are those of the square attack (Andriushchenko et al. 2020, arXiv:1912.00049), its start is not: on
networks whose gradient lies, the last steps to an error are found by patches from where the climb got stuck
(one network hardened in Linf, 50 hardest of 1,000 MNIST images, 1,000 queries: 7 fell, from stripes 1 did).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ancile.attacks.sparse_moves import sparse_share
from ancile.attacks.square import MOVES
from ancile.attacks.square_moves import Place
from ancile.attacks.standing import Field, Standing, judgement
from ancile.attacks.windows import Grid, grid_of
from ancile.core.extras import needs
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
else:
    torch = needs("torch", "torch")

FIRST = 0.3  # of the plane that the first patches change
HALVINGS = 8.0  # of that area, evenly over the queries


def patched(here: Field, standing: Standing, rows: torch.Tensor, *, queries: int, place: int) -> bool:
    """Change patches of the samples at ``rows``, keeping what is no less wrong; False when told to stop.

    place  of the phase in its plan: draws depend on it, and what is broken is put down to it

    By the original model in full precision: its answers to small changes are what the search lives on. Cost:
    at most queries + 1 forwards a sample.
    """
    sparse, shape = here.constraint.norm == "l0", tuple(here.x.shape[1:])
    grid = here.constraint.spots(shape) if sparse else grid_of(shape)
    around = here.x[rows].cpu().numpy()
    there = Place.of(here.constraint.ball(around), grid, here.rng.take(rows.cpu().numpy()))
    now = grid.planes(here.constraint.project(standing.point[rows].cpu().numpy(), around))
    best = judgement(here.model.logits(_samples(here, now, grid)), here.y[rows]).margin
    for query in range(queries):
        if here.stopped():
            return False
        area = sparse_share(query, queries) if sparse else _share(query / queries) * grid.places
        tried = MOVES[here.constraint.norm][1](now, there, area, place * queries + query)
        x = _samples(here, tried, grid)
        value, misread = judgement(here.model.logits(x), here.y[rows])
        standing.passes[rows] += 1
        better = value >= best
        best, now = torch.where(better, value, best), np.where(_planes(better), tried, now)
        claimed = misread.nonzero().squeeze(1)
        if len(claimed):
            held = standing.claim(here, rows[claimed], x[claimed], value[claimed], place=place)
            stays = torch.ones_like(misread)
            stays[claimed[held]] = False
            rows, best = rows[stays], best[stays]
            now, there = now[stays.cpu().numpy()], there.take(stays.cpu().numpy())
            if not len(rows):
                return True
    standing.keep(rows, _samples(here, now, grid), best)
    return True


def _share(gone: float) -> float:
    """The share of the plane that a patch changes when so much of the queries is gone."""
    return FIRST * math.exp2(-HALVINGS * gone)


def _planes(better: torch.Tensor) -> NDArray[np.bool_]:
    return np.asarray(better.cpu().numpy()[:, None, None])


def _samples(here: Field, planes: NDArray[np.floating], grid: Grid) -> torch.Tensor:
    return torch.from_numpy(grid.samples(planes, tuple(here.x.shape[1:]))).to(here.x)
