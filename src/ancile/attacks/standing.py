"""Who still stands in a cascade: the most wrong point of each sample so far, and what was spent on it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks.constraint import Constraint
from ancile.attacks.losses import margin
from ancile.attacks.stop import OnStep, stopped
from ancile.attacks.streams import Streams
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

STANDS = -1  # in ``Standing.broken_by``
JUDGED = 256  # samples that the original model judges in one pass
FEW = 16  # a step costs hardly more for so many than for one


class Field(NamedTuple):
    """What a cascade is about and what does not change while it runs.

    model    the original, whose word counts
    search   the same network in the form that the search climbs on; may be ``model`` itself
    batch    samples that climb together
    coarse   whether the search form sees errors where the original sees none, and the other way round
    """

    model: GradientModel
    search: GradientModel
    batch: int
    coarse: bool
    x: torch.Tensor
    y: torch.Tensor
    constraint: Constraint
    rng: Streams
    on_step: OnStep

    def plain(self) -> Field:
        """The same with the original in the place of the search form."""
        return self._replace(search=self.model, coarse=False)

    def stopped(self) -> bool:
        """Whether the caller wants the search to end."""
        return stopped(self.on_step)


@dataclass(kw_only=True)
class Standing:
    """What is known of each sample; phases write to it.

    point      (n, *shape) the confirmed adversarial example, else the most wrong point met so far
    margin     (n,) best wrong less right logit at the point, by the search form
    refused    (n,) the largest margin at which the original model contradicted a claim
    broken_by  (n,) place of the phase that broke it, ``STANDS`` where none has
    passes     (n,) forward passes spent on each sample
    chosen     (n,) phases that took it for being near to an error
    """

    point: torch.Tensor
    margin: torch.Tensor
    refused: torch.Tensor
    broken_by: torch.Tensor
    passes: torch.Tensor
    chosen: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor) -> Standing:
        """Nothing is known yet."""
        n = len(x)
        return cls(
            point=x.clone(),
            margin=x.new_full((n,), -torch.inf),
            refused=x.new_full((n,), -torch.inf),
            broken_by=torch.full((n,), STANDS, dtype=torch.int64, device=x.device),
            passes=torch.zeros(n, dtype=torch.int64, device=x.device),
            chosen=torch.zeros(n, dtype=torch.int64, device=x.device),
        )

    def rows(self) -> torch.Tensor:
        """Places of the samples that stand."""
        return (self.broken_by == STANDS).nonzero().squeeze(1)

    def hardest(self, share: float) -> torch.Tensor:
        """Places of this share of the samples that stand, those nearest to an error, in the data's order.

        Where there is any share, of so ``FEW`` at least: to leave one of them out would spare nothing.
        """
        rows = self.rows()
        order = self.margin[rows].argsort(descending=True, stable=True)
        count = max(math.ceil(share * len(rows)), FEW if share > 0 else 0)
        return rows[order[:count]].sort().values

    def keep(self, rows: torch.Tensor, x: torch.Tensor, value: torch.Tensor) -> None:
        """Remember points that are more wrong than before."""
        better = (value > self.margin[rows]).nonzero().squeeze(1)
        where = rows[better]
        self.point[where], self.margin[where] = x[better], value[better]

    def claim(
        self, here: Field, rows: torch.Tensor, x: torch.Tensor, value: torch.Tensor, *, place: int
    ) -> torch.Tensor:
        """(n,) which of these points the original model misreads, inside ball and bounds without tolerance.

        value  (n,) margins as the search form sees them
        place  of the phase that claims
        """
        around = here.x[rows]
        x = here.constraint.project(x, around)
        inside = torch.from_numpy(here.constraint.holds(x, around)).to(rows.device)
        held = judged(here.model, x, here.y[rows]).misread & inside
        where = rows[held]
        self.point[where], self.broken_by[where] = x[held], place
        self.refused[rows] = torch.maximum(self.refused[rows], value)
        return held


def batches(x: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """The rows of a tensor, so many at a time."""
    for start in range(0, len(x), size):
        yield x[start : start + size]


class Judged(NamedTuple):
    """(n,) best wrong less right logit, -inf where logits are not finite; whether the decision is wrong."""

    margin: torch.Tensor
    misread: torch.Tensor


def judged(model: GradientModel, x: torch.Tensor, y: torch.Tensor) -> Judged:
    """What the model makes of the samples; logits that are not finite decide nothing."""
    if not len(x):
        return Judged(x.new_zeros(0), torch.zeros(0, dtype=torch.bool, device=x.device))
    return judgement(torch.cat([model.logits(part) for part in batches(x, JUDGED)]), y)


def judgement(logits: torch.Tensor, y: torch.Tensor) -> Judged:
    """As ``judged``, from logits (n, classes)."""
    finite = logits.isfinite().all(dim=1)
    return Judged(torch.where(finite, margin(logits, y), -torch.inf), finite & (logits.argmax(dim=1) != y))
