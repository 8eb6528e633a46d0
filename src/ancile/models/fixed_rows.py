"""A network that takes a fixed number of samples, behind one that takes any number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch
else:
    torch = needs("torch", "torch")


class FixedRows(torch.nn.Module):
    """Gives the network ``rows`` samples at a time; the last chunk is filled up with its own last sample."""

    def __init__(self, net: torch.nn.Module, rows: int) -> None:
        super().__init__()
        self.inner, self.rows = net, rows
        self.training = net.training

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rows of scores, as the inner network gives them; of one sample also without the axis of rows."""
        short = -len(x) % self.rows
        whole = torch.cat([x, x[-1:].expand(short, *x.shape[1:])]) if short else x
        parts = (whole[at : at + self.rows] for at in range(0, len(whole), self.rows))
        return torch.cat([self._answer(part) for part in parts])[: len(x)]

    def _answer(self, part: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.inner(part)
        alone = self.rows == 1 and found.ndim <= 1
        return found.reshape(1, -1) if alone else found
