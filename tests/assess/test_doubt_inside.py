"""Networks that answer in steps, or only on the levels of the data: the figure is that of who knows them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

from ancile.assess.exhibits import trust_table
from ancile.assess.run import Samples
from ancile.attacks.constraint import Constraint
from ancile.attacks.losses import margin
from tests.assess.doubted import Masked
from tests.assess.small import assessed

Function = Callable[[torch.Tensor], torch.Tensor]
PER = 16  # levels a unit
POINTS = 0.03  # of all samples
EPS = 0.07


def taught(seed: int = 0) -> tuple[torch.nn.Module, Samples]:
    """Two layers for blobs around ten centres on levels of sixteenths, and sixty samples."""
    torch.manual_seed(seed)
    centres = 0.3 + 0.4 * torch.rand(10, 64)
    y = torch.arange(600) % 10
    x = ((centres[y] + 0.15 * torch.randn(600, 64)).clamp(0, 1) * PER).round() / PER
    net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    adam = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60):
        adam.zero_grad()
        functional.cross_entropy(net(x), y).backward()  # type: ignore[no-untyped-call]  # torch's
        adam.step()
    net.eval().requires_grad_(requires_grad=False)
    return net, Samples(np.arange(60, dtype=np.int64), x[:60].numpy(), y[:60].numpy())


def known(
    below: torch.nn.Module, masked: torch.nn.Module, samples: Samples, eps: float, per: int = 0
) -> float:
    """Robust accuracy against who climbs on the network below, on levels where there are some."""
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    low, high = (x - eps).clamp_min(0), (x + eps).clamp_max(1)
    at, stands = x, torch.from_numpy(masked(x).argmax(1).numpy()) == y
    for step in range(60):
        leaf = at.clone().requires_grad_()
        (slope,) = torch.autograd.grad(margin(below(leaf), y).sum(), leaf)
        at = (at + eps * 0.5 * (1 - step / 60) * slope.sign()).clamp(low, high).detach()
        tried = at
        if per:
            least, most = torch.ceil(low * per - 1e-4), torch.floor(high * per + 1e-4)
            tried = torch.maximum(torch.minimum((at * per).round(), most), least) / per
        scores = masked(tried)
        stands &= (scores.argmax(1) == y) | ~scores.isfinite().all(1)
    return float(stands.double().mean())


def hot(z: torch.Tensor) -> torch.Tensor:
    """One for the highest."""
    return functional.one_hot(z.argmax(1), z.shape[1]).float()


def by_numpy(z: torch.Tensor) -> torch.Tensor:
    """The same by numpy."""
    return torch.from_numpy(np.eye(z.shape[1], dtype=np.float32)[z.detach().numpy().argmax(1)])


IN_STEPS: dict[str, Function] = {
    "one-hot": hot,
    "by numpy": by_numpy,
    "ranks": lambda z: z.argsort(1).argsort(1).float(),
    "one-hot beside a slope that tells nothing": lambda z: 9 * hot(z) + torch.tanh(z.roll(1, 1)) / 5,
    "shares of tenths": lambda z: torch.round(z.softmax(1), decimals=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_STEPS)
def test_an_answer_in_steps_hides_nothing(name: str) -> None:
    net, samples = taught()
    masked = Masked(net, after=IN_STEPS[name])
    made = assessed(masked, samples, EPS)
    assert made.report.outcome != "pass"
    assert made.result.robust.mean() <= known(net, masked, samples, EPS) + POINTS
    assert any("scores inside" in effect.name for effect in made.result.state.log)


def off(x: torch.Tensor) -> torch.Tensor:
    """(n, 1) whether any feature lies between two levels."""
    return ((x * PER - (x * PER).round()).abs() > 1e-3).any(1, keepdim=True)


class Between(torch.nn.Module):
    """A network that answers something else where an input lies between two levels."""

    def __init__(self, net: torch.nn.Module, other: Function) -> None:
        super().__init__()
        self.net, self.other = net, other
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        return torch.where(off(x), self.other(x), self.net(x))


def answers(samples: Samples) -> dict[str, Function]:
    """What is answered there."""
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)

    def clean(at: torch.Tensor) -> torch.Tensor:
        return 9.0 * functional.one_hot(y[torch.cdist(at, x).argmin(1)], 10)

    first = torch.eye(10)[:1]
    return {
        "nothing": lambda _: torch.tensor(torch.nan),
        "the class of the nearest sample": clean,
        "always the first class": lambda at: first.expand(len(at), 10),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nothing", "the class of the nearest sample", "always the first class"])
@pytest.mark.parametrize("eps", [EPS, 0.1])
def test_what_is_answered_between_levels_hides_nothing_on_them(name: str, eps: float) -> None:
    net, samples = taught()
    masked = Between(net, answers(samples)[name])
    made = assessed(masked, samples, eps)
    assert made.report.outcome != "pass"
    assert made.result.robust.mean() <= known(net, masked, samples, eps, PER) + POINTS


def greedy(net: torch.nn.Module, samples: Samples, eps: float) -> float:
    """Robust accuracy against step after step of one feature, the best for what it takes of an L2 ball."""
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    moved, stands = torch.zeros_like(x), net(x).argmax(1) == y
    for _ in range(120):
        leaf = (x + moved / PER).requires_grad_()
        (slope,) = torch.autograd.grad(margin(net(leaf), y).sum(), leaf)
        step = slope.sign()
        price = (moved + step) ** 2 - moved**2
        room = (moved**2).sum(1, keepdim=True) + price <= (eps * PER) ** 2
        inside = (leaf + step / PER >= 0) & (leaf + step / PER <= 1)
        worth = torch.where(room & inside, slope.abs() / price.clamp_min(0.1), 0.0)
        best = worth.argmax(1, keepdim=True)
        moved.scatter_add_(1, best, (step * (worth > 0)).gather(1, best))
        stands &= net(x + moved / PER).argmax(1) == y
    return float(stands.double().mean())


@pytest.mark.slow
def test_in_a_ball_that_limits_all_features_together_steps_go_where_they_tell() -> None:
    net, samples = taught()
    ball = Constraint(norm="l2", eps=0.4)
    made = assessed(Between(net, lambda _: torch.tensor(torch.nan)), samples, 0.4, constraint=ball)
    assert made.report.outcome != "pass"
    assert made.result.robust.mean() <= greedy(net, samples, 0.4) + POINTS


def test_a_network_that_raises_between_levels_is_attacked_on_them() -> None:
    net, samples = taught()

    class Strict(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if bool(off(x).any()):
                raise ValueError("no such level")
            found: torch.Tensor = net(x)
            return found

    made = assessed(Strict().eval(), samples, 0.1)
    assert made.report.outcome == "no_conclusion"
    assert made.result.robust.mean() <= known(net, net, samples, 0.1, PER) + POINTS


@pytest.mark.slow
def test_what_was_searched_on_and_where_scores_jump_is_told() -> None:
    net, samples = taught()
    made = assessed(Masked(net, after=IN_STEPS["one-hot beside a slope that tells nothing"]), samples, EPS)
    doubt = made.result.doubt
    assert doubt.stepped
    told = {row[0]: row[1] for row in trust_table(made.result).rows}
    assert told["scores jump where the answer changes"] == f"{doubt.jumps} of {doubt.crossed}"
    assert "scores inside" in str(told["searched again on"])
    assert "levels of the data" in str(told["searched again on"])
    errors = {one.check: one.detail for one in made.report.findings if one.status == "ERROR"}
    assert "scores jump" in errors["evasion-lost-gradient"]
    plain = assessed(net, samples, EPS).result
    assert not plain.doubt.jumps
    assert plain.doubt.crossed
