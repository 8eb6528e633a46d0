"""The cascade against AutoAttack on three hardened MNIST networks: robust accuracy and CPU time, one thread each.

Linf eps 0.3, 1,000 test images; AutoAttack standard of pyautoattack 0.2.0, which is fra31/auto-attack a392200
but for its packaging. It takes six to nine minutes a network, on trades more than an hour, and runs once; the
control is the cascade's opening climb alone. Needs the data beside the checkout.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nets
from bar import Bar
from peers import in_peers

NETS = ("fast_at", "pgd_at", "trades")
EPS = 0.3
STANDARD, QUICK = 25, 100  # so much less CPU time than AutoAttack at the least
POINTS = 2.0  # that quick may leave above AutoAttack


class Side(NamedTuple):
    """CPU seconds and robust accuracy in percent."""

    seconds: float
    robust: float


@cache
def side(net: str, name: str) -> Side:
    """One run of one side on one network, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.pt"
        nets.save(nets.mnist(net), path, net)
        found = json.loads(in_peers("cascade_race.py", str(path), "linf", str(EPS), name).splitlines()[-1])
    return Side(found["seconds"], 100 * sum(found["stands"]) / len(found["stands"]))


def compared(mine: Side, peer: Side) -> str:
    """How a row of the results says it."""
    return (
        f"robust accuracy {mine.robust:.1f} against {peer.robust:.1f} %, "
        f"ours / AutoAttack = 1/{peer.seconds / mine.seconds:.0f} ({mine.seconds:.1f} and {peer.seconds:.0f} s)"
    )


def measure(control: bool = False) -> list[Bar]:
    """Two bars a network, one on all, one on thorough; the control is in the place of every effort."""
    bars, below = [], 0
    for net in NETS:
        peer = side(net, "autoattack")
        for effort, times, above in (("standard", STANDARD, 0.0), ("quick", QUICK, POINTS)):
            mine = side(net, "opening" if control else effort)
            below += effort == "standard" and mine.robust < peer.robust
            bars.append(
                Bar(
                    claim=f"the cascade at {effort} on {net} (MNIST, Linf 0.3, {nets.SAMPLES:,} images) against AutoAttack",
                    measured=compared(mine, peer),
                    wanted=f"at most {above:g} points above, in at most 1/{times} of its CPU time",
                    met=mine.robust <= peer.robust + above and mine.seconds * times <= peer.seconds,
                )
            )
    thorough, standard = (side("fast_at", "opening" if control else "thorough"), side("fast_at", "standard"))
    bars.append(
        Bar(
            claim="the cascade at standard is below AutoAttack on two of three networks",
            measured=f"below on {below} of {len(NETS)}",
            wanted="at least 2",
            met=below >= 2,
        )
    )
    bars.append(
        Bar(
            claim="the cascade at thorough is never above standard (fast_at)",
            measured=f"{thorough.robust:.1f} against {standard.robust:.1f} %, {thorough.seconds:.0f} s",
            wanted="at most standard's",
            met=thorough.robust <= standard.robust,
        )
    )
    return bars


if __name__ == "__main__":
    for bar in measure():
        print(bar)
