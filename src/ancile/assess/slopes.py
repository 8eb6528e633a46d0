"""What a model's gradients are worth around samples that it gets right.

Behaviour is looked at, never the names of layers: Pintor et al., NeurIPS 2022, arXiv:2106.09947; Athalye et
al., ICML 2018, arXiv:1802.00420.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ancile.attacks.losses import margin
from ancile.attacks.starts import random_start
from ancile.attacks.streams import Streams
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.assess.run import Job
    from ancile.attacks.ball import Ball
    from ancile.models.model import GradientModel
    from ancile.numeric import NDArray, np
else:
    torch = needs("torch", "torch")

DIRECTIONS = 4  # at random, against which a step along the gradient is held
TIE = 1e-3  # of the gain: with few features a step at random is often the best one
STRIDE = 0.25  # of eps: far enough that a gradient which is right in a point alone does not help
NEAR = 0.04  # of that step: so near a gradient that is the model's own holds, whatever the curvature
CERTAIN = 1000  # roundings of the scores, below which a gain is not told from noise
TRUE = 0.5  # of what is promised, the gain over so short a step may differ by; sound networks stay below 0.1
SATURATED = 87.0  # margin from which float32 has no cross entropy gradient: exp(-87.3) is its smallest normal


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """What the gradients of the margin are worth, at the samples and at random points of their balls.

    points      that were looked at
    zero        of them have a gradient of zeros
    not_finite  of them have one that is not finite
    helpful     of them: a step along the gradient gains more than the best of some steps at random
    kept        median share of the gain that a gradient promises over the step that the step then has
    untrue      of them: even over a very short step the gain is not what the gradient promises
    saturated   share of the samples whose cross entropy has no gradient in float32
    """

    points: int
    zero: int
    not_finite: int
    helpful: int
    kept: float
    untrue: int
    saturated: float


def slopes(job: Job, rows: NDArray[np.intp], *, seed: int) -> Slopes:
    """What gradients are worth around these samples. Cost: 14 forwards and 2 backwards a sample."""
    white = cast("GradientModel", job.model)
    x = torch.from_numpy(job.samples.x[rows]).to(device=white.device, dtype=white.dtype)
    y = torch.from_numpy(job.samples.y[rows]).to(device=white.device)
    streams, ball = Streams(seed, job.samples.ids[rows]), job.constraint.ball(x)
    zero = not_finite = helpful = untrue = 0
    shares: list[torch.Tensor] = []
    for at in (x, random_start(ball, streams, purpose="doubt-start")):
        logits, gradient = white.gradient(at, lambda logits: margin(logits, y).sum())
        flat = gradient.flatten(1)
        zero += int((flat == 0).all(dim=1).sum())
        not_finite += int((~flat.isfinite().all(dim=1)).sum())
        stepped = _stepped(ball, at, gradient)
        gained = margin(white.logits(stepped), y)
        others = [
            margin(white.logits(_stepped(ball, at, _noise(streams, at, step))), y)
            for step in range(DIRECTIONS)
        ]
        before, best = margin(logits, y), torch.stack(others).amax(dim=0)
        helpful += int(((gained > before) & (gained >= best - TIE * (best - before).abs())).sum())
        promised = (flat * (stepped - at).flatten(1)).sum(dim=1)
        shares.append(((gained - before) / promised)[promised > 0])
        short = margin(white.logits(at + NEAR * (stepped - at)), y) - before
        noise = CERTAIN * torch.finfo(white.dtype).eps * logits.abs().amax(dim=1)
        told = (NEAR * promised > noise) & short.isfinite()
        untrue += int((told & ((short - NEAR * promised).abs() > TRUE * NEAR * promised)).sum())
    saturated = (-margin(white.logits(x), y) > SATURATED).double().mean()
    return Slopes(
        points=2 * len(rows),
        zero=zero,
        not_finite=not_finite,
        helpful=helpful,
        kept=float(torch.cat(shares).nan_to_num(0.0).median()) if sum(map(len, shares)) else 0.0,
        untrue=untrue,
        saturated=float(saturated),
    )


def _stepped(ball: Ball[torch.Tensor], at: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    return ball.step_(at.clone(), gradient.nan_to_num(0.0, 0.0, 0.0), STRIDE * ball.eps)


def _noise(streams: Streams, like: torch.Tensor, step: int) -> torch.Tensor:
    drawn = streams.normal("doubt-direction", like[0].numel(), step=step).reshape(like.shape)
    found: torch.Tensor = torch.from_numpy(drawn).to(like)
    return found
