"""Linear models whose nearest adversarial example is known in every norm, with bounds out of reach or in the way."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize

from tests.attacks.worlds import World


def margins(w: World) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, classes) right less each logit and (n, classes, features) its slope; the right one's margin is infinite."""
    layer = w.net
    assert isinstance(layer, torch.nn.Linear)
    weights, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    logits = w.x.double().numpy() @ weights.T + bias
    y, rows = w.y.numpy(), np.arange(len(w.x))
    gap = logits[rows, y][:, None] - logits
    gap[rows, y] = np.inf
    return gap, weights[y][:, None, :] - weights[None, :, :]


def free_distance(w: World, norm: str) -> NDArray[np.float64]:
    """(n,) distance to the nearest class where no bound is in the way: Hoelder."""
    gap, slope = margins(w)
    size = np.abs(slope)
    dual = {"linf": size.sum(axis=2), "l2": np.sqrt((size**2).sum(axis=2)), "l1": size.max(axis=2)}[norm]
    with np.errstate(divide="ignore"):
        return np.asarray((gap / dual).min(axis=1))


def boxed_distance(w: World, norm: str, low: float, high: float) -> NDArray[np.float64]:
    """(n,) the same within bounds, class by class with an exact solver; infinite where no class is in reach."""
    gap, slope = margins(w)
    x = w.x.double().numpy()
    return np.array([
        min(_one(gap[i, k], slope[i, k], low - x[i], high - x[i], norm) for k in range(gap.shape[1]) if k != w.y[i])
        for i in range(len(x))
    ])  # fmt: skip


def _one(
    gap: float, slope: NDArray[np.float64], down: NDArray[np.float64], up: NDArray[np.float64], norm: str
) -> float:
    best = np.where(slope > 0, down, up)  # lowers the margin most
    room = -(slope * best)
    if room.sum() < gap:
        return float("inf")
    size, span = np.abs(slope), np.abs(best)
    if norm == "l0":
        return float(np.searchsorted(np.sort(room)[::-1].cumsum(), gap) + 1)
    if norm == "l1":
        found = linprog(
            np.ones(len(size)), A_ub=-size[None], b_ub=[-gap], bounds=list(zip(0 * span, span, strict=True))
        )
        return float(found.fun)
    if norm == "linf":
        n = len(size)
        rows = np.vstack([np.append(-size, 0.0), np.hstack([np.eye(n), -np.ones((n, 1))])])
        found = linprog(
            np.append(np.zeros(n), 1.0), A_ub=rows, b_ub=np.append(-gap, np.zeros(n)),
            bounds=[*zip(0 * span, span, strict=True), (0, None)],
        )  # fmt: skip
        return float(found.fun)
    found = minimize(
        lambda v: float(v @ v), span * min(1.0, gap / room.sum()), jac=lambda v: 2 * v, method="SLSQP",
        bounds=list(zip(0 * span, span, strict=True)), options={"ftol": 1e-12, "maxiter": 300},
        constraints=[{"type": "ineq", "fun": lambda v: size @ v - gap, "jac": lambda _: size}],
    )  # fmt: skip
    return float(np.sqrt(found.fun))
