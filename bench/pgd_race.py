"""PGD of ancile and of its peers on one small digits network, in one process and one thread; prints JSON.

Run by pgd_peers.py in the peers' environment. The same network, all 597 held-out samples in one call, cross
entropy, 20 steps of 2.5 eps / 20, from the sample itself, one restart; robust accuracy is judged by the network,
not by any library.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits

from ancile.attacks.constraint import Constraint
from ancile.attacks.pgd import pgd
from ancile.attacks.streams import Streams
from ancile.models.torch_module import torch_model

STEPS, RUNS, TRAINED, HARDENING_EPS = 20, 5, 1200, 0.1
RACES = (("plain", 0.15), ("plain", 0.1), ("hardened", 0.1))  # how a network was trained, eps of the attack
Attack = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class World(NamedTuple):
    net: torch.nn.Module
    x: torch.Tensor
    y: torch.Tensor
    eps: float

    @property
    def size(self) -> float:
        return 2.5 * self.eps / STEPS


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    bunch = load_digits()
    x = torch.from_numpy((bunch.images[:, None] / 16.0).astype(np.float32))
    return x, torch.from_numpy(bunch.target.astype(np.int64))


def world(*, hardened: bool, eps: float) -> World:
    """Two convolutions trained on 1,200 digits, plainly or on PGD-7 examples; the other 597 are attacked."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(512, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10),
    )  # fmt: skip
    x, y = digits()
    adam = torch.optim.Adam(net.parameters(), lr=3e-3)
    constraint = Constraint("linf", HARDENING_EPS)
    for epoch in range(15):
        order = torch.randperm(TRAINED)
        for part in order.split(100):
            seen = x[part]
            if hardened:
                model = torch_model(net, classes=10, output="logits")
                rng = Streams(epoch, part.numpy())
                seen = pgd(model, seen, y[part], constraint, rng, steps=7, loss="ce")
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(seen), y[part]).backward()
            adam.step()
    return World(net.eval(), x[TRAINED:], y[TRAINED:], eps)


def ours(here: World, *, control: bool) -> Attack:
    model = torch_model(here.net, classes=10, output="logits")
    constraint = Constraint("linf", here.eps)
    rng = Streams(0, np.arange(len(here.x)))

    def attack(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        streams = rng.take(np.arange(len(x)))
        return pgd(
            model, x, y, constraint, streams, steps=STEPS, step_size=here.size, random_start=False, loss="ce"
        )

    def one_by_one(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.cat([attack(a, b) for a, b in zip(x.split(1), y.split(1), strict=True)])

    return one_by_one if control else attack


def torchattacks_pgd(here: World) -> Attack:
    import torchattacks

    return torchattacks.PGD(here.net, eps=here.eps, alpha=here.size, steps=STEPS, random_start=False)


def foolbox_pgd(here: World) -> Attack:
    import foolbox

    model = foolbox.PyTorchModel(here.net, bounds=(0, 1))
    attack = foolbox.attacks.LinfPGD(abs_stepsize=here.size, steps=STEPS, random_start=False)
    return lambda x, y: attack(model, x, y, epsilons=here.eps)[1]


def art_pgd(here: World) -> Attack:
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    model = PyTorchClassifier(
        here.net, torch.nn.CrossEntropyLoss(), (1, 8, 8), 10, clip_values=(0, 1), device_type="cpu"
    )
    attack = ProjectedGradientDescent(
        model, norm=np.inf, eps=here.eps, eps_step=here.size, max_iter=STEPS, num_random_init=0,
        batch_size=len(here.x), verbose=False,
    )  # fmt: skip
    return lambda x, y: torch.from_numpy(attack.generate(x.numpy(), y.numpy()))


def timed(here: World, attack: Attack) -> tuple[float, float]:
    """CPU seconds, and robust accuracy in percent; a result outside the ball by over 1e-6 counts as robust."""
    start = time.process_time()
    found = attack(here.x, here.y)
    seconds = time.process_time() - start
    inside = ((found - here.x).abs() <= here.eps + 1e-6) & (found >= 0) & (found <= 1)
    with torch.no_grad():
        right = here.net(found.detach()).argmax(dim=1) == here.y
        clean = here.net(here.x).argmax(dim=1) == here.y
    return seconds, 100 * float((clean & (right | ~inside.flatten(1).all(dim=1))).float().mean())


def race(here: World, *, control: bool) -> dict[str, dict[str, list[float]]]:
    """CPU seconds and robust accuracy of each side, five runs in turn after one to warm up."""
    sides = {
        "ancile": ours(here, control=control),
        "torchattacks": torchattacks_pgd(here),
        "foolbox": foolbox_pgd(here),
        "art": art_pgd(here),
    }
    found: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "robust": []} for name in sides}
    for turn in range(RUNS + 1):
        for name, attack in sides.items():
            seconds, robust = timed(here, attack)
            if turn:
                found[name]["seconds"].append(seconds)
                found[name]["robust"].append(robust)
    return found


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    control = "--control" in sys.argv
    races = RACES[:1] if control else RACES
    worlds = {f"{kind} {eps:g}": world(hardened=kind == "hardened", eps=eps) for kind, eps in races}
    print(json.dumps({name: race(here, control=control) for name, here in worlds.items()}))


if __name__ == "__main__":
    main()
