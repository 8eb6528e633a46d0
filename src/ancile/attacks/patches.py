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
from ancile.attacks.streams import Streams
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
AT_ONCE = 32  # samples for which one pass costs hardly more than for one
COPY = 40  # place of the bits that tell a sample's copies apart: no data set has so many samples


def patched(here: Field, standing: Standing, rows: torch.Tensor, *, queries: int, place: int) -> bool:
    """Change patches of the samples at ``rows``, keeping what is no less wrong; False when told to stop.

    place  of the phase in its plan: draws depend on it, and what is broken is put down to it

    By the original model in full precision: its answers to small changes are what the search lives on. Where
    few samples are left each is asked about several proposals in one pass, which costs hardly more. Cost: at
    most queries + 1 forwards a sample.
    """
    sparse, shape = here.constraint.norm == "l0", tuple(here.x.shape[1:])
    grid = here.constraint.spots(shape) if sparse else grid_of(shape)
    now = grid.planes(here.constraint.project(standing.point[rows].cpu().numpy(), here.x[rows].cpu().numpy()))
    best = judgement(here.model.logits(_samples(here, now, grid)), here.y[rows]).margin
    there, many = _placed(here, rows, grid, queries)
    query = 0
    while query < queries:
        if here.stopped():
            return False
        area = sparse_share(query, queries) if sparse else _share(query / queries) * grid.places
        tried = MOVES[here.constraint.norm][1](
            np.tile(now, (many, 1, 1)), there, area, place * queries + query
        )
        x = _samples(here, tried, grid)
        value, misread = judgement(here.model.logits(x), here.y[rows].repeat(many))
        standing.passes[rows] += many
        query += many
        value, which = value.view(many, -1).max(dim=0)
        one = which * len(rows) + torch.arange(len(rows), device=which.device)
        better = value >= best
        best, now = torch.where(better, value, best), np.where(_planes(better), tried[one.cpu().numpy()], now)
        claimed = misread[one].nonzero().squeeze(1)
        if len(claimed):
            held = standing.claim(here, rows[claimed], x[one[claimed]], value[claimed], place=place)
            stays = torch.ones_like(better)
            stays[claimed[held]] = False
            rows, best, now = rows[stays], best[stays], now[stays.cpu().numpy()]
            if not len(rows):
                return True
            there, many = _placed(here, rows, grid, queries - query)
    standing.keep(rows, _samples(here, now, grid), best)
    return True


def _placed(here: Field, rows: torch.Tensor, grid: Grid, queries: int) -> tuple[Place, int]:
    """Where the samples may go, as often as there are proposals for each in one pass, and how often that is.

    The copies of a sample are streams of their own, the first is the sample's.
    """
    many = max(1, min(AT_ONCE // len(rows), queries))
    samples = here.rng.take(rows.cpu().numpy()).samples
    copies = (samples + (np.arange(many)[:, None] << COPY)).reshape(-1)
    around = np.tile(here.x[rows].cpu().numpy(), (many,) + (1,) * (here.x.ndim - 1))
    return Place.of(here.constraint.ball(around), grid, Streams(here.rng.seed, copies)), many


def _share(gone: float) -> float:
    """The share of the plane that a patch changes when so much of the queries is gone."""
    return FIRST * math.exp2(-HALVINGS * gone)


def _planes(better: torch.Tensor) -> NDArray[np.bool_]:
    return np.asarray(better.cpu().numpy()[:, None, None])


def _samples(here: Field, planes: NDArray[np.floating], grid: Grid) -> torch.Tensor:
    return torch.from_numpy(grid.samples(planes, tuple(here.x.shape[1:]))).to(here.x)
