"""Networks and samples that the cascade is measured on: given ones, and small ones hardened here by PGD.

All from the data beside the checkout; a world is kept in a file of plain tensors, so that another environment
can open it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from project import SHARED

SAMPLES = 1000  # of MNIST: in this order those on which the figures in the claims were first taken


class World(NamedTuple):
    """A network in eval mode, and samples in [0, 1] with their labels."""

    net: nn.Module
    x: torch.Tensor
    y: torch.Tensor
    classes: int


def signs(classes: int) -> nn.Sequential:
    """Three convolutions for 32 x 32 in colour."""
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(48, 64, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(),
        nn.Linear(128, classes),
    )  # fmt: skip


def rows(width: int) -> nn.Sequential:
    """Two hidden layers for rows of two classes."""
    return nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


def mnist_net(name: str) -> nn.Module:
    """One of the checkpoints, without weights."""
    sys.path.insert(0, str(SHARED / "data/models/mnist_linf"))
    from model import build  # type: ignore[import-not-found]  # lies beside the data

    net: nn.Module = build(name)
    return net


def mnist(name: str) -> World:
    """A checkpoint hardened at Linf 0.3, and 1,000 test images."""
    from safetensors.torch import load_file

    net = mnist_net(name)
    net.load_state_dict(load_file(SHARED / f"data/models/mnist_linf/{name}.safetensors"))
    data = np.load(SHARED / "data/mnist.npz")
    chosen = np.random.default_rng(0).choice(10000, SAMPLES, replace=False)
    x = torch.tensor(data["x_test"][chosen]).float().view(-1, 1, 28, 28) / 255
    return World(net.eval().requires_grad_(False), x, torch.tensor(data["y_test"][chosen]).long(), 10)


def gtsrb(norm: str, eps: float, *, epochs: int = 15, samples: int = 500) -> World:
    """Traffic signs, hardened within the ball that is attacked afterwards."""
    data = np.load(SHARED / "data/gtsrb.npz")
    train, test = (
        torch.tensor(data[n]).float().permute(0, 3, 1, 2).contiguous() / 255 for n in ("x_train", "x_test")
    )
    labels, truth = (torch.tensor(data[n]).long() for n in ("y_train", "y_test"))
    torch.manual_seed(0)
    net = signs(43)
    _harden(net, train, labels, norm, eps, epochs=epochs, vary=_varied)
    chosen = np.random.default_rng(0).choice(len(test), samples, replace=False)
    return World(net.eval().requires_grad_(False), test[chosen], truth[chosen], 43)


def tabular(name: str, eps: float, *, epochs: int = 15, samples: int = 500) -> World:
    """A table with every column scaled to [0, 1], hardened within the Linf ball that is attacked afterwards."""
    x, y, train = _table(name)
    torch.manual_seed(0)
    net = rows(x.shape[1])
    _harden(net, x[train], y[train], "linf", eps, epochs=epochs, vary=lambda x: x)
    held = np.flatnonzero(~train)
    chosen = np.random.default_rng(0).choice(held, min(samples, len(held)), replace=False)
    return World(net.eval().requires_grad_(False), x[chosen], y[chosen], 2)


def save(here: World, path: Path, kind: str) -> None:
    """Write a world; ``kind`` is the name of a checkpoint, ``signs`` or ``rows``."""
    held = {"x": here.x, "y": here.y, "classes": torch.tensor(here.classes)}
    name = torch.tensor(list(kind.encode()), dtype=torch.uint8)
    torch.save({**held, "kind": name, **{f"net.{k}": v for k, v in here.net.state_dict().items()}}, path)


def load(path: str) -> World:
    """What ``save`` wrote."""
    held = torch.load(path, weights_only=True)
    kind, classes, x = bytes(held["kind"].tolist()).decode(), int(held["classes"]), held["x"]
    makers: dict[str, Callable[[], nn.Module]] = {
        "signs": lambda: signs(classes),
        "rows": lambda: rows(x.shape[1]),
    }
    net = makers[kind]() if kind in makers else mnist_net(kind)
    net.load_state_dict({k.removeprefix("net."): v for k, v in held.items() if k.startswith("net.")})
    return World(net.eval().requires_grad_(False), x, held["y"], classes)


def _harden(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, norm: str, eps: float,
    *, epochs: int, vary: Callable[[torch.Tensor], torch.Tensor],
) -> None:  # fmt: skip
    """Adversarial training on three steps of PGD (Madry et al. 2018), eps growing over the first half."""
    steps = epochs * -(-len(x) // 64)
    adam = torch.optim.Adam(net.parameters())
    rates = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, total_steps=steps)
    for epoch in range(epochs):
        for part in torch.split(torch.randperm(len(x)), 64):
            seen = _moved(net, vary(x[part]), y[part], norm, eps * min(1.0, 2 * (epoch + 1) / epochs))
            adam.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(net(seen), y[part]))
            adam.step()
            rates.step()


def _moved(net: nn.Module, x: torch.Tensor, y: torch.Tensor, norm: str, eps: float) -> torch.Tensor:
    shape = (-1, *(1,) * (x.ndim - 1))
    u = (x + eps * (2 * torch.rand_like(x) - 1)).clamp(0, 1) if norm == "linf" else x
    for _ in range(3):
        u = u.detach().requires_grad_()
        (g,) = torch.autograd.grad(nn.functional.cross_entropy(net(u), y, reduction="sum"), u)
        if norm == "linf":
            change = (u.detach() + eps / 2 * g.sign() - x).clamp(-eps, eps)
        else:
            change = u.detach() + eps / 2 * g / g.flatten(1).norm(dim=1).clamp_min(1e-12).view(shape) - x
            change = change * (eps / change.flatten(1).norm(dim=1).clamp_min(1e-12)).clamp_max(1).view(shape)
        u = (x + change).clamp(0, 1)
    return u.detach()


def _varied(x: torch.Tensor) -> torch.Tensor:
    """Shifted by up to two pixels, lighter or darker by up to a fifth."""
    down, right = torch.randint(-2, 3, (2,)).tolist()
    return (x.roll((down, right), (2, 3)) * (0.8 + 0.4 * torch.rand(len(x), 1, 1, 1))).clamp(0, 1)


def _table(name: str) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Samples with categories as columns of their own, labels, and which rows are for training."""
    from pyarrow import parquet

    table = parquet.read_table(SHARED / f"data/tabular/{name}.parquet")
    target = json.loads((SHARED / f"data/tabular/{name}.json").read_text("utf-8"))["target"]
    columns = []
    for column in table.column_names:
        if column in ("split", target):
            continue
        values = table[column].to_pylist()
        words = sorted({str(v) for v in values}) if any(isinstance(v, str) for v in values) else None
        columns += (
            [[float(str(v) == w) for v in values] for w in words] if words else [[float(v) for v in values]]
        )
    x = np.array(columns, dtype=np.float64).T
    train = np.array(table["split"].to_pylist()) == "train"
    low, high = x[train].min(0), x[train].max(0)
    x = np.clip((x - low)[:, high > low] / (high - low)[high > low], 0, 1)
    return torch.tensor(x).float(), torch.tensor(table[target].to_pylist()).long(), train
