"""Models whose gradients mislead, in nine ways and three variants of each, and honest ones beside them.

A mask lies before, in the middle of, or behind an ordinary network. ``base`` is that network without it: whoever
knows the mask attacks there, and what breaks is tried on the masked one. Needs the data beside the checkout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import nets
from project import SHARED

Function = Callable[[torch.Tensor], torch.Tensor]


class Case(NamedTuple):
    """A network, the one below its mask, and what it is attacked on."""

    name: str
    kind: str
    make: Callable[[], nn.Module]
    base: Callable[[], nn.Module]
    world: str
    eps: float


class Masked(nn.Module):
    """A chain of layers with a mask before layer ``at``; at their number it lies behind them all."""

    def __init__(self, net: nn.Sequential, mask: Function | nn.Module, at: int) -> None:
        super().__init__()
        self.net, self.mask, self.at = net, mask, at

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores as the mask leaves them."""
        found: torch.Tensor = self.net[self.at :](self.mask(self.net[: self.at](x)))
        return found


class Thermometer(nn.Module):
    """A code of levels reached (Buckman et al., ICLR 2018), read as the share of them."""

    levels: torch.Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.register_buffer("levels", (torch.arange(levels) + 0.5) / levels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, *shape) again."""
        return (x.unsqueeze(-1) > self.levels).float().mean(dim=-1)


class RandomBack(torch.autograd.Function):
    """Nothing forth, chance back."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        """As it is."""
        return x.clone()

    @staticmethod
    def backward(_: Any, *found: Any) -> Any:
        """Of the right size."""
        return torch.randn_like(found[0])


class NoBack(torch.autograd.Function):
    """Nothing forth, nothing back."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        """As it is."""
        return x.clone()

    @staticmethod
    def backward(_: Any, *found: Any) -> Any:
        """Zeros."""
        return torch.zeros_like(found[0])


def _trained(net: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int) -> nn.Module:
    adam = torch.optim.Adam(net.parameters(), 2e-3)
    drawn = torch.Generator().manual_seed(1)
    for _ in range(steps):
        rows = torch.randint(0, len(x), (128,), generator=drawn)
        adam.zero_grad()
        functional.cross_entropy(net(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call] # torch's
        adam.step()
    return net.eval().requires_grad_(False)


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images and labels for training, images and labels for testing in the order of ``nets.mnist``."""
    data = np.load(SHARED / "data/mnist.npz")
    images = [torch.tensor(data[n]).float().view(-1, 1, 28, 28) / 255 for n in ("x_train", "x_test")]
    chosen = np.random.default_rng(0).choice(10000, nets.SAMPLES, replace=False)
    labels = [torch.tensor(data[n]).long() for n in ("y_train", "y_test")]
    return images[0], labels[0], images[1][chosen], labels[1][chosen]


@cache
def plain(norm: bool = False) -> nn.Sequential:
    """Two convolutions for digits, trained a moment; with batch normalisation if asked."""
    torch.manual_seed(int(norm))
    middle: list[nn.Module] = [nn.BatchNorm2d(16)] if norm else []
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), *middle, nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(32 * 49, 10),
    )  # fmt: skip
    _trained(net, *digits()[:2], 400)
    return net


@cache
def linear() -> nn.Module:
    """One layer for digits."""
    torch.manual_seed(2)
    return _trained(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), *digits()[:2], 400)


@cache
def hardened(name: str) -> nn.Sequential:
    """A checkpoint as a chain of layers."""
    return nn.Sequential(*nets.mnist(name).net.children())


@cache
def table() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Two hidden layers for spam, and its held-out rows."""
    x, y, train = nets._table("spambase")  # noqa: SLF001 - read as the other bars read it
    torch.manual_seed(3)
    return _trained(nets.rows(x.shape[1]), x[train], y[train], 400), x[~train], y[~train]


@cache
def signs() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Three convolutions for traffic signs, and test images."""
    data = np.load(SHARED / "data/gtsrb.npz")
    x, test = (torch.tensor(data[n]).float().permute(0, 3, 1, 2) / 255 for n in ("x_train", "x_test"))
    y, truth = (torch.tensor(data[n]).long() for n in ("y_train", "y_test"))
    torch.manual_seed(4)
    return _trained(nets.signs(43), x.contiguous(), y, 500), test.contiguous(), truth


