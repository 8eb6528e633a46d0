"""Scores inside a network that decide as its answer does: where that stands still, a search climbs on them.

Behaviour is read, never names: while the network runs on stand-ins, every tensor with a row for each sample
and a column for each class is noted. The last one that puts the same class first as the network's own answer
does, and that moves with its input as an answer in steps does not, is searched on; what is found is a claim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.models.straight import Straight

if TYPE_CHECKING:
    import torch

    from ancile.models.network import Network
else:
    torch = needs("torch", "torch")

LEAST_AGREEMENT = 0.95  # of classes on the sample: stand-ins may turn a few
TINY = (
    1e-3  # of the samples' spread: what moves at all moves at so small a change, what has steps seldom does
)
MOVING = 0.9  # of the entries, that move


class Inside(NamedTuple):
    """Which of the tensors noted during a pass is read, of how many columns; turned where its least wins."""

    place: int
    columns: int
    turned: bool


class Noting(Straight):
    """Inside the ``with``, stand-ins as ever, and a note of each tensor that might be scores."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self._shape = (rows, columns)
        self.noted: list[torch.Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What the function or its stand-in gives, noted where it has the shape of scores."""
        found = super().__torch_function__(func, types, args, kwargs)
        if (
            isinstance(found, torch.Tensor)
            and tuple(found.shape) == self._shape
            and found.is_floating_point()
        ):
            self.noted.append(found)
        return found

    def read(self, inside: Inside, otherwise: torch.Tensor) -> torch.Tensor:
        """The tensor at that place of the pass; the answer itself where the pass took another way."""
        if inside.place >= len(self.noted):
            return otherwise
        found = self.noted[inside.place]
        return -found if inside.turned else found


def within(network: Network, sample: torch.Tensor) -> Network:
    """The network, on stand-ins, that answers with the last scores inside that decide as it does and move.

    sample  (n, *shape) real inputs that show which those are

    Raises AncileError where there are none but the answer itself.
    """
    with torch.no_grad():
        wanted = replace(network, straight=False, inside=None).run(sample.clone())
    kept = wanted.isfinite().all(dim=1)
    odd = torch.arange(sample.numel(), device=sample.device).view_as(sample) % 2
    answer, here = network.noted(sample, wanted.shape[1])
    _, there = network.noted(sample + TINY * sample.std() * (1 - 2 * odd), wanted.shape[1])
    if len(here) != len(there) or not kept.any() or wanted.shape[1] == 1:
        raise _nothing()
    for place in range(len(here) - 1, -1, -1):
        before, after = here[place].detach()[kept], there[place].detach()[kept]
        if not (here[place].requires_grad and _moves(before, after)):
            continue
        for turned in (False, True):
            if _decides(-before if turned else before, wanted[kept]):
                if torch.equal(before, answer[kept]):
                    raise _nothing()
                return replace(network, inside=Inside(place, wanted.shape[1], turned))
    raise _nothing()


def _moves(before: torch.Tensor, after: torch.Tensor) -> bool:
    return bool(before.isfinite().all()) and float((before != after).double().mean()) >= MOVING


def _decides(scores: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether the highest score is of a class that the answer puts first, alone or with others."""
    best = wanted.gather(1, scores.argmax(dim=1, keepdim=True)).squeeze(1)
    return float((best >= wanted.amax(dim=1)).double().mean()) >= LEAST_AGREEMENT


def _nothing() -> AncileError:
    return AncileError(
        "no scores inside the network decide as its answer does",
        value="other than the answer itself",
        remedy="search on the answer",
    )
