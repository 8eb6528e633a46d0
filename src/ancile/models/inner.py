"""Scores inside a network that decide as its answer does: where that stands still, a search climbs on them.

Behaviour is read, never names: while the network runs on stand-ins, every tensor with a row for each sample
and a column for each class is noted, row by row where samples go through one by one. Of those that put the
same class first as the network's own answer does, and neither have few values nor jump where it changes, the
one is searched on that also agrees beside such places, the last of several; what is found is a claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
SLOPED = 2  # samples that show what has a slope
HALVINGS, JUMP, MOSTLY = 12, 0.25, 0.2  # of the way between a pair; of the change, in more than so many pairs


class Inside(NamedTuple):
    """Which of the tensors noted during a pass is read.

    columns  that it has
    turned   whether its least value wins
    alone    whether it is one of those that every sample has by itself; how many of them a sample has, or 0
    """

    place: int
    columns: int
    turned: bool = False
    alone: int = 0


class Noting(Straight):
    """Inside the ``with``, stand-ins as ever, and a note of each tensor that might be scores."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self._rows, self._columns = rows, columns
        self._whole: list[torch.Tensor] = []
        self._single: list[torch.Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What the function or its stand-in gives, noted where it has the shape of scores."""
        found = super().__torch_function__(func, types, args, kwargs)
        if isinstance(found, torch.Tensor) and found.ndim == 2 and found.shape[1] == self._columns:
            if found.is_floating_point() and len(found) == self._rows:
                self._whole.append(found)
            elif found.is_floating_point() and len(found) == 1:
                self._single.append(found)
        return found

    def noted(self) -> Iterator[tuple[Inside, torch.Tensor]]:
        """What might be scores, the first noted first, what every sample has by itself before the rest."""
        each, rest = divmod(len(self._single), self._rows)
        for place in range(each if not rest else 0):
            where = Inside(place, self._columns, alone=each)
            yield where, torch.cat(self._single[place::each])
        for place, one in enumerate(self._whole):
            yield Inside(place, self._columns), one

    def read(self, inside: Inside, otherwise: torch.Tensor) -> torch.Tensor:
        """The tensor at that place of the pass; the answer itself where the pass took another way."""
        single = self._single if self._rows > 1 else self._whole  # of one sample all are its own
        found = [[one] for one in self._whole]
        if inside.alone:
            found = [single[inside.place :: inside.alone][: self._rows]]
        at = 0 if inside.alone else inside.place
        if at >= len(found) or not found[at] or sum(map(len, found[at])) != len(otherwise):
            return otherwise
        chosen = torch.cat(found[at])
        return -chosen if inside.turned else chosen


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
    with torch.no_grad():
        beside = real.run(torch.cat([near, far])) if len(near) else wanted[:0]
    answer, noting = network.noted(torch.cat([sample, near, far]), wanted.shape[1])
    _, sloping = network.noted(sample[:SLOPED], wanted.shape[1], slopes=True)
    sloped = {where: one.requires_grad for where, one in sloping.noted()}
    best, most = None, -1.0
    for where, found in noting.noted():
        here, edge = found[: len(sample)], found[len(sample) :]
        whole = here[pairs[0]] - here[pairs[1]]
        if not sloped.get(where) or _in_steps(here) or _jumps(edge[len(near) :] - edge[: len(near)], whole):
            continue
        for sign in (1, -1):
            agreed = _agreement(sign * edge, beside)
            if _agreement(sign * here, wanted) >= LEAST_AGREEMENT and agreed >= most:
                best, most = (where._replace(turned=sign < 0), found), agreed
    if best is None or torch.equal(best[1], answer):
        raise _nothing()
    return replace(network, inside=best[0])


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


def _agreement(scores: torch.Tensor, wanted: torch.Tensor) -> float:
    """Share of rows whose highest score is of a class that the answer puts first, alone or with others."""
    if not len(wanted):
        return 1.0
    best = wanted.gather(1, scores.argmax(dim=1, keepdim=True)).squeeze(1)
    return float((best >= wanted.amax(dim=1)).double().mean())


def _nothing() -> AncileError:
    return AncileError(
        "no scores inside the network decide as its answer does",
        value="other than the answer itself",
        remedy="search on the answer",
    )