def samples(world: str, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """So many test samples."""
    if world == "digits":
        return digits()[2][:n], digits()[3][:n]
    x, y = (table if world == "table" else signs)()[1:]
    rows = np.random.default_rng(5).choice(len(x), n, replace=False)
    return x[rows], y[rows]


def _unsure(z: torch.Tensor) -> torch.Tensor:
    return torch.where(z.softmax(1).amax(1, keepdim=True) < 0.6, torch.nan, z)


def _between(x: torch.Tensor) -> torch.Tensor:
    """NaN for images with too many greys: what most attacks make."""
    greys = ((x > 0.05) & (x < 0.25)).float().flatten(1).mean(1)
    return torch.where((greys > 0.25).view(-1, 1, 1, 1), torch.nan, x)


def _there_and_back(h: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(h.detach().cpu().numpy().copy()).to(h)


def _power(z: torch.Tensor) -> torch.Tensor:
    p = z.softmax(1)
    for _ in range(2):
        p = p**16 / (p**16).sum(1, keepdim=True)
    return p


def _resized(x: torch.Tensor) -> torch.Tensor:
    """At another size, somewhere on a dark ground: Xie et al., ICLR 2018, arXiv:1711.01991."""
    size = int(torch.randint(22, 29, (1,)))
    left, top = (int(torch.randint(0, 29 - size, (1,))) for _ in range(2))
    small = functional.interpolate(x, size=(size, size), mode="nearest")
    return functional.pad(small, (left, 28 - size - left, top, 28 - size - top))


def _pruned(h: torch.Tensor) -> torch.Tensor:
    """Activations kept by lot, the larger the likelier: Dhillon et al., ICLR 2018, arXiv:1803.01442."""
    flat = h.flatten(1)
    share = flat.abs() / flat.abs().sum(1, keepdim=True).clamp_min(1e-9)
    kept = 1 - (1 - share) ** (0.5 * flat.shape[1])
    return (flat * (torch.rand_like(flat) < kept) / kept.clamp_min(1e-6)).view_as(h)


def _drawn_levels(x: torch.Tensor) -> torch.Tensor:
    """Rounded up or down by lot, to one of several numbers of levels."""
    levels = float(torch.randint(3, 8, (1,)))
    return ((x * levels + torch.rand_like(x)).floor() / levels).clamp(0, 1)


# name, base, place in its chain, mask
MASKS: dict[str, list[tuple[str, str, int, Callable[[], Function | nn.Module]]]] = {
    "non-differentiable step": [
        ("input rounded", "plain", 0, lambda: lambda x: torch.round(x * 8) / 8),
        ("activations floored", "plain", 2, lambda: lambda h: torch.floor(h * 4) / 4),
        ("input compared", "fast_at", 0, lambda: lambda x: (x > 0.5).float()),
    ],
    "saturated softmax": [
        ("softmax of 1000 z", "plain", 99, lambda: lambda z: torch.softmax(1000 * z, 1)),
        ("powers of softmax", "plain", 99, lambda: _power),
        ("softmax of 100 z", "pgd_at", 99, lambda: lambda z: torch.softmax(100 * z, 1)),
    ],
    "noise": [
        ("on the input", "plain", 0, lambda: lambda x: x + 0.1 * torch.randn_like(x)),
        ("on activations", "plain", 2, lambda: lambda h: h * (1 + 0.5 * torch.randn(h.shape))),
        ("on logits", "fast_at", 99, lambda: lambda z: z + torch.empty_like(z).normal_(0, 1)),
    ],
    "train mode": [
        ("batch statistics", "normed", 1, lambda: lambda h: h),
        ("dropout of activations", "plain", 2, lambda: lambda h: functional.dropout(h, 0.3, training=True)),
        ("dropout of pixels", "fast_at", 0, lambda: lambda x: functional.dropout(x, 0.05, training=True)),
    ],
    "NaN": [
        ("where unsure", "plain", 99, lambda: _unsure),
        ("for greys", "fast_at", 0, lambda: _between),
        ("in the gradient", "plain", 0, lambda: lambda x: x + 0 * torch.sqrt(x - x)),
    ],
    "detached graph": [
        ("detached", "plain", 0, lambda: lambda x: x.detach()),
        ("numpy and back", "plain", 3, lambda: _there_and_back),
        ("chance for a gradient", "fast_at", 0, lambda: RandomBack.apply),
        ("zeros for a gradient", "plain", 2, lambda: NoBack.apply),
    ],
    "shattered gradients": [
        ("waves on the input", "plain", 0, lambda: lambda x: (x + 0.02 * torch.sin(2000 * x)).clamp(0, 1)),
        ("thermometer code", "plain", 0, lambda: Thermometer(16)),
        ("waves on logits", "fast_at", 99, lambda: lambda z: z + 0.3 * torch.sin(300 * z)),
        ("waves on activations", "plain", 2, lambda: lambda h: h + 0.05 * torch.sin(1000 * h)),
    ],
    "drawn transformation": [
        ("resized and padded", "plain", 0, lambda: _resized),
        ("activations pruned", "plain", 2, lambda: _pruned),
        ("rounded by lot", "plain", 0, lambda: _drawn_levels),
    ],
}
DRAWN = ("noise", "train mode", "drawn transformation")  # kinds whose own mean gradients lead somewhere
LENT = "scores of another network"
LENDERS = ("fast_at", "pgd_at", "trades")
KINDS = (*MASKS, LENT)


def base(name: str) -> nn.Sequential:
    """The network below a mask."""
    return plain(norm=name == "normed") if name in ("plain", "normed") else hardened(name)


class _Company(nn.Module):
    """Batch normalisation left in train mode, whatever mode the whole is in."""

    def __init__(self, net: nn.Sequential) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores that depend on the batch."""
        norm = self.net[1]
        if not isinstance(norm, nn.BatchNorm2d):
            raise TypeError(type(norm))
        h = functional.batch_norm(self.net[0](x), None, None, norm.weight, norm.bias, training=True)
        found: torch.Tensor = self.net[2:](h)
        return found


class _Lent(nn.Module):
    """One network decides, without a graph; another, that is harder to fool, lends the scores and their slopes."""

    def __init__(self, decides: nn.Module, lends: nn.Module) -> None:
        super().__init__()
        self.decides, self.lends = decides, lends

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The lent scores, of which two trade places where the networks disagree."""
        scores: torch.Tensor = self.lends(x)
        with torch.no_grad():
            wanted = self.decides(x.detach()).argmax(1)
        row, highest = torch.arange(len(x)), scores.argmax(1)
        order = torch.arange(scores.shape[1]).repeat(len(x), 1)
        order[row, highest], order[row, wanted] = wanted, highest
        return scores.gather(1, order)


def masked() -> Iterator[Case]:
    """All of them."""

    def lent(lender: str) -> Callable[[], nn.Module]:
        return lambda: _Lent(base("plain"), nets.mnist(lender).net).eval()

    def made(name: str, at: int, mask: Callable[[], Function | nn.Module]) -> Callable[[], nn.Module]:
        if name == "normed":
            return lambda: _Company(base(name)).eval()
        return lambda: Masked(base(name), mask(), min(at, len(base(name)))).eval()

    for kind, variants in MASKS.items():
        for name, below, at, mask in variants:
            eps = 0.1 if below in ("plain", "normed") else 0.3
            yield Case(f"{name} ({below})", kind, made(below, at, mask), partial(base, below), "digits", eps)
    for lender in LENDERS:
        yield Case(f"lent by {lender} (plain)", LENT, lent(lender), partial(base, "plain"), "digits", 0.1)


class _Scaled(nn.Module):
    def __init__(self, net: nn.Module, by: float) -> None:
        super().__init__()
        self.net, self.by = net, by

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.by * self.net(x)
        return found


def honest() -> Iterator[Case]:
    """Networks with nothing to hide."""
    makers: dict[str, tuple[Callable[[], nn.Module], str, float]] = {
        "plain": (plain, "digits", 0.1),
        "fast_at": (lambda: hardened("fast_at"), "digits", 0.3),
        "pgd_at": (lambda: hardened("pgd_at"), "digits", 0.3),
        "trades": (lambda: nets.mnist("trades").net, "digits", 0.3),
        "table": (lambda: table()[0], "table", 0.03),
        "linear": (linear, "digits", 0.05),
        "signs": (lambda: signs()[0], "signs", 2 / 255),
        "scaled": (lambda: _Scaled(plain(), 1e4), "digits", 0.1),
    }
    for name, (make, world, eps) in makers.items():
        yield Case(name, "honest", make, make, world, eps)
