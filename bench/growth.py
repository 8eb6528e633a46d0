"""CPU time of an assessment against samples, input size and classes: at most linear.

Random networks that say themselves what is right, so that none has to be trained; eps is such that the
linear model at each sample falls for half of them, whatever the size. The search form is given, since a trial
of forms takes the same time whatever the size and would flatter small ones. What is fixed does so anyway, so
the last step alone, between the two largest sizes, has to be linear as well. One thread; at each size the
least of some runs, the sizes in turn, since other work on the machine only ever adds. The control does, on
top of the run, work that grows with the square of the size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import nn

from ancile.assess.evasion import Context, Settings, assess_evasion
from ancile.assess.run import Samples
from ancile.attacks.constraint import Constraint
from ancile.core.subject import Subject, digest_of
from ancile.models.form import Form
from ancile.models.torch_module import torch_model
from bar import Bar

RUNS = 3
LINEAR = 1.1  # largest exponent that counts as linear: an eighth more for each doubling is within the noise
FORM = Form(precision="float32", batch=128)


class World(NamedTuple):
    """A kind of network, by size of a sample and classes; and the shape of a sample of that size."""

    net: Callable[[int, int], nn.Module]
    shape: Callable[[int], tuple[int, ...]]


class Case(NamedTuple):
    """What one run assesses: so many samples of so many values."""

    world: World
    samples: int
    size: int
    classes: int


class Growth(NamedTuple):
    """One ladder: ``sizes`` of one thing, the others fixed."""

    name: str
    sizes: tuple[int, ...]
    case: Callable[[int], Case]


def _rows(size: int, classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes))


def _images(_: int, classes: int) -> nn.Module:
    """Whatever the side of the image, the same weights."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, classes),
    )  # fmt: skip


ROWS = World(_rows, lambda size: (size,))
IMAGES = World(_images, lambda size: (1, round(size**0.5), round(size**0.5)))

LADDERS = (
    Growth("samples (rows)", (100, 200, 400, 800, 1600, 3200), lambda n: Case(ROWS, n, 100, 10)),
    Growth("samples (images)", (100, 200, 400, 800, 1600, 3200), lambda n: Case(IMAGES, n, 100, 10)),
    Growth("values of a row", (100, 200, 400, 800, 1600, 3200), lambda d: Case(ROWS, 100, d, 10)),
    Growth("pixels", (100, 196, 400, 784, 1600, 3136), lambda d: Case(IMAGES, 100, d, 10)),
    Growth("classes", (2, 5, 10, 20, 50, 100), lambda c: Case(ROWS, 100, 100, c)),
)


def assessment(case: Case) -> float:
    """CPU seconds of the cascade in one assessment at ``quick``."""
    torch.manual_seed(0)
    net = case.world.net(case.size, case.classes).eval().requires_grad_(False)
    x = torch.rand(case.samples, *case.world.shape(case.size))
    leaf = x.clone().requires_grad_()
    logits = net(leaf)
    best = logits.topk(2, dim=1).values
    margin = best[:, 0] - best[:, 1]
    (slope,) = torch.autograd.grad(margin.sum(), leaf)
    eps = float((margin.detach() / slope.flatten(1).abs().sum(dim=1)).median())
    subject = Subject(kind="model", name="random", digest=digest_of(b""))
    done = assess_evasion(
        torch_model(net, classes=case.classes, output="logits"),
        Samples(np.arange(case.samples), x.numpy(), logits.detach().argmax(dim=1).numpy()),
        Constraint("linf", eps, low=0.0, high=1.0),
        settings=Settings(effort="quick", form=FORM),
        context=Context(subject=subject, data=subject, available=case.samples),
    )
    if not 0.05 < done.result.robust.mean() < 0.95:
        raise RuntimeError(f"{case.size} values: nothing or all stands, so that little was searched")
    return done.report.cost.parts["cascade"].cpu_seconds


def planted(share: float) -> None:
    """Work that takes a tenth of a second for the smallest size, and grows with the square of the size."""
    until, grid = time.process_time() + 0.1 * share**2, np.ones((64, 64))
    while time.process_time() < until:
        grid = grid @ grid / 64


Spent = dict[int, list[float]]  # CPU seconds by size, run by run


class Timed(NamedTuple):
    """One ladder's times, of all and of the cascade in it."""

    whole: Spent
    cascade: Spent


def timed(one: Growth, *, control: bool) -> Timed:
    """Both by size; the control climbs the first rungs alone."""
    sizes = one.sizes[:4] if control else one.sizes
    found = Timed({size: [] for size in sizes}, {size: [] for size in sizes})
    for _ in range(1 if control else RUNS):
        for size in sizes:
            began = time.process_time()
            found.cascade[size].append(assessment(one.case(size)))
            if control:
                planted(size / sizes[0])
            found.whole[size].append(time.process_time() - began)
    return found


class Exponents(NamedTuple):
    """Slope of log time against log size with its 95 % interval, and between the two largest sizes alone."""

    all: float
    low: float
    high: float
    last: float

    def __str__(self) -> str:
        return f"{self.all:.2f} ({self.low:.2f} to {self.high:.2f}), last step {self.last:.2f}"


def exponents(spent: Spent) -> Exponents:
    """Least squares with Student's t, on the least time at each size."""
    size, least = np.log(list(spent)), np.log([min(runs) for runs in spent.values()])
    fit = stats.linregress(size, least)
    half = float(stats.t.ppf(0.975, len(size) - 2) * fit.stderr)
    last = float((least[-1] - least[-2]) / (size[-1] - size[-2]))
    return Exponents(float(fit.slope), float(fit.slope) - half, float(fit.slope) + half, last)


def measure(*, control: bool = False) -> list[Bar]:
    """One bar a ladder."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    bars = []
    try:
        assessment(LADDERS[0].case(50))  # what is imported late is no cost of the smallest size
        for one in LADDERS:
            spent = timed(one, control=control)
            whole, cascade = map(exponents, spent)
            least = [min(runs) for runs in spent.whole.values()]
            bars.append(
                Bar(
                    claim=f"growth of CPU time with {one.name}, {one.sizes[0]} to {one.sizes[-1]}",
                    measured=f"exponent {whole}; cascade alone {cascade}; {least[0]:.2f} to {least[-1]:.2f} s",
                    wanted=f"at most linear: no exponent above {LINEAR}",
                    met=max(whole.all, whole.last, cascade.all, cascade.last) <= LINEAR,
                    raw={
                        f"{part} {size}": runs
                        for part, d in spent._asdict().items()
                        for size, runs in d.items()
                    },
                )
            )
    finally:
        torch.set_num_threads(before)
    return bars


if __name__ == "__main__":
    for bar in measure():
        print(bar)
