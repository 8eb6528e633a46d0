"""The phases of a cascade for an effort: which share of the samples each takes, and how many steps."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ancile.core.errors import AncileError

Effort = Literal["quick", "standard", "thorough"]
Kind = Literal["clean", "sweep", "scout", "turn", "round", "walk", "scores"]


# Broken of those taken. One network hardened in Linf: attacked in L2 four of five fell, in Linf one in ten;
# on traffic signs none
PAYS = 0.1
STILL_PAYS = 0.05  # that a walk on all must break, for the next one to follow
ONE = 1e-6  # a single one
QUICK_ARMS = 8  # of the portfolio, the opening among them: those after are for what these leave


class Phase(NamedTuple):
    """One phase of a plan.

    kind   ``clean`` judges the samples as they are; a ``sweep`` climbs with the arm named; in the ``scout``
           every arm climbs on one cohort; in a ``turn`` the arm named climbs on those that it never met;
           a ``round`` climbs with the arm that won most in the scout; a ``walk`` comes to the edge of a
           class from outside the ball; ``scores`` searches without gradients
    share  of the samples that stand, those nearest to an error, that it takes
    steps  of each climb or walk, or queries about each sample
    arm    place of the arm in the portfolio, or of the walk among the walks; -1 where it is chosen while
           running or there is none
    after  the share that the last phase of this kind must have broken of what it took, for this one to take
           any: effort goes on where it pays
    precise  whether to climb on the original, not on its faster form: what is so near to an error that it was
           taken again and again is a matter of the last digits
    """

    kind: Kind
    share: float = 1.0
    steps: int = 0
    arm: int = -1
    after: float = 0.0
    precise: bool = False


def rounds(steps: int, *shares: float, after: float = 0.0, precise: bool = False) -> tuple[Phase, ...]:
    """A round for each share, where the one before paid."""
    return tuple(Phase("round", share, steps, after=after, precise=precise) for share in shares)


def scout(arms: int, share: float, steps: int) -> tuple[Phase, ...]:
    """Every arm but the opening one, on the same samples."""
    return tuple(Phase("scout", share, steps, arm) for arm in range(1, arms))


def edges(walks: int, share: float, steps: int) -> tuple[Phase, ...]:
    """The first walk, and while the last one paid, each in turn on all that stand."""
    rest = (Phase("walk", 1.0, steps, walk, after=STILL_PAYS if walk else PAYS) for walk in range(walks))
    return (Phase("walk", share, steps, 0), *rest) if walks else ()


def plan(
    effort: Effort,
    *,
    arms: int,
    aimed: tuple[int, ...] = (),
    walks: int = 0,
    rows: bool = False,
    outside: bool = False,
) -> tuple[Phase, ...]:
    """The phases for an effort; ``thorough`` begins as ``standard`` and goes on.

    aimed    places of arms that mean one wrong class: which class falls is each sample's own, so that these
             have their turn on those too that were not in the scout
    rows     the samples have no places side by side: few features are soon gone through without gradients,
             and a query costs little more for many samples than for few; nor does a step, so that late rounds
             on a few follow only where the last one broke any
    outside  walks are likely to break more than climbs, as in all norms but Linf: they come before the scout,
             which then has only what they left, and late rounds follow only where the last one broke any; a
             query is dearer, as points are projected onto the ball
    """
    going = ONE if rows or outside else 0.0
    first, second = (Phase("scores", 0.03, 400), Phase("scores", 0.06, 600, after=ONE))
    if rows:
        first, second = (one._replace(share=4 * one.share, steps=one.steps // 4) for one in (first, second))
    if outside:
        first, second = (one._replace(steps=one.steps // 2) for one in (first, second))
    opening = Phase("clean"), Phase("sweep", 1.0, 10, 0)
    if effort == "quick":
        near = edges(min(walks, 2), 0.02, 20), scout(min(arms, QUICK_ARMS), 0.1, 10)
        return (*opening, *_in_order(*near, outside=outside), *rounds(20, 0.1, 0.1, 0.05))
    standard = (
        *opening,
        *_in_order(edges(walks, 0.1, 30), scout(arms, 0.2, 20), outside=outside),
        *rounds(40, 0.5, 0.3, 0.2),
        *(Phase("turn", 0.4, 20, arm) for arm in aimed),
        first,
        *rounds(60, 0.1, 0.1, 0.1, 0.1, after=going, precise=True),
        second,
        *rounds(100, 0.05, 0.05, after=ONE, precise=True),
        *(Phase("scores", share, 600, after=PAYS) for share in (0.12, 0.25, 0.5, 1.0)),
    )
    if effort == "standard":
        return standard
    if effort == "thorough":
        return (*standard, *rounds(100, *(0.3,) * arms, precise=True), Phase("scores", 0.3, 5000))
    raise AncileError("no such effort", value=f"effort={effort}", remedy="give quick, standard or thorough")


def _in_order(near: tuple[Phase, ...], scouted: tuple[Phase, ...], *, outside: bool) -> tuple[Phase, ...]:
    """Walks and scout: first what is likely to break more."""
    return (*near, *scouted) if outside else (*scouted, *near)
