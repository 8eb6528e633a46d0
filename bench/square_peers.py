"""The square attack against ART's and torchattacks's, with the same eps and as many proposals a sample.

Square does not look for the nearest example but for one within eps. What stands for the median perturbation of a
search at equal queries is therefore the share of samples that still stand: robust accuracy after 1,000 and 5,000
queries, of samples that the network reads right. All sides draw, and one draw breaks a sample that another leaves:
ours must not leave more standing than theirs beyond chance, by the exact paired test (McNemar 1947) of the samples
that one side alone breaks, at 5 % of all rows together (Bonferroni). Foolbox has no Square. ART's is held to half
its CPU time; torchattacks's is the authors' code, asks once about a proposal as ours does, and most of both is the
network: it is held to its own time.

On an MNIST checkpoint that thresholds its input and on a small network for traffic signs, hardened here in a
minute; in Linf and L2. What square_race.py says of its settings holds for all sides. Needs the data beside the
checkout.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import TypedDict

import torch
from scipy.stats import binomtest

import nets
from bar import Bar
from peers import in_peers

MOST = {"art": 0.5, "torchattacks": 1.0}  # of the peer's CPU time
SAMPLES = {1000: 200, 5000: 200}  # by queries: of 50 one would be two points
WORLDS = {"fast_at": "fast_at", "signs": "traffic signs"}  # kind of network, name in the claims
CONTROL = 20  # queries: it is fast, and most of the samples stand

ROWS = len(WORLDS) * len(SAMPLES) * 2 * len(MOST)  # of two norms
CHANCE = 0.05 / ROWS


class Side(TypedDict):
    """CPU seconds, which samples stand, questions a sample."""

    seconds: float
    stands: list[bool]
    asked: float


Sides = dict[str, Side]


@cache
def world(kind: str, samples: int) -> bytes:
    """The file of a network with the first samples that it reads right: made once, the same for all sides."""
    here = nets.mnist("fast_at") if kind == "fast_at" else nets.gtsrb("linf", 4 / 255)
    with torch.no_grad():
        right = (here.net(here.x).argmax(1) == here.y).nonzero().squeeze(1)[:samples]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.pt"
        nets.save(here._replace(x=here.x[right], y=here.y[right]), path, kind)
        return path.read_bytes()


@cache
def raced(kind: str, queries: int, *, asked: int = 0) -> dict[str, Sides]:
    """What the race prints for one network; where ``asked``, ours alone with so many queries."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.pt"
        path.write_bytes(world(kind, SAMPLES[queries]))
        extra = ["--alone"] if asked else []
        printed = in_peers("square_race.py", str(path), kind, str(asked or queries), *extra)
    found: dict[str, Sides] = json.loads(printed.splitlines()[-1])
    return found


def measure(control: bool = False) -> list[Bar]:
    """One bar a network, number of queries, norm and peer; in the control ours asks a few."""
    bars = []
    for kind, name in WORLDS.items():
        for queries, samples in SAMPLES.items():
            races = raced(kind, queries)
            ours = raced(kind, queries, asked=CONTROL) if control else races
            for norm, sides in races.items():
                what = f"square in {norm} on {name}, {queries:,} queries, {samples} samples"
                bars += [
                    against(what, ours[norm]["ancile"], peer, theirs)
                    for peer, theirs in sides.items()
                    if peer != "ancile"
                ]
    return bars


def against(what: str, mine: Side, peer: str, theirs: Side) -> Bar:
    """The bar on one peer."""
    ratio, most = mine["seconds"] / theirs["seconds"], MOST[peer]
    pairs = list(zip(mine["stands"], theirs["stands"], strict=True))
    lost, won = pairs.count((True, False)), pairs.count((False, True))
    chance = float(binomtest(lost, lost + won, alternative="greater").pvalue) if lost + won else 1.0
    ours, other = (sum(one["stands"]) / len(pairs) for one in (mine, theirs))
    return Bar(
        claim=f"{what}: no more samples stand than after {peer}'s beyond chance, at {most:.0%} of its CPU time",
        measured=f"robust accuracy {ours:.3f} against {other:.3f}, {won} broken by ours alone, {lost} by {peer}'s "
        f"(p = {chance:.2g}), ours / {peer} = {ratio:.2f}, asked {mine['asked']:.0f} and {theirs['asked']:.0f} "
        f"times a sample, one run each",
        wanted=f"p at least {CHANCE:.2g}, CPU at most {most:g}",
        met=chance >= CHANCE and ratio <= most,
        raw={"ancile": [mine["seconds"], ours], peer: [theirs["seconds"], other], "alone": [won, lost]},
    )


if __name__ == "__main__":
    for bar in (*measure(), *measure(control=True)):
        print(bar)
