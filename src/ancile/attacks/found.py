"""The best point of each sample that an attack has met so far: an adversarial one, else the most wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks.losses import margin
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch
else:
    torch = needs("torch", "torch")


class Found(NamedTuple):
    """The best of each sample so far; the tensors are written to."""

    x: torch.Tensor
    margin: torch.Tensor
    broken: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor) -> Found:
        """Nothing was met yet."""
        n = len(x)
        return cls(x.clone(), x.new_full((n,), -torch.inf), x.new_zeros(n, dtype=torch.bool))

    def left(self) -> torch.Tensor:
        """Places of the samples that stand."""
        return (~self.broken).nonzero().squeeze(1)

    def judge(
        self, x: torch.Tensor, logits: torch.Tensor, y: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """Keep what is better than before; (n,) whether each sample still stands.

        Logits that are not finite decide nothing: such an iterate is never kept.
        """
        value = margin(logits, y)
        finite = torch.isfinite(logits.sum(dim=1))  # a tenth of the cost of asking each logit
        fooled = finite & (logits.argmax(dim=1) != y)
        better = (fooled | (finite & (value > self.margin[rows]))).nonzero().squeeze(1)
        where = rows[better]
        self.x[where] = x[better]
        self.margin[where] = value[better]
        self.broken[rows] = fooled
        return ~fooled
