"""On linear models robust accuracy is the closed form; eps = 0 is the clean accuracy; a batch is its samples."""

from __future__ import annotations

import numpy as np
import torch

from ancile import assess
from ancile.assess.plan import WHITE_BOX, step
from ancile.attacks.constraint import Constraint
from ancile.attacks.pgd import pgd
from ancile.attacks.streams import Streams
from ancile.models.torch_module import torch_model
from bar import Bar

EPS = (0.0, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2)
WEAK = (step("fgsm", loss="ce"),)  # the control: one step of a loss that points elsewhere on several classes


def problem(seed: int, classes: int) -> tuple[torch.nn.Linear, np.ndarray, np.ndarray]:
    """A random linear model, and samples well inside [0, 1] of which it has a tenth wrong."""
    rng = np.random.default_rng(seed)
    layer = torch.nn.Linear(12, classes).eval()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(rng.normal(size=(classes, 12))))
        layer.bias.copy_(torch.from_numpy(0.1 * rng.normal(size=classes)))
    x = rng.uniform(0.25, 0.75, size=(120, 12)).astype(np.float32)
    with torch.no_grad():
        y = layer(torch.from_numpy(x)).argmax(dim=1).numpy()
    y[:12] = (y[:12] + 1) % classes
    return layer, x, y


def closed_form(layer: torch.nn.Linear, x: np.ndarray, y: np.ndarray, eps: float) -> float:
    """Share right whose margin over every other class exceeds eps times the L1 distance of the weights."""
    weight, bias = (p.detach().numpy().astype(np.float64) for p in (layer.weight, layer.bias))
    logits = x @ weight.T + bias
    stands = np.ones(len(y), dtype=bool)
    for other in range(len(bias)):
        margin = logits[np.arange(len(y)), y] - logits[:, other]
        cost = eps * np.abs(weight[y] - weight[other]).sum(axis=1)
        stands &= (other == y) | (margin > cost)
    return float(stands.mean())


def measure(*, control: bool = False) -> list[Bar]:
    """The largest difference over models and eps, at eps = 0, and between a batch and its samples."""
    kept = WHITE_BOX["standard"]
    WHITE_BOX["standard"] = WEAK if control else kept
    try:
        differences = []
        for classes in (2, 3, 10):
            layer, x, y = problem(classes, classes)
            for eps in EPS:
                report = assess(layer, x, y, eps=eps, effort="standard", bounds=(0.0, 1.0))
                found = report.measure("robust_accuracy").value
                differences.append((abs(found - closed_form(layer, x, y, eps)), eps))
    finally:
        WHITE_BOX["standard"] = kept
    worst = max(differences)
    at_zero = max(d for d, eps in differences if eps == 0)
    apart = _batch_against_single(control=control)
    return [
        Bar(
            claim="robust accuracy of linear models equals the closed form at ten eps, eps = 0 the clean accuracy",
            measured=f"largest difference {worst[0]:.4f} (eps {worst[1]:g}); at eps 0 {at_zero:.4f}; 3 models, n = 120",
            wanted="0 and 0",
            met=worst[0] == 0 and at_zero == 0,
        ),
        Bar(
            claim="a batch equals its samples one by one",
            measured=f"largest difference of an input {apart:.2g}",
            wanted="at most 1e-6 (float32)",
            met=apart <= 1e-6,
        ),
    ]


def _batch_against_single(*, control: bool) -> float:
    """Largest difference between PGD on a batch and on each sample; the control forgets the samples' ids."""
    layer, x, y = problem(0, 4)
    model = torch_model(layer, classes=4, output="logits")
    ball, ids = Constraint(norm="linf", eps=0.02), np.arange(40)
    inputs, labels = torch.from_numpy(x[:40]), torch.from_numpy(y[:40])
    together = pgd(model, inputs, labels, ball, Streams(0, ids), steps=10)
    single = [
        pgd(
            model,
            inputs[i : i + 1],
            labels[i : i + 1],
            ball,
            Streams(0, ids[:1] if control else ids[i : i + 1]),
            steps=10,
        )
        for i in range(40)
    ]
    return float((together - torch.cat(single)).abs().max())


if __name__ == "__main__":
    for bar in measure():
        print(bar)
