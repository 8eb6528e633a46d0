"""How many samples a model takes at once, so that a batch fits a budget of memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.core.budget import bytes_in_words
from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.models.form import footprint

if TYPE_CHECKING:
    from ancile.models.model import GradientModel
    from ancile.numeric import NDArray, np

SHARE = 0.5  # of what is free, where no budget is given: others want some too
PROBED = 6  # samples that memory is measured on
MOST = 512  # samples that anything ever asks for at once


class Room(NamedTuple):
    """What a batch may take, what a sample takes of it, and how many samples fit."""

    budget_bytes: int
    sample_bytes: int
    most: int

    @property
    def binds(self) -> bool:
        """Whether batches are smaller for it."""
        return self.most < MOST

    def __str__(self) -> str:
        budget, sample = map(bytes_in_words, (self.budget_bytes, self.sample_bytes))
        return f"memory for a batch: {budget}; {sample} a sample, so at most {self.most} samples at once"


def room_for(model: GradientModel, x: NDArray[np.float32], budget_bytes: int | None) -> Room | None:
    """The room for batches of such samples; None where nothing is known of the model's memory.

    budget_bytes  None for a share of what is free where the model computes

    Raises AncileError where not even one sample fits.
    """
    torch = needs("torch", "torch")
    sample = torch.from_numpy(x[:PROBED]).to(device=model.device, dtype=model.dtype)
    found = footprint(model, sample)
    budget = budget_bytes or (int(SHARE * found.free_bytes) if found else 0)
    if not found or not found.sample_bytes or not budget:
        return None
    room = Room(budget, found.sample_bytes, min(MOST, budget // found.sample_bytes))
    if not room.most:
        raise AncileError(
            "one sample takes more memory than there is for a batch",
            value=f"{bytes_in_words(room.sample_bytes)} a sample, {bytes_in_words(room.budget_bytes)} in all",
            remedy="allow more by --memory, or assess a smaller network",
        )
    return room
