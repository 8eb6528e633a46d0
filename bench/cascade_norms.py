"""The cascade against AutoAttack beyond MNIST's Linf: L2, traffic signs, tables; CPU time in one thread each.

The networks for signs and tables are small ones, hardened here in a minute each. On tables, which have two
classes, AutoAttack is what it can be there: APGD on cross entropy, FAB and Square. On MNIST in L2 both have the
first 600 of the thousand images, on signs the first 150 of those drawn: AutoAttack then takes about two
minutes for each. The cascade's set-up counts, and would count for more on fewer. The control attacks nothing.
Needs the data beside the checkout.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nets
from bar import Bar
from cascade_mnist import Side, compared
from peers import in_peers

TIMES = 10  # less CPU time than AutoAttack at the least


class Race(NamedTuple):
    """What is attacked: a world by its maker, the kind of its network, norm, eps, how many samples."""

    name: str
    make: Callable[[], nets.World]
    kind: str
    norm: str
    eps: float
    samples: int


RACES = (
    Race("fast_at (MNIST)", lambda: nets.mnist("fast_at"), "fast_at", "l2", 2.0, 600),
    Race("pgd_at (MNIST)", lambda: nets.mnist("pgd_at"), "pgd_at", "l2", 2.0, 600),
    Race("traffic signs", lambda: nets.gtsrb("linf", 4 / 255), "signs", "linf", 4 / 255, 150),
    Race("traffic signs", lambda: nets.gtsrb("l2", 0.5), "signs", "l2", 0.5, 150),
    Race("spambase", lambda: nets.tabular("spambase", 0.03), "rows", "linf", 0.03, 500),
    Race("heloc", lambda: nets.tabular("heloc", 0.03), "rows", "linf", 0.03, 500),
    Race("phishing_url", lambda: nets.tabular("phishing_url", 0.03), "rows", "linf", 0.03, 500),
)


@cache
def world(race: Race) -> bytes:
    """The file of a world: made once, the same for all sides."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.pt"
        here = race.make()
        nets.save(here._replace(x=here.x[: race.samples], y=here.y[: race.samples]), path, race.kind)
        return path.read_bytes()


@cache
def side(race: Race, name: str) -> Side:
    """One run of one side, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.pt"
        path.write_bytes(world(race))
        printed = in_peers("cascade_race.py", str(path), race.norm, str(race.eps), name)
    found = json.loads(printed.splitlines()[-1])
    return Side(found["seconds"], 100 * sum(found["stands"]) / len(found["stands"]))


def measure(control: bool = False) -> list[Bar]:
    """One bar a race."""
    bars = []
    for race in RACES:
        mine, peer = side(race, "clean" if control else "standard"), side(race, "autoattack")
        bars.append(
            Bar(
                claim=f"the cascade at standard on {race.name}, {race.norm} {race.eps:.3g}, "
                f"{race.samples} samples, against AutoAttack",
                measured=compared(mine, peer),
                wanted=f"not above, in at most 1/{TIMES} of its CPU time",
                met=mine.robust <= peer.robust and mine.seconds * TIMES <= peer.seconds,
            )
        )
    return bars


if __name__ == "__main__":
    for bar in measure():
        print(bar)
