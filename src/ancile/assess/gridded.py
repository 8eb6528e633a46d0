"""A search that keeps to the levels that all samples lie on, for models that tell attacks from data by them.

Rounding is part of the model that is searched, and gradients pass it straight through (Athalye et al., ICML
2018, arXiv:1802.00420, section 4.1); what is found is brought onto levels inside the ball.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ancile.assess.behaviour import lead
from ancile.assess.levels import Levels, onto
from ancile.assess.run import Job, predicted
from ancile.attacks.losses import margin
from ancile.attacks.streams import Streams
from ancile.core.extras import needs
from ancile.models.around import Around
from ancile.models.model import Gradient, GradientModel
from ancile.numeric import np

if TYPE_CHECKING:
    import torch

    from ancile.assess.strike import Found
    from ancile.core.strength import Effort
    from ancile.models.model import Loss
    from ancile.numeric import NDArray
else:
    torch = needs("torch", "torch")

WALK = 48  # steps, the first as long as eps


class OnLevels(Around[GradientModel]):
    """A ``GradientModel`` that is asked about the nearest sample on the levels."""

    def __init__(self, model: GradientModel, levels: Levels) -> None:
        super().__init__(model)
        self._levels = levels
        self._start, self._per = (torch.from_numpy(np.asarray(one)).to(model.device) for one in levels)

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """As of the model inside, there."""
        return self._model.scores(self._levels.nearest(x))

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """As of the model inside, there."""
        return self._model.logits(self._nearest(x))

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """As of the model inside, there."""
        return self._model.gradient(self._nearest(x), loss)

    def _nearest(self, x: torch.Tensor) -> torch.Tensor:
        there, per = self._per > 0, self._per.clamp_min(torch.finfo(torch.float64).tiny)
        on = self._start + ((x.double() - self._start) * self._per).round() / per
        found: torch.Tensor = torch.where(there, on.to(x.dtype), x)
        return found


def keeping(job: Job, search: GradientModel, levels: Levels, *, effort: Effort) -> Found:
    """A cascade on the levels, and a walk on them where steps of a feature are no steps of the distance.

    Of each sample's candidates comes back the one that the model is most wrong about.
    """
    from ancile.attacks.cascade import cascade  # noqa: PLC0415 - an extra

    white = OnLevels(cast("GradientModel", job.model), levels)
    climbed, constraint = OnLevels(search, levels), job.constraint
    whole = constraint.norm == "linf" and bool((constraint.unit == 1).all())
    if whole:
        constraint = constraint.at(levels.steps(constraint.eps))

    def found(x: NDArray[np.float32], y: NDArray[np.int64], streams: Streams) -> NDArray[np.float32]:
        inputs = torch.from_numpy(x).to(device=white.device, dtype=white.dtype)
        labels = torch.from_numpy(y).to(white.device)
        got = cascade(
            white, inputs, labels, constraint, streams, effort=effort, search=climbed, on_step=job.stop
        )
        met = _Best(job, x, y)
        met.keep(onto(levels, got.cpu().numpy().astype(np.float32), x, job.constraint))
        if not whole:
            _walk(met, search, levels)
        return met.x

    return found


class _Best:
    """The candidates that the model is most wrong about so far."""

    def __init__(self, job: Job, x: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        self.job, self.around, self.y = job, x, y
        self.x, self._highest = x.copy(), np.full(len(x), -np.inf)

    def keep(self, candidates: tuple[NDArray[np.float32], ...]) -> None:
        """Take of these what is more wrong."""
        for one in candidates:
            reached = np.nan_to_num(lead(predicted(self.job.model, one), self.y), nan=-np.inf)
            better = reached > self._highest
            self.x[better], self._highest[better] = one[better], reached[better]


def _walk(met: _Best, search: GradientModel, levels: Levels) -> None:
    """Climb with every point brought onto levels inside the ball, which limits all features together."""
    job, around = met.job, torch.from_numpy(met.around).to(device=search.device, dtype=search.dtype)
    labels, ball = torch.from_numpy(met.y).to(search.device), job.constraint.ball(around)
    at = around.clone()
    for step in range(WALK):
        if job.stop():
            return
        on = onto(levels, at.cpu().numpy().astype(np.float32), met.around, job.constraint)[-1:]
        met.keep(on)
        point = torch.from_numpy(on[0]).to(around)
        gradient = search.gradient(point, lambda logits: margin(logits, labels).sum()).gradient
        left = 1.0 - step / WALK
        at = ball.step_(at, gradient.nan_to_num(0.0, 0.0, 0.0), ball.eps * left, left=left)
