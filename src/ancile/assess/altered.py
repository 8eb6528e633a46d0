"""An active test: networks altered so that an adversarial example provably exists, which must be found.

Zimmermann, Brendel, Tramer and Carlini, NeurIPS 2022, arXiv:2206.13991 (binarization test). The readout is
put on the logits, so that a model of any kind can be altered: points drawn inside the ball are one class, and
one point of its surface, the farthest of many from them, is the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

from ancile.attacks.pgd import pgd
from ancile.attacks.starts import corner_start, random_start
from ancile.attacks.streams import Streams
from ancile.core.extras import needs
from ancile.models.around import Reread
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from ancile.assess.run import Job
    from ancile.models.model import GradientModel, Traits
else:
    torch = needs("torch", "torch")

INNER, SURFACE = 64, 32  # points drawn inside the ball and on its surface
SHARE = 0.5  # of eps: the radius inside which no point may be of the other class
STEPS, RESTARTS = 20, 2
RIDGE = 1e-3  # of the mean variance of the logits, so that they can be whitened
BINARY = 2


class Active(NamedTuple):
    """How many altered networks there were, and in how many the example was found."""

    tried: int
    found: int


def active_test(job: Job, rows: NDArray[np.intp], *, seed: int) -> Active:
    """The test on these samples, each with a network of its own. Cost: 138 forwards, 40 backwards each."""
    white = cast("GradientModel", job.model)
    tried = found = 0
    for row in rows:
        x = torch.from_numpy(job.samples.x[row : row + 1]).to(device=white.device, dtype=white.dtype)
        streams = Streams(seed, job.samples.ids[row : row + 1])
        altered = _altered(job, white, x, streams)
        if altered is None:
            continue
        tried += 1
        y = torch.zeros(1, dtype=torch.int64, device=white.device)
        got = pgd(altered, x, y, job.constraint, streams, steps=STEPS, restarts=RESTARTS, loss="margin")
        found += int(altered.logits(got).argmax())
    return Active(tried, found)


def _altered(job: Job, white: GradientModel, x: torch.Tensor, streams: Streams) -> _Readout | None:
    """The altered network around one sample; None where no readout tells the surface point from the rest."""
    inside = job.constraint.at(SHARE * job.constraint.eps).ball(x)
    whole = job.constraint.ball(x)
    inner = torch.cat([random_start(inside, streams, step=i, purpose="doubt-inner") for i in range(INNER)])
    surface = torch.cat(
        [corner_start(whole, streams, step=i, purpose="doubt-surface") for i in range(SURFACE)]
    )
    near, far = white.logits(torch.cat([x, inner])).double(), white.logits(surface).double()
    if not (near.isfinite().all() and far.isfinite().all()):
        return None
    centre = near.mean(dim=0)
    spread = torch.cov((near - centre).T).reshape(near.shape[1], near.shape[1])
    ridge = RIDGE * float(spread.diagonal().mean()) + torch.finfo(torch.float64).tiny
    whitened = torch.linalg.solve(
        spread + ridge * torch.eye(len(spread), dtype=spread.dtype), (far - centre).T
    )
    distance = ((far - centre) * whitened.T).sum(dim=1)
    weight = whitened[:, int(distance.argmax())]
    inner_side, surface_side = float((near @ weight).max()), float((far @ weight).max())
    if not surface_side > inner_side:
        return None
    readout = _Readout(white, weight.to(white.dtype), 0.5 * (inner_side + surface_side))
    best = surface[int((far @ weight).argmax())].unsqueeze(0)
    start_right = int(readout.logits(x).argmax()) == 0
    return readout if start_right and int(readout.logits(best).argmax()) == 1 else None


class _Readout(Reread):
    """A ``GradientModel`` of two classes on the logits of another."""

    def __init__(self, model: GradientModel, weight: torch.Tensor, threshold: float) -> None:
        super().__init__(model)
        self._weight, self._threshold = weight.to(model.device), threshold

    @property
    def traits(self) -> Traits:
        """Two classes, logits."""
        return replace(self._model.traits, classes=BINARY, output="logits")

    def read(self, logits: torch.Tensor) -> torch.Tensor:
        """(n, 2): the threshold's side, in units of the readout."""
        side = logits @ self._weight - self._threshold
        return torch.stack([torch.zeros_like(side), side], dim=1)
