"""The square attack against ART's and torchattacks's on one network, in one thread; prints JSON.

    square_race.py FILE NAME QUERIES [--alone]     run in the peers' environment; FILE is of `nets.save`

Each side searches the same balls with as many proposals a sample, 0.8 of the plane in the first ones, and stops
asking about a sample once it is broken. What counts is what is handed back, if it lies in the ball and fools the
network. Asking is counted too: ART asks more than once about a proposal. With --alone the peers do not run.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from ancile.attacks.constraint import Constraint
from ancile.attacks.square import square
from ancile.attacks.streams import Streams
from nets import World, load

BALLS = {"fast_at": {"linf": 0.3, "l2": 2.0}, "signs": {"linf": 4 / 255, "l2": 0.5}}
ORDER = {"linf": np.inf, "l2": 2}
FIRST_SHARE = 0.8
ROUNDING = 1e-5  # of eps: points are float32


class Goal(NamedTuple):
    """A network that counts, and the ball to search with so many proposals."""

    here: World
    asked: Asked
    norm: str
    eps: float
    queries: int


class Asked(torch.nn.Module):
    """The network, with the number of samples that went through."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net, self.samples = net, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.samples += len(x)
        found: torch.Tensor = self.net(x)
        return found


def art(goal: Goal) -> np.ndarray:
    """Points of ART's."""
    from art.attacks.evasion import SquareAttack  # type: ignore[import-not-found]  # in the peers' environment
    from art.estimators.classification import PyTorchClassifier  # type: ignore[import-not-found]  # as above

    np.random.seed(0)  # noqa: NPY002 - it draws from the global generator
    here = goal.here
    classifier = PyTorchClassifier(
        goal.asked.eval(), torch.nn.CrossEntropyLoss(), here.x.shape[1:], here.classes, clip_values=(0.0, 1.0),
        device_type="cpu",
    )  # fmt: skip
    attack = SquareAttack(
        classifier, norm=ORDER[goal.norm], max_iter=goal.queries, eps=goal.eps, p_init=FIRST_SHARE,
        batch_size=len(here.x), verbose=False,
    )  # fmt: skip
    found: np.ndarray = attack.generate(here.x.numpy(), here.y.numpy())
    return found


def torchattacks(goal: Goal) -> np.ndarray:
    """Points of torchattacks's, which is the authors' code."""
    import torchattacks as peer  # type: ignore[import-not-found]  # as above

    attack = peer.Square(
        goal.asked.eval(),
        norm=goal.norm.capitalize(),
        eps=goal.eps,
        n_queries=goal.queries,
        p_init=FIRST_SHARE,
    )
    found: np.ndarray = attack(goal.here.x, goal.here.y).numpy()
    return found


def ancile(goal: Goal) -> np.ndarray:
    """Points of ours; it may not ask more than it may."""

    def scores(points: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = goal.asked(torch.from_numpy(points)).numpy()
        return found

    x = goal.here.x.numpy()
    constraint = Constraint(goal.norm, goal.eps)  # type: ignore[arg-type]  # linf or l2
    rng = Streams(0, np.arange(len(x)))
    found = square(
        scores, x, goal.here.y.numpy(), constraint, rng, queries=goal.queries, first_share=FIRST_SHARE
    )
    if goal.asked.samples > goal.queries * len(x):
        raise RuntimeError(f"asked {goal.asked.samples} times, allowed {goal.queries} x {len(x)}")
    return np.asarray(found)


def standing(here: World, found: np.ndarray, norm: str, eps: float) -> list[bool]:
    """The samples whose point does not fool the network, or lies outside ball or bounds."""
    points = torch.from_numpy(np.asarray(found, dtype=np.float32))
    with torch.no_grad():
        fools = (here.net(points).argmax(1) != here.y).numpy()
    change = (points.double() - here.x.double()).flatten(1).numpy()
    inside = np.linalg.norm(change, ord=ORDER[norm], axis=1) <= eps * (1 + ROUNDING)
    bounded = ((points >= 0) & (points <= 1)).flatten(1).all(1).numpy()
    return [not one for one in (fools & inside & bounded).tolist()]


def main() -> None:
    """Print, for each norm, CPU seconds, which samples stand and questions a sample of each side."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    here, name, queries = load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    sides: dict[str, Callable[[Goal], np.ndarray]] = {"ancile": ancile}
    if "--alone" not in sys.argv:
        sides |= {"torchattacks": torchattacks, "art": art}
    for side in sides.values():
        side(Goal(here, Asked(here.net), "linf", BALLS[name]["linf"], 20))  # what it imports is not timed
    results: dict[str, dict[str, dict[str, object]]] = {}
    for norm, eps in BALLS[name].items():
        results[norm] = {}
        for peer, attack in sides.items():
            goal = Goal(here, Asked(here.net), norm, eps, queries)
            start = time.process_time()
            found = attack(goal)
            seconds = time.process_time() - start
            results[norm][peer] = {
                "seconds": seconds,
                "stands": standing(here, found, norm, eps),
                "asked": goal.asked.samples / len(here.x),
            }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
