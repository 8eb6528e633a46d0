"""Small models with known answers, and a short way to assess them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ancile.assess.evasion import Assessment, Context, Settings, assess_evasion
from ancile.assess.run import Samples
from ancile.attacks.constraint import Constraint
from ancile.core.subject import Subject, digest_of
from ancile.models.in_process import model_here
from ancile.models.model import Model

MODEL = Subject(kind="model", name="small", digest=digest_of(b"small"))
DATA = Subject(kind="dataset", name="made", digest=digest_of(b"made"))


def linear(weight: NDArray[Any], bias: NDArray[Any]) -> torch.nn.Module:
    """A linear layer with these weights (classes, features)."""
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer.eval()


def problem(
    seed: int, *, n: int = 60, features: int = 5, classes: int = 3
) -> tuple[torch.nn.Module, Samples]:
    """A random linear model and samples well inside [0, 1], labelled by the model except for a few."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(classes, features)).astype(np.float32)
    bias = rng.normal(size=classes).astype(np.float32) * 0.1
    x = rng.uniform(0.3, 0.7, size=(n, features)).astype(np.float32)
    y = (x @ weight.T + bias).argmax(axis=1).astype(np.int64)
    y[: n // 10] = (y[: n // 10] + 1) % classes
    return linear(weight, bias), Samples(np.arange(n, dtype=np.int64), x, y)


def assessed(
    model: object,
    samples: Samples,
    eps: float,
    *,
    settings: Settings | None = None,
    constraint: Constraint | None = None,
    **context: Any,
) -> Assessment:
    """The assessment of a model of this process, quick and without a curve unless told otherwise."""
    opened: Model = model_here(model, samples.x[:16]).model
    return assess_evasion(
        opened,
        samples,
        constraint or Constraint(norm="linf", eps=eps),
        settings=settings or Settings(effort="quick", curve=False),
        context=Context(subject=MODEL, data=DATA, available=len(samples.y), **context),
    )
