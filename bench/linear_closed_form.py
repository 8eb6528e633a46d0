"""On linear models robust accuracy is the closed form, in every norm; eps = 0 is the clean accuracy.

Also: a batch is its samples.
"""

from __future__ import annotations

import numpy as np
import torch

from ancile import assess
from ancile.attacks import apgd, fgsm
from ancile.attacks import pgd as pgd_alone
from ancile.attacks.constraint import Constraint
from ancile.attacks.pgd import pgd
from ancile.attacks.streams import Streams
from ancile.models.torch_module import torch_model
from bar import Bar

EPS = (0.0, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2)
FAR = (-100.0, 100.0)  # bounds that no change of these sizes reaches
BOX = (0.0, 1.0)
# Norm, bounds, ladder from all to hardly any still right. In L0 a feature goes to its bound, so there they matter
NORMS = (
    ("linf", FAR, EPS),
    ("l2", FAR, tuple(3.0 * eps for eps in EPS)),
    ("l1", FAR, tuple(10.0 * eps for eps in EPS)),
    ("l0", BOX, (0, 1, 2, 3, 4, 5, 6)),
)
CLASSES = (2, 3, 10)


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


def closed_form(
    layer: torch.nn.Linear,
    x: np.ndarray,
    y: np.ndarray,
    eps: float,
    norm: str = "linf",
    bounds: tuple[float, float] = FAR,
) -> float:
    """Share right whose margin over every other class exceeds what the ball can take from it."""
    weight, bias = (p.detach().numpy().astype(np.float64) for p in (layer.weight, layer.bias))
    logits = x @ weight.T + bias
    stands = np.ones(len(y), dtype=bool)
    for other in range(len(bias)):
        margin = logits[np.arange(len(y)), y] - logits[:, other]
        apart = weight[y] - weight[other]
        stands &= (other == y) | (margin > _fall(apart, x, eps, norm, bounds))
    return float(stands.mean())


def _fall(apart: np.ndarray, x: np.ndarray, eps: float, norm: str, bounds: tuple[float, float]) -> np.ndarray:
    """The most that a margin with these weights falls: Hoelder; in L0 the eps features that gain most."""
    if norm == "l0":
        gains = np.maximum(apart * (x - bounds[0]), apart * (x - bounds[1]))
        return -np.sort(-np.maximum(gains, 0.0), axis=1)[:, : int(eps)].sum(axis=1)
    dual = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
    return eps * np.linalg.norm(apart, ord=dual, axis=1)


def measure(*, control: bool = False) -> list[Bar]:
    """The largest difference over models and eps, in each norm, and between a batch and its samples."""
    return [_assessed(control=control), *_each_norm(control=control), _batch(control=control)]


def _assessed(*, control: bool) -> Bar:
    """What ``assess`` reports; the control takes one step of a loss that points elsewhere on several classes."""
    differences = []
    for classes in CLASSES:
        layer, x, y = problem(classes, classes)
        for eps in EPS:
            if control:
                found = _right(layer, fgsm(layer, x, y, eps=eps, loss="ce"), y)
            else:
                report = assess(layer, x, y, eps=eps, effort="standard", bounds=BOX)
                found = report.measure("robust_accuracy").value
            differences.append((abs(found - closed_form(layer, x, y, eps)), eps))
    worst = max(differences)
    at_zero = max(d for d, eps in differences if eps == 0)
    return Bar(
        claim="robust accuracy of linear models equals the closed form at ten eps, eps = 0 the clean accuracy",
        measured=f"largest difference {worst[0]:.4f} (eps {worst[1]:g}); at eps 0 {at_zero:.4f}; 3 models, n = 120",
        wanted="0 and 0",
        met=worst[0] == 0 and at_zero == 0,
    )


def _each_norm(*, control: bool) -> list[Bar]:
    """PGD and, where it is defined, Auto-PGD, each wrong class in turn; the control is one step.

    PGD starts at the sample: from a random start twenty L2 steps leave a sample in some hundred that should fall.
    """
    bars = []
    for norm, bounds, ladder in NORMS:
        worst, cases = 0.0, 0
        for classes in CLASSES:
            layer, x, y = problem(classes, classes)
            for eps in ladder:
                given = {"eps": eps, "norm": norm, "bounds": bounds}
                if control:
                    found = [fgsm(layer, x, y, **given, loss="ce")]
                else:
                    found = [pgd_alone(layer, x, y, **given, loss="targets", random_start=False)]
                    found += [] if norm == "l0" else [apgd(layer, x, y, **given, loss="targets", steps=40)]
                should = closed_form(layer, x, y, eps, norm, bounds)
                differences = [abs(_right(layer, one, y) - should) for one in found]
                worst, cases = max(worst, *differences), cases + len(found)
        attacks = "PGD from the sample" + ("" if norm == "l0" else " and Auto-PGD")
        bars.append(
            Bar(
                claim=f"{attacks} in {norm} on linear models of 2, 3, 10 classes: the closed form",
                measured=f"largest difference {worst:.4f} in {cases} runs, n = 120",
                wanted="0",
                met=worst == 0,
            )
        )
    return bars


def _right(layer: torch.nn.Linear, x: np.ndarray, y: np.ndarray) -> float:
    with torch.no_grad():
        return float((layer(torch.from_numpy(x)).argmax(dim=1).numpy() == y).mean())


def _batch(*, control: bool) -> Bar:
    apart = _batch_against_single(control=control)
    return Bar(
        claim="a batch equals its samples one by one",
        measured=f"largest difference of an input {apart:.2g}",
        wanted="at most 1e-6 (float32)",
        met=apart <= 1e-6,
    )


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
