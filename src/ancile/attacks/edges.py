"""Walks along the edge of a class from outside the ball: FAB, Croce and Hein, ICML 2020, arXiv:1907.02044.

Algorithm 1 there: steps to the edge of a linear model from the point and from the sample, mixed; back towards
the sample after each success. Deviations, all to the attacker's gain: a walk ends once it is inside the ball;
it returns by a longer way and oversteps more in L2 (a network hardened in Linf, attacked in L2, 195 images,
30 steps: 150 fell, 89 with the paper's lengths); starts from the middle of the range, where networks that
threshold their input have slopes; in L1 by the steepest features.

What climbs inside the ball miss where slopes are flat there: on that network they left 73 %, walks 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from ancile.attacks.ball import Norm
from ancile.attacks.losses import ranked
from ancile.attacks.nearest import Room, misread, value_and_slope
from ancile.attacks.standing import Field, Standing, batches, judgement
from ancile.attacks.starts import middle_start, random_start
from ancile.attacks.tangent import TINY, crossing
from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch
else:
    torch = needs("torch", "torch")

MIXED = 0.1  # most of a step that is taken from the sample, not from the point: section 3.2, alpha_max


class Walk(NamedTuple):
    """One way to the edge.

    start  the ``sample``, a ``random`` point of the ball, the ball's point nearest to the ``middle`` of the
           range, or ``far``: that middle itself
    rank   of the wrong class whose edge is meant among all at the sample, the likeliest is 0
    over   how far it steps as a share of the way to the edge
    back   share of the way from the sample that is left after a success
    share  of the way from low to high: where the middle is
    """

    start: Literal["sample", "random", "middle", "far"]
    rank: int
    over: float = 1.3
    back: float = 0.7
    share: float = 0.5

    @property
    def name(self) -> str:
        """What reports call it."""
        start = f"{self.start} {self.share:g}" if self.start in ("middle", "far") else self.start
        return f"{start}, edge {self.rank + 1}"


OUTSIDE = (
    Walk("sample", 0),
    Walk("far", 0),
    Walk("sample", 1),
    Walk("far", 1),
    Walk("middle", 0, share=0.35),
    Walk("random", 0),
    Walk("random", 1),
)
# In Linf where pixels are thresholded, from the middle (29 of 195 against 22); no longer way back pays
EVEN = tuple(
    walk._replace(over=1.05, back=0.9) for walk in (Walk("middle", 0, share=0.35), Walk("sample", 0))
)


def walks(norm: Norm, *, classes: int) -> tuple[Walk, ...]:
    """The walks for a norm and a number of classes, the first is the scout of the others; none in L0.

    What is a share of the way back changes no fewer features.
    """
    if norm == "l0":
        return ()
    return tuple(walk for walk in (EVEN if norm == "linf" else OUTSIDE) if walk.rank < classes - 1)


def walked(
    here: Field, standing: Standing, walk: Walk, rows: torch.Tensor, *, steps: int, place: int
) -> bool:
    """Walk for the samples at ``rows``, in the original's precision; False when told to stop.

    place  of the phase in its plan: draws depend on it, and what is broken is put down to it
    Cost: steps + 2 forwards and steps backwards a sample.
    """
    exact = here.plain() if here.coarse else here
    for part in batches(rows, here.batch):
        if not _walk(_Walkers.at(exact, walk, part, place), exact, standing, walk, steps, place):
            return False
    return True


@dataclass
class _Walkers:
    """The samples of a batch that still walk.

    change    (n, features) from the sample, in units of distance
    nearest   (n, features) the nearest change that was misread, ``distance`` (n,) infinite where none was
    """

    rows: torch.Tensor
    y: torch.Tensor
    aim: torch.Tensor
    room: Room
    change: torch.Tensor
    nearest: torch.Tensor
    distance: torch.Tensor

    @classmethod
    def at(cls, here: Field, walk: Walk, rows: torch.Tensor, place: int) -> _Walkers:
        """All of them at the walk's start."""
        x, y = here.x[rows], here.y[rows]
        room = Room.of(x, here.constraint.at(max(here.constraint.reach, here.constraint.eps)))
        change = _start(here, walk, rows, room, place)
        aim = ranked(here.search.logits(x), y)[:, walk.rank]
        return cls(rows, y, aim, room, change, change.clone(), change.new_full((len(x),), torch.inf))

    def stay(self, kept: torch.Tensor) -> None:
        """Let the others go."""
        self.rows, self.y, self.aim, self.room = (
            self.rows[kept],
            self.y[kept],
            self.aim[kept],
            self.room.take(kept),
        )
        self.change, self.nearest, self.distance = self.change[kept], self.nearest[kept], self.distance[kept]


