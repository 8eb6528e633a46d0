"""Searches by decisions alone against Foolbox's and ART's on one network, in one thread; prints JSON.

    hard_label_race.py FILE QUERIES [--alone]      run in the peers' environment; FILE is of `nets.save`

A peer is stopped when it has asked QUERIES times about a sample, and what counts for it is the nearest point that
it ever asked about and that was misread, handed back or not; for ours what is handed back. Foolbox works on all
samples at once, ART on one after the other, as each is made. What noting distances takes is not put down to a
peer. With --alone the peers do not run.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from ancile.attacks.constraint import Constraint
from ancile.attacks.hopskipjump import hopskipjump
from ancile.attacks.rays import rays
from ancile.attacks.streams import Streams
from nets import World, load

REACH = {"linf": 1.0, "l2": 1e3}
ORDER = {"linf": np.inf, "l2": 2}


class Found(NamedTuple):
    """The distance of each sample, infinite where nothing was found, and CPU seconds that do not count."""

    far: np.ndarray
    aside: float


class SpentError(Exception):
    """A peer has asked all its questions."""


class Oracle:
    """Answers about samples, all of them in turn or one alone; the nearest misread point of each is kept.

    seconds  of CPU spent on keeping
    """

    def __init__(self, here: World, norm: str, queries: int) -> None:
        self.net, self.x, self.y = here.net, here.x.numpy(), here.y.numpy()
        self.order, self.queries = ORDER[norm], queries
        self.asked, self.seconds = 0, 0.0
        self.nearest = np.full(len(self.x), np.inf)

    def all(self, points: torch.Tensor) -> torch.Tensor:
        """Logits of one point for each sample; raises once all questions are asked."""
        if self.asked >= self.queries:
            raise SpentError
        self.asked += 1
        with torch.no_grad():
            logits: torch.Tensor = self.net(points)
        self._keep(np.arange(len(self.x)), points.numpy(), logits.numpy())
        return logits

    def one(self, who: int, points: np.ndarray) -> np.ndarray:
        """Logits of points about one sample; those that are asked too much do not count, and end it."""
        left = self.queries - self.asked
        if left <= 0:
            raise SpentError
        self.asked += len(points)
        with torch.no_grad():
            logits: np.ndarray = self.net(torch.from_numpy(points.astype(np.float32))).numpy()
        self._keep(np.full(min(left, len(points)), who), points[:left], logits[:left])
        return logits

    def _keep(self, who: np.ndarray, points: np.ndarray, logits: np.ndarray) -> None:
        """Note what was nearest; the time that this takes is none of the peer's."""
        start = time.process_time()
        fools = logits.argmax(1) != self.y[who]
        change = (points - self.x[who]).reshape(len(who), -1)[fools]
        far = np.linalg.norm(change.astype(np.float64), ord=self.order, axis=1)
        np.minimum.at(self.nearest, who[fools], far)
        self.seconds += time.process_time() - start


def foolbox(here: World, norm: str, queries: int) -> Found:
    """Distances of Foolbox's; it begins at points that fool, found for it: its own search fails a batch for one."""
    import foolbox as peer  # type: ignore[import-not-found]  # in the peers' environment alone

    oracle = Oracle(here, norm, queries)
    starts = here.x.clone()
    drawn = torch.Generator().manual_seed(0)
    for _ in range(200):
        with torch.no_grad():
            right = here.net(starts).argmax(1) == here.y
        starts[right] = torch.rand(starts[right].shape, generator=drawn)

    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return oracle.all(x)

    attack = peer.attacks.HopSkipJumpAttack(steps=1000, constraint=norm)
    model = peer.PyTorchModel(Net().eval(), bounds=(0, 1))
    # It asserts that what fooled once fools again
    with suppress(SpentError, AssertionError):
        attack(model, here.x, peer.criteria.Misclassification(here.y), epsilons=None, starting_points=starts)
    return Found(oracle.nearest, oracle.seconds)


def art(here: World, norm: str, queries: int) -> Found:
    """Distances of ART's."""
    from art.attacks.evasion import HopSkipJump  # type: ignore[import-not-found]  # as above
    from art.estimators.classification import BlackBoxClassifier  # type: ignore[import-not-found]  # as above

    nearest, seconds = np.full(len(here.x), np.inf), 0.0
    np.random.seed(0)  # noqa: NPY002 - it draws from the global generator
    for who in range(len(here.x)):
        oracle = Oracle(here, norm, queries)
        classifier = BlackBoxClassifier(
            lambda points, oracle=oracle, who=who: oracle.one(who, points), here.x.shape[1:], here.classes,
            clip_values=(0.0, 1.0),
        )  # fmt: skip
        attack = HopSkipJump(
            classifier, norm=ORDER[norm], max_iter=1000, max_eval=10_000, init_eval=100, verbose=False
        )
        with suppress(SpentError):
            attack.generate(here.x[who : who + 1].numpy(), here.y[who : who + 1].numpy())
        nearest[who] = oracle.nearest[who]
        seconds += oracle.seconds
    return Found(nearest, seconds)


def ancile(attack: Callable[..., np.ndarray], here: World, norm: str, queries: int) -> Found:
    """Distances of ours, as handed back; it may not have asked more than it may."""
    asked = 0

    def scores(points: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(points)
        with torch.no_grad():
            found: np.ndarray = here.net(torch.from_numpy(points)).numpy()
        return found

    constraint = Constraint(norm, REACH[norm])  # type: ignore[arg-type]  # linf or l2
    x, rng = here.x.numpy(), Streams(0, np.arange(len(here.x)))
    found = attack(scores, x, here.y.numpy(), constraint, rng, queries=queries)
    if asked > queries * len(x):
        raise RuntimeError(f"asked {asked} times, allowed {queries} x {len(x)}")
    with torch.no_grad():
        fools = here.net(torch.from_numpy(found)).argmax(1).numpy() != here.y.numpy()
    return Found(np.where(fools, constraint.distance(found, x), np.inf), 0.0)


def main() -> None:
    """Print, for each attack and norm, CPU seconds and median distance of each side."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    here, queries = load(sys.argv[1]), int(sys.argv[2])
    peers: dict[str, Callable[[World, str, int], Found]] = {"foolbox": foolbox, "art": art}
    if "--alone" in sys.argv:
        peers = {}
    for peer in peers.values():
        peer(here, "linf", 30)  # what it imports is not timed
    ancile(hopskipjump, here, "linf", 30)
    sides: dict[str, dict[str, Callable[[], Found]]] = {}
    for norm in REACH:
        sides[f"hopskipjump {norm}"] = {
            "ancile": partial(ancile, hopskipjump, here, norm, queries),
            **{name: partial(peer, here, norm, queries) for name, peer in peers.items()},
        }
    sides["rays linf"] = {"ancile": partial(ancile, rays, here, "linf", queries)}
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name, raced in sides.items():
        results[name] = {}
        for side, attack in raced.items():
            start = time.process_time()
            found = attack()
            seconds = time.process_time() - start - found.aside
            results[name][side] = {"seconds": seconds, "median": float(np.median(found.far))}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
