"""Small worlds whose answers are known: linear models, their robust accuracy in closed form, real digits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from ancile.attacks.constraint import Constraint
from ancile.attacks.streams import Streams
from ancile.attacks.table import Row
from ancile.models.torch_module import TorchModule, torch_model

FAR = 1e3  # bounds that no attack of these tests reaches


class World(NamedTuple):
    """A model with samples that it gets right."""

    net: torch.nn.Module
    model: TorchModule
    x: torch.Tensor
    y: torch.Tensor

    @property
    def rng(self) -> Streams:
        return Streams(0, np.arange(len(self.x), dtype=np.int64))


def world(net: torch.nn.Module, x: torch.Tensor, *, y: torch.Tensor | None = None) -> World:
    """The net with ``x``, labelled by the net itself unless labels are given."""
    model = torch_model(net.eval(), probe=x.numpy())
    return World(net, model, x, model.logits(x).argmax(dim=1) if y is None else y)


def linear(weights: NDArray[np.float64], bias: NDArray[np.float64], *, n: int, seed: int = 0) -> World:
    """Logits ``W x + b`` in float64 with n samples around 0, drawn by the seed."""
    net = torch.nn.Linear(weights.shape[1], len(weights), dtype=torch.float64)
    with torch.no_grad():
        net.weight.copy_(torch.from_numpy(weights))
        net.bias.copy_(torch.from_numpy(bias))
    x = np.random.default_rng(seed).normal(size=(n, weights.shape[1]))
    return world(net, torch.from_numpy(x))


def blocks(classes: int, width: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Weights in which each class has features of its own, the same ones in size: all pairs are equally far."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(0.5, 2.0, width)
    weights = np.zeros((classes, classes * width))
    for k in range(classes):
        weights[k, k * width : (k + 1) * width] = rng.permutation(sizes) * rng.choice([-1.0, 1.0], width)
    return weights


def least_margin(w: World, eps: float, norm: str, *, bound: float = FAR) -> NDArray[np.float64]:
    """(n,) the smallest margin, right less wrong logit, that a linear model has in the ball.

    By Hoelder where no bound is reached; in L0 the eps features count that lower it most on their way to the
    better bound.
    """
    layer = w.net
    assert isinstance(layer, torch.nn.Linear)
    weights, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    if len(weights) == 1:
        weights, bias = np.vstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
    logits = w.x.numpy() @ weights.T + bias
    y, rows = w.y.numpy(), np.arange(len(w.x))
    apart = weights[y][:, None, :] - weights[None, :, :]
    x = w.x.numpy()[:, None, :]
    if norm == "l0":
        fall = most(np.maximum(apart * (x + bound), apart * (x - bound)), int(eps))
    else:
        dual = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
        fall = eps * np.linalg.norm(apart, ord=dual, axis=2)
    margins = logits[rows, y][:, None] - logits - fall
    margins[rows, y] = np.inf
    return np.asarray(margins.min(axis=1))


def most(gains: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The sum of the ``count`` largest along the last axis, none below 0."""
    ordered = -np.sort(-np.maximum(gains, 0.0), axis=-1)
    return np.asarray(ordered[..., :count].sum(axis=-1))


def robust(w: World, x_adv: torch.Tensor) -> NDArray[np.bool_]:
    """(n,) whether the model is still right."""
    return np.asarray((w.model.logits(x_adv).argmax(dim=1) == w.y).numpy())


def run(
    one: Row, w: World, constraint: Constraint, *, rng: Streams | None = None, **settings: Any
) -> torch.Tensor:
    """Any attack of the table on a world, tensors in and out."""
    attack: Callable[..., Any] = one.load()
    streams = w.rng if rng is None else rng
    if one.needs == "gradients":
        found = attack(w.model, w.x, w.y, constraint, streams, **settings)
        assert isinstance(found, torch.Tensor)
        return found
    x, y = w.x.numpy(), w.y.numpy()
    return torch.from_numpy(attack(w.model.scores, x, y, constraint, streams, **settings))


class Digits(NamedTuple):
    x: NDArray[np.float32]
    y: NDArray[np.int64]


@cache
def digits() -> Digits:
    """1,797 real images of 8 x 8 in [0, 1] with one channel."""
    bunch = load_digits()
    return Digits((bunch.images[:, None] / 16.0).astype(np.float32), bunch.target.astype(np.int64))


@cache
def digits_net() -> torch.nn.Module:
    """A small convolutional net, trained on the first 1,200 digits for a second."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 12, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Flatten(), torch.nn.Linear(12 * 16, 10),
        )  # fmt: skip
        x, y = (torch.from_numpy(a[:1200]) for a in digits())
        adam = torch.optim.Adam(net.parameters(), lr=0.01)
        for _ in range(60):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()  # type: ignore[no-untyped-call]  # torch's own
            adam.step()
    return net.eval()


def digits_world(n: int = 60) -> World:
    """The first n held-out digits that the net gets right."""
    net, (x, y) = digits_net(), digits()
    held, labels = torch.from_numpy(x[1200:]), torch.from_numpy(y[1200:])
    right = (net(held).argmax(dim=1) == labels).nonzero().squeeze(1)[:n]
    return world(net, held[right], y=labels[right])
