"""A model whose gradients are averaged or estimated, for climbing where its own lead nowhere.

Averaged over noise they are those of a smoothed network (expectation over transformation, Athalye et al.,
ICML 2018, arXiv:1802.00420, section 4.2); estimated from differences of logits they need no gradient at all
(natural evolution strategies, Ilyas et al., ICML 2018, arXiv:1804.08598, section 3). A model that draws lots
is judged, and climbed on, by the mean of several passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ancile.assess.passes import PASSES
from ancile.assess.watch import Watched
from ancile.attacks.ball import Ball, per_sample
from ancile.attacks.losses import margin
from ancile.core.extras import needs
from ancile.models.around import Around
from ancile.models.model import Gradient, GradientModel
from ancile.numeric import np

if TYPE_CHECKING:
    import torch

    from ancile.assess.run import Job
    from ancile.attacks.streams import Streams
    from ancile.models.form import Form, Searching
    from ancile.models.model import Loss
    from ancile.numeric import NDArray
else:
    torch = needs("torch", "torch")

MEMORY = 0.95  # of the heading that is kept from step to step
FIRST = 0.25  # of eps: the first step, the last is nearly 0


class Softened(Around[GradientModel]):
    """A ``GradientModel`` that answers as the one inside, but for its gradients.

    reach      how far the points lie off in each feature, in the data's units: a number, or one for each
    draws      points that each gradient is made of
    estimated  from differences of logits, two forwards a draw; else an average of gradients
    """

    def __init__(
        self, model: GradientModel, *, reach: float | torch.Tensor, draws: int, estimated: bool, seed: int
    ) -> None:
        super().__init__(model)
        self._reach, self._draws, self._estimated = reach, draws, estimated
        # One stream for the whole climb: what it finds is confirmed, and where it looks is no claim
        self._random = torch.Generator(device="cpu").manual_seed(seed % (1 << 63))

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """As of the model inside."""
        return self._model.scores(x)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """As of the model inside."""
        return self._model.logits(x)

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """Logits as of the model inside, and the softened gradient."""
        logits = self._model.logits(x)
        total = torch.zeros_like(x)
        pull = _pull(loss, logits) if self._estimated else None
        for _ in range(self._draws):
            signs = torch.randint(0, 2, x.shape, generator=self._random, dtype=torch.int8) * 2 - 1
            shift = signs.to(x) * self._reach
            if pull is None:
                found = self._model.gradient(x + shift, loss).gradient.nan_to_num(0.0, 0.0, 0.0)
                total += found / per_sample(_size(found), found)
            else:
                difference = (self._model.logits(x + shift) - self._model.logits(x - shift)).nan_to_num(0.0)
                total += per_sample((difference * pull).sum(dim=1), shift) * shift
        return Gradient(logits, total)


class Averaged(Around[Watched]):
    """A ``GradientModel`` that answers as most of some passes do, and climbs along the mean gradient.

    Probabilities are averaged, be it that they come as logits: in the mean of logits a single pass that is
    very sure outweighs all others.
    """

    def __init__(self, model: Watched, *, passes: int = PASSES) -> None:
        super().__init__(model)
        self._passes = passes

    def search_form(
        self, sample: torch.Tensor, *, form: Form | None = None, seconds: float = 0.0
    ) -> Searching:
        """As of the model inside, a pass at a time; it has its own limit of seconds."""
        del seconds
        return self._model.search_form(sample.cpu().numpy(), form)

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """The mean of the probabilities, as logits where the model answers with those."""
        found = np.stack([self._model.scores(x) for _ in range(self._passes)])
        if self.traits.output != "logits":
            return np.asarray(found.mean(axis=0))
        return np.asarray(_mean(torch.from_numpy(found)).numpy())

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The mean of the probabilities, as logits."""
        return _mean(torch.stack([self._model.logits(x) for _ in range(self._passes)]))

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """The means of logits and gradients; a pass without a finite gradient has no say."""
        found = [self._model.gradient(x, loss) for _ in range(self._passes)]
        gradients = torch.stack([one.gradient.nan_to_num(0.0, 0.0, 0.0) for one in found])
        return Gradient(_mean(torch.stack([one.logits for one in found])), gradients.mean(dim=0))


def _mean(passes: torch.Tensor) -> torch.Tensor:
    """(n, classes) logits of the mean probabilities of (passes, n, classes); of equal passes, any one."""
    scale = passes.logsumexp(dim=2, keepdim=True)
    return (passes - scale).logsumexp(dim=0) - math.log(len(passes)) + scale.mean(dim=0)


def drift(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    ball: Ball[torch.Tensor],
    *,
    steps: int,
    stop: Callable[[], bool],
) -> torch.Tensor:
    """The most wrong point met on the way along the remembered average of rough gradients of the margin.

    A single estimate is mostly noise; what many of them agree on is the slope.
    """
    at, heading = x.clone(), torch.zeros_like(x)
    best, highest = x.clone(), torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)
    for step in range(steps + 1):
        if stop():
            break
        logits, gradient = model.gradient(at, lambda logits: margin(logits, y).sum())
        value = margin(logits, y).nan_to_num(-torch.inf)
        better = value > highest
        best[better], highest[better] = at[better], value[better]
        heading = MEMORY * heading + gradient / per_sample(_size(gradient), gradient)
        at = ball.step_(at, heading, ball.eps * FIRST * (1.0 - step / (steps + 1)))
    return best


def softly(
    job: Job, on: GradientModel, *, estimated: bool
) -> Callable[[NDArray[np.float32], NDArray[np.int64], Streams], NDArray[np.float32]]:
    """A climb on gradients over a neighbourhood of the ball's size."""
    constraint, steps, draws = job.constraint, *((30, 32) if estimated else (20, 8))
    size = job.samples.x[0].size
    share = {"linf": 1.0, "l2": size**-0.5}.get(constraint.norm, 1.0 / size)
    reach = torch.from_numpy(np.asarray(constraint.unit * share * constraint.eps))
    model = Softened(
        on,
        reach=reach.to(device=job.model.device, dtype=job.model.dtype),
        draws=draws,
        estimated=estimated,
        seed=job.seed,
    )

    def found(x: NDArray[np.float32], y: NDArray[np.int64], _: Streams) -> NDArray[np.float32]:
        inputs = torch.from_numpy(x).to(device=model.device, dtype=model.dtype)
        labels, ball = torch.from_numpy(y).to(model.device), constraint.ball(inputs)
        got = drift(model, inputs, labels, ball, steps=steps, stop=job.stop)
        return constraint.project(got.cpu().numpy().astype(np.float32), x)

    return found


def _pull(loss: Loss, logits: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        leaf = logits.detach().requires_grad_()
        (found,) = torch.autograd.grad(loss(leaf), leaf)
    return found


def _size(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.flatten(1).abs().mean(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