def _walk(those: _Walkers, here: Field, standing: Standing, walk: Walk, steps: int, place: int) -> bool:
    """The walk of one batch; False when told to stop."""
    for _ in range(steps):
        if here.stopped():
            return False
        value, fooled, slope = value_and_slope(here.search, those.room, those.change, those.y, those.aim)
        kept = ~_look(those, here, standing, fooled, place)
        if not kept.all():
            those.stay(kept)
            value, fooled, slope = value[kept], fooled[kept], slope[kept]
            if not len(those.rows):
                return True
        back = torch.where(fooled, walk.back, 1.0)[:, None]
        value = value - ((1.0 - back) * those.change * slope).sum(dim=1)
        those.change = _stepped(those.room, those.change * back, value, slope, walk.over)
    kept = ~_look(
        those, here, standing, misread(here.search.logits(those.room.point(those.change)), those.y), place
    )
    those.stay(kept)
    _kept(those, here, standing, place)
    return True


def _look(those: _Walkers, here: Field, standing: Standing, fooled: torch.Tensor, place: int) -> torch.Tensor:
    """(n,) which samples are broken now: misread inside the ball, and confirmed."""
    standing.passes[those.rows] += 1
    length = those.room.length(those.change)
    nearer = fooled & (length < those.distance)
    those.nearest[nearer], those.distance[nearer] = those.change[nearer], length[nearer]
    broken = torch.zeros_like(nearer)
    claimed = (nearer & (length <= here.constraint.eps)).nonzero().squeeze(1)
    if len(claimed):
        points = those.room.take(claimed).point(those.change[claimed])
        rows = those.rows[claimed]
        broken[claimed] = standing.claim(here, rows, points, standing.refused[rows], place=place)
    return broken


def _kept(those: _Walkers, here: Field, standing: Standing, place: int) -> None:
    """The ball's points nearest to what was found: some are misread, from the others climbs go on."""
    if not len(those.rows):
        return
    found = torch.where(those.distance.isfinite()[:, None], those.nearest, those.change)
    points = here.constraint.project(those.room.point(found), here.x[those.rows])
    seen = judgement(here.search.logits(points), those.y)
    standing.passes[those.rows] += 1
    standing.keep(those.rows, points, seen.margin)
    claimed = seen.misread.nonzero().squeeze(1)
    if len(claimed):
        standing.claim(here, those.rows[claimed], points[claimed], seen.margin[claimed], place=place)


def _stepped(
    room: Room, change: torch.Tensor, value: torch.Tensor, slope: torch.Tensor, over: float
) -> torch.Tensor:
    """Over the edge of the linear model, between the nearest ways from the change and from the sample."""
    onto = _onto(room, change, value, slope)
    zero = torch.zeros_like(change)
    straight = _onto(room, zero, value - (change * slope).sum(dim=1), slope)
    ours, theirs = room.length(onto), room.length(straight)
    mix = (ours / (ours + theirs).clamp_min(TINY)).clamp(0.0, MIXED)[:, None]
    return room.cut((1.0 - mix) * (change + over * onto) + mix * over * straight)


def _onto(room: Room, change: torch.Tensor, value: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """The shortest way from the change to where a margin of this value and slope is 0, from either side."""
    slope = torch.where(value > 0, -1.0, 1.0)[:, None] * slope
    return crossing(room, change, value.abs(), slope)


def _start(here: Field, walk: Walk, rows: torch.Tensor, room: Room, place: int) -> torch.Tensor:
    """(n, features) the change to where the walk begins."""
    if walk.start == "sample":
        return torch.zeros_like(room.least)
    if walk.start == "far":
        return room.least + (room.most - room.least) * walk.share
    rng, ball = here.rng.take(rows.cpu().numpy()), here.constraint.ball(room.around)
    if walk.start == "middle":
        x = middle_start(
            ball, here.constraint, rng, share=walk.share, step=place, purpose="cascade-edge-middle"
        )
    else:
        x = random_start(ball, rng, step=place, purpose="cascade-edge-random")
    return ball.scaled(x).to(x.dtype)
