"""Minimal-norm attacks on linear models against the closed-form optimum, with bounds out of reach and in the way.

Along the best way the gain is concave and piecewise linear in one number, which is solved for exactly: the cap in
Linf, the multiplier of the slope in L2, the steepest features first in L1, the largest gains first in L0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ancile.attacks.ball import Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.cw import cw
from ancile.attacks.deepfool import deepfool
from ancile.attacks.fmn import fmn
from ancile.attacks.streams import Streams
from ancile.models.torch_module import torch_model
from bar import Bar

TINY = 1e-300
WITHIN = 1.05  # of the optimum
SIZES = ((2, 4), (3, 12), (10, 30), (10, 784), (43, 300))  # classes, features
SAMPLES = 40
SEEDS = 3
FAR, BOX = (-100.0, 100.0), (0.0, 1.0)
ROUNDING = 1e-3  # of a distance: float32 logits near a margin of 0
REACH: dict[Norm, float] = {"l2": 1e3, "l1": 1e5, "l0": 1e6}
Search = Callable[..., torch.Tensor]
KNOWN: tuple[tuple[str, Search, tuple[Norm, ...]], ...] = (
    ("fmn", fmn, ("linf", "l2", "l1", "l0")),
    ("deepfool", deepfool, ("linf", "l2")),
    ("cw", cw, ("l2",)),
)
Floats = NDArray[np.float64]


def problem(
    seed: int, classes: int, width: int, bounds: tuple[float, float]
) -> tuple[torch.nn.Linear, torch.Tensor, torch.Tensor]:
    """A random linear model and samples that it has right; with bounds many features lie close to one."""
    rng = np.random.default_rng((seed, classes, width))
    layer = torch.nn.Linear(width, classes).eval().requires_grad_(False)
    layer.weight.copy_(torch.from_numpy(rng.normal(size=(classes, width))))
    layer.bias.copy_(torch.from_numpy(0.1 * rng.normal(size=classes)))
    x = rng.uniform(0.25, 0.75, (SAMPLES, width)) if bounds == FAR else rng.beta(0.3, 0.3, (SAMPLES, width))
    points = torch.from_numpy(x.astype(np.float32))
    return layer, points, layer(points).argmax(dim=1)


def optimum(
    layer: torch.nn.Linear, x: torch.Tensor, y: torch.Tensor, norm: Norm, bounds: tuple[float, float]
) -> Floats:
    """(n,) the distance to the nearest other class; infinite where none is within the bounds."""
    weight, bias = (p.double().numpy() for p in (layer.weight, layer.bias))
    points, label, rows = x.double().numpy(), y.numpy(), np.arange(len(y))
    logits = points @ weight.T + bias
    best = np.full(len(y), np.inf)
    for other in range(len(bias)):
        slope = weight[other] - weight[label]
        room = np.where(slope > 0, bounds[1] - points, points - bounds[0])
        distance = _distance(logits[rows, label] - logits[:, other], np.abs(slope), room, norm)
        best = np.where(label == other, best, np.minimum(best, distance))
    return best


def _distance(gap: Floats, size: Floats, room: Floats, norm: Norm) -> Floats:
    """(n,) the least that closes a gap (n,) where feature j gains size[:, j] a unit, up to its room."""
    if norm == "linf":
        reached = _multiplier(gap, size, room)
    elif norm == "l2":
        number = _multiplier(gap, size**2, np.divide(room, size, out=np.zeros_like(room), where=size > 0))
        moved = np.minimum(np.where(np.isfinite(number), number, 0.0)[:, None] * size, room)
        reached = np.where(np.isfinite(number), np.sqrt((moved**2).sum(axis=1)), np.inf)
    else:
        order = np.argsort(-(size if norm == "l1" else size * room), axis=1, kind="stable")
        size, room = np.take_along_axis(size, order, 1), np.take_along_axis(room, order, 1)
        gains = (size * room).cumsum(axis=1)
        count = (gains < gap[:, None]).sum(axis=1)  # features that are used up
        if norm == "l0":
            reached = count + 1.0
        else:
            rows, last = np.arange(len(gap)), np.minimum(count, gains.shape[1] - 1)
            short = gap - gains[rows, last] + (size * room)[rows, last]
            reached = (
                room.cumsum(axis=1)[rows, last]
                - room[rows, last]
                + short / np.maximum(size[rows, last], TINY)
            )
        reached = np.where(count < gains.shape[1], reached, np.inf)
    return np.asarray(reached)


def _multiplier(gap: Floats, rate: Floats, edge: Floats) -> Floats:
    """(n,) the number at which the sum of rate times the lesser of number and edge is the gap."""
    order = np.argsort(edge, axis=1, kind="stable")
    rate, edge = np.take_along_axis(rate, order, 1), np.take_along_axis(edge, order, 1)
    free = rate.sum(axis=1, keepdims=True) - rate.cumsum(axis=1) + rate  # gain a unit, up to each edge
    steps = np.diff(edge, axis=1, prepend=0.0)
    gains = (free * steps).cumsum(axis=1)
    last = (gains < gap[:, None]).sum(axis=1)
    rows, place = np.arange(len(gap)), np.minimum(last, edge.shape[1] - 1)
    before = gains[rows, place] - (free * steps)[rows, place]
    number = edge[rows, place] - steps[rows, place] + (gap - before) / np.maximum(free[rows, place], TINY)
    return np.where(last < edge.shape[1], number, np.inf)


def ratios(search: Search, norm: Norm, bounds: tuple[float, float], *, control: bool) -> Floats:
    """Found over optimal distance of every sample that can fall; infinite where nothing was found."""
    found = []
    for classes, width in SIZES:
        for seed in range(SEEDS):
            layer, x, y = problem(seed, classes, width, bounds)
            best = optimum(layer, x, y, norm, bounds)
            model = torch_model(layer, classes=classes, output="logits")
            c = Constraint(norm, bounds[1] if norm == "linf" else REACH[norm], *bounds)
            given = {"classes": 1} if control else {}
            moved = search(model, x, y, c, Streams(0, np.arange(len(x))), **given)
            fooled = layer(moved).argmax(dim=1).numpy() != y.numpy()
            can = np.isfinite(best)
            found.append(np.where(fooled, c.distance(moved, x), np.inf)[can] / best[can])
    return np.concatenate(found)


def measure(control: bool = False) -> list[Bar]:
    """One bar an attack and norm, all with their defaults; the control heads for the likeliest class alone."""
    bars = []
    for name, search, norms in KNOWN:
        for norm in norms:
            # Without bounds a single feature is always enough in L0
            rooms = {"out of reach": FAR, "in the way": BOX} if norm != "l0" else {"in the way": BOX}
            seen = {room: ratios(search, norm, bounds, control=control) for room, bounds in rooms.items()}
            told = "; ".join(
                f"bounds {room}: median {np.median(found):.4f}, worst {found.max():.4f} of {len(found)}"
                for room, found in seen.items()
            )
            bars.append(
                Bar(
                    claim=f"{name} in {norm} on linear models: every sample within 5 % of the optimum",
                    measured=f"found / optimum, {told}; {len(SIZES)} sizes to {SIZES[-1][0]} classes, {SEEDS} models each",
                    wanted=f"at most {WITHIN:g}, none below 1",
                    met=all(found.max() <= WITHIN and found.min() >= 1 - ROUNDING for found in seen.values()),
                )
            )
    return bars


if __name__ == "__main__":
    for bar in measure():
        print(bar)
