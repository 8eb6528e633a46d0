"""What doubting a figure and drawing its curve cost, against the attacks that it comes from.

A network hardened at Linf 0.3, 300 test images, one thread: CPU seconds of the parts as the report names them.
The control is the same network behind a cut graph, where the second look has to go on. Needs the data beside
the checkout.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

import nets
from ancile.assess.evasion import Context, Settings, assess_evasion
from ancile.assess.run import Samples
from ancile.attacks.constraint import Constraint
from ancile.core.strength import Effort
from ancile.core.subject import Subject, digest_of
from ancile.models.in_process import model_here
from bar import Bar

NET, SAMPLES, EPS = "fast_at", 300, 0.3
EFFORTS: tuple[Effort, ...] = ("quick", "standard")


class Cut(torch.nn.Module):
    """A network that no gradient goes through."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        found: torch.Tensor = self.net(x.detach())
        return found


@cache
def parts(effort: Effort, *, cut: bool) -> dict[str, float]:
    """CPU seconds of each part of an assessment with curve, doubt and all."""
    here = nets.mnist(NET)
    rows = here.x[:SAMPLES].numpy()
    subject = Subject(kind="model", name=NET, digest=digest_of(NET.encode()))
    made = assess_evasion(
        model_here(Cut(here.net).eval() if cut else here.net, rows[:64]).model,
        Samples(np.arange(len(rows), dtype=np.int64), rows, here.y[:SAMPLES].numpy()),
        Constraint(norm="linf", eps=EPS),
        settings=Settings(effort=effort),
        context=Context(subject=subject, data=subject, available=len(rows)),
    )
    return {name: part.cpu_seconds for name, part in made.report.cost.parts.items()}


def measure(control: bool = False) -> list[Bar]:
    """A bar for each effort."""
    bars = []
    for effort in EFFORTS:
        took = parts(effort, cut=control)
        more = took["doubt"] + took["curves"]
        bars.append(
            Bar(
                claim=f"doubt and curves cost at most as much again as the cascade, {effort}, {SAMPLES} images",
                measured=f"{more:.2f} s ({took['doubt']:.2f} and {took['curves']:.2f} s) "
                f"against {took['cascade']:.2f} s, {sum(took.values()):.2f} s in all",
                wanted="at most as much again",
                met=more <= took["cascade"],
                raw={name: [seconds] for name, seconds in took.items()},
            )
        )
    return bars


if __name__ == "__main__":
    torch.set_num_threads(1)
    for bar in measure():
        print(bar)
