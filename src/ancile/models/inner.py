"""Scores inside a network that decide as its answer does: where that stands still, a search climbs on them.

Behaviour is read, never names: while the network runs on stand-ins, every tensor with a row for each sample
and a column for each class is noted. The last one that puts the same class first as the network's own answer
does, and neither has few values nor jumps where the answer changes, is searched on; what is found is a claim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.models.straight import Straight
from ancile.numeric import np

if TYPE_CHECKING:
    import torch

    from ancile.models.network import Network
else:
    torch = needs("torch", "torch")

LEAST_AGREEMENT = 0.95  # of classes on the sample: stand-ins may turn a few
VARIED = 0.5  # of the entries, that are no others' value: what answers in steps has few values
LOOKED, PAIRS = 64, 32  # samples, and pairs of them with different answers
HALVINGS, JUMP, MOSTLY = 12, 0.25, 0.2  # of the way between a pair; of the change, in more than so many pairs


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
    """The network that answers, on stand-ins, with the last scores inside that decide so and not in steps.

    sample  (n, *shape) real inputs; some of them show which those are

    Raises AncileError where there are none but the answer itself.
    """
    real = replace(network, straight=False, inside=None)
    with torch.no_grad():
        wanted = real.run(sample[:LOOKED].clone())
    kept = wanted.isfinite().all(dim=1)
    sample, wanted = sample[:LOOKED][kept], wanted[kept]
    if not len(sample) or wanted.shape[1] == 1:
        raise _nothing()
    near, far, pairs = _edges(real, sample, wanted)
    answer, found = network.noted(torch.cat([sample, near, far]), wanted.shape[1])
    sloped = [one.requires_grad for one in network.noted(sample[:2], wanted.shape[1], slopes=True)[1]]
    if len(sloped) != len(found):
        raise _nothing()
    for place in range(len(found) - 1, -1, -1):
        here, before, after = torch.split(found[place], [len(sample), len(near), len(far)])
        if not sloped[place] or _in_steps(here) or _jumps(after - before, here[pairs[0]] - here[pairs[1]]):
            continue
        for turned in (False, True):
            if _decides(-here if turned else here, wanted):
                if torch.equal(found[place], answer):
                    raise _nothing()
                return replace(network, inside=Inside(place, wanted.shape[1], turned))
    raise _nothing()


def _edges(
    real: Network, sample: torch.Tensor, wanted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points on both sides of where the answer changes between two samples, and these samples' places."""
    chosen = wanted.argmax(dim=1)
    other = (chosen[:, None] != chosen[None, :]).double().argmax(dim=1)
    first = (chosen != chosen[other]).nonzero().squeeze(1)[:PAIRS]
    pairs = torch.stack([first, other[first]])
    near, far = sample[pairs[0]].clone(), sample[pairs[1]].clone()
    for _ in range(HALVINGS if len(first) else 0):
        half = (near + far) / 2
        with torch.no_grad():
            same = real.run(half.clone()).argmax(dim=1) == chosen[first]
        near[same], far[~same] = half[same], half[~same]
    return near, far, pairs


def _jumps(edge: torch.Tensor, whole: torch.Tensor) -> bool:
    """Whether what is left of the change from sample to sample, where the answer changes, is no trifle."""
    left = edge.abs().amax(dim=1) > JUMP * whole.abs().amax(dim=1)
    return bool(len(left)) and float(left.double().mean()) > MOSTLY


def _in_steps(scores: torch.Tensor) -> bool:
    """Whether the same values come again and again."""
    return len(np.unique(scores.numpy(force=True))) < VARIED * scores.numel()


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
