"""HopSkipJump and RayS, by labels alone, against Foolbox's and ART's HopSkipJump at equal queries.

On an MNIST checkpoint that thresholds its input and on a small network for traffic signs, hardened here in a
minute. Neither peer has RayS: it is held against their HopSkipJump, at their CPU time and not half of it, as it
asks one question about each sample at a time. What hard_label_race.py says of its settings holds for all sides.
Needs the data beside the checkout.
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

MOST = {"hopskipjump": 0.5, "rays": 1.0}  # of a peer's CPU time
SAMPLES = 20
QUERIES = (1000, 5000)
WORLDS = {"fast_at": "fast_at", "traffic signs": "signs"}  # name in the claims, kind of network
CONTROL = 3  # questions: the sample, a first point, one halving

Sides = dict[str, dict[str, float]]


@cache
def world(name: str) -> bytes:
    """The file of a network with the first samples that it reads right: made once, the same for all sides."""
    here = nets.mnist("fast_at") if name == "fast_at" else nets.gtsrb("linf", 4 / 255)
    with torch.no_grad():
        right = (here.net(here.x).argmax(1) == here.y).nonzero().squeeze(1)[:SAMPLES]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.pt"
        nets.save(here._replace(x=here.x[right], y=here.y[right]), path, WORLDS[name])
        return path.read_bytes()


@cache
def raced(name: str, queries: int, *, alone: bool = False) -> dict[str, Sides]:
    """What the race prints for one network; ``alone`` without the peers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.pt"
        path.write_bytes(world(name))
        extra = ["--alone"] if alone else []
        printed = in_peers("hard_label_race.py", str(path), str(queries), *extra)
    found: dict[str, Sides] = json.loads(printed.splitlines()[-1])
    return found


def measure(control: bool = False) -> list[Bar]:
    """One bar a network, attack, norm, peer and number of queries; in the control ours asks a few."""
    bars = []
    for name in WORLDS:
        for queries in QUERIES:
            races = raced(name, queries)
            ours = raced(name, CONTROL, alone=True) if control else races
            for attack, sides in races.items():
                peers = races["hopskipjump linf"] if attack.startswith("rays") else sides
                bars += [
                    against(f"{attack} on {name}, {queries:,} queries", ours[attack]["ancile"], peer, theirs)
                    for peer, theirs in peers.items()
                    if peer != "ancile"
                ]
    return bars


def against(what: str, mine: dict[str, float], peer: str, theirs: dict[str, float]) -> Bar:
    """The bar on one peer."""
    ratio, most = mine["seconds"] / theirs["seconds"], MOST[what.partition(" ")[0]]
    return Bar(
        claim=f"{what}: nearer than {peer}'s HopSkipJump at {most:.0%} of its CPU time",
        measured=f"median distance {mine['median']:.4g} against {theirs['median']:.4g}, "
        f"ours / {peer} = {ratio:.2f}, {SAMPLES} samples, one run each",
        wanted=f"not farther, at most {most:g}",
        met=mine["median"] <= theirs["median"] and ratio <= most,
    )


if __name__ == "__main__":
    for bar in (*measure(), *measure(control=True)):
        print(bar)
