"""Models behind masks, and jobs to look at them with."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from ancile.assess.run import Job, Samples
from ancile.assess.watch import Watched
from ancile.attacks.constraint import Constraint
from ancile.models.torch_module import torch_model

Function = Callable[[torch.Tensor], torch.Tensor]


def _as_it_is(x: torch.Tensor) -> torch.Tensor:
    return x


class Masked(torch.nn.Module):
    """A network with something before and after it."""

    def __init__(
        self, net: torch.nn.Module, *, before: Function = _as_it_is, after: Function = _as_it_is
    ) -> None:
        super().__init__()
        self.net, self.before, self.after = net, before, after
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        return self.after(self.net(self.before(x)))


def job_of(
    net: torch.nn.Module,
    samples: Samples,
    eps: float,
    *,
    stop: Callable[[], bool] = lambda: False,
    probe: bool = True,
) -> Job:
    """A job in Linf; without a probe the network has three classes and answers with logits."""
    model = torch_model(net, probe=samples.x[:16]) if probe else torch_model(net, classes=3, output="logits")
    constraint = Constraint(norm="linf", eps=eps)
    return Job(Watched(model), samples, constraint, (), 0, stop, time.process_time, lambda _: None)
