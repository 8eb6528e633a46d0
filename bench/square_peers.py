"""The square attack against ART's and torchattacks's, with the same eps and as many proposals a sample.

Square does not look for the nearest example but for one within eps. What stands for the median perturbation of a
search at equal queries is therefore the share of samples that still stand: robust accuracy after 1,000 and 5,000
queries, of samples that the network reads right. It must be at or below the peer's. Foolbox has no Square. ART's
is held to half its CPU time; torchattacks's is the authors' code, asks once about a proposal as ours does, and most
of both is the network: it is held to its own time.

On an MNIST checkpoint that thresholds its input and on a small network for traffic signs, hardened here in a
minute; in Linf and L2. What square_race.py says of its settings holds for all sides. Needs the data beside the
checkout.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import torch

import nets
from bar import Bar
from peers import in_peers

MOST = {"art": 0.5, "torchattacks": 1.0}  # of the peer's CPU time
SAMPLES = {1000: 200, 5000: 200}  # by queries: of 50 one would be two points
WORLDS = {"fast_at": "fast_at", "signs": "traffic signs"}  # kind of network, name in the claims
CONTROL = 20  # queries: it is fast, and most of the samples stand

Sides = dict[str, dict[str, float]]


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


def against(what: str, mine: dict[str, float], peer: str, theirs: dict[str, float]) -> Bar:
    """The bar on one peer."""
    ratio, most = mine["seconds"] / theirs["seconds"], MOST[peer]
    return Bar(
        claim=f"{what}: no more samples stand than after {peer}'s, at {most:.0%} of its CPU time",
        measured=f"robust accuracy {mine['robust']:.2f} against {theirs['robust']:.2f}, "
        f"ours / {peer} = {ratio:.2f}, asked {mine['asked']:.0f} and {theirs['asked']:.0f} times a sample, "
        f"one run each",
        wanted=f"not above, at most {most:g}",
        met=mine["robust"] <= theirs["robust"] and ratio <= most,
        raw={"ancile": [mine["seconds"], mine["robust"]], peer: [theirs["seconds"], theirs["robust"]]},
    )


if __name__ == "__main__":
    for bar in (*measure(), *measure(control=True)):
        print(bar)
