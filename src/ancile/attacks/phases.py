"""The phases of a cascade for an effort: which share of the samples each takes, and how many steps."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ancile.core.errors import AncileError

Effort = Literal["quick", "standard", "thorough"]
Kind = Literal["clean", "sweep", "scout", "round", "walk", "scores"]


# Broken of those taken. One network hardened in Linf: attacked in L2 four of five fell, in Linf one in ten;
# on traffic signs none
PAYS = 0.1
STILL_PAYS = 0.02  # that a walk on all must break, for the next one to follow
ONE = 1e-6  # a single one


class Phase(NamedTuple):
    """One phase of a plan.

    kind   ``clean`` judges the samples as they are; a ``sweep`` climbs with the arm named; in the ``scout``
           every arm climbs on one cohort; a ``round`` climbs with the arm that won most there;
           a ``walk`` comes to the edge of a class from outside the ball; ``scores`` searches without
           gradients
    share  of the samples that stand, those nearest to an error, that it takes
    steps  of each climb or walk, or queries about each sample
    arm    place of the arm in the portfolio, or of the walk among the walks; -1 where it is chosen while
           running or there is none
    after  the share that the last phase of this kind must have broken of what it took, for this one to take
           any: effort goes on where it pays
    """

    kind: Kind
    share: float = 1.0
    steps: int = 0
    arm: int = -1
    after: float = 0.0


def rounds(steps: int, *shares: float, after: float = 0.0) -> tuple[Phase, ...]:
    """A round for each share, where the one before paid."""
    return tuple(Phase("round", share, steps, after=after) for share in shares)


def scout(arms: int, share: float, steps: int) -> tuple[Phase, ...]:
    """Every arm but the opening one, on the same samples."""
    return tuple(Phase("scout", share, steps, arm) for arm in range(1, arms))


def edges(walks: int, share: float, steps: int) -> tuple[Phase, ...]:
    """The first walk, and while the last one paid, each in turn on all that stand."""
    rest = (Phase("walk", 1.0, steps, walk, after=STILL_PAYS if walk else PAYS) for walk in range(walks))
    return (Phase("walk", share, steps, 0), *rest) if walks else ()


def plan(effort: Effort, *, arms: int, walks: int = 0, rows: bool = False) -> tuple[Phase, ...]:
    """The phases for an effort; ``thorough`` begins as ``standard`` and goes on.

    rows  the samples have no places side by side: few features are soon gone through without gradients, and
          a query costs little more for many samples than for few; nor does a step, so that late rounds on a
          few follow only where the last one broke any
    """
    going = ONE if rows else 0.0
    first, second = (Phase("scores", 0.03, 400), Phase("scores", 0.06, 600, after=ONE))
    if rows:
        first, second = (one._replace(share=4 * one.share, steps=one.steps // 4) for one in (first, second))
    opening = Phase("clean"), Phase("sweep", 1.0, 10, 0)
    if effort == "quick":
        return (*opening, *scout(arms, 0.1, 10), *edges(min(walks, 2), 0.02, 20), *rounds(20, 0.1, 0.1, 0.05))
    standard = (
        *opening,
        *scout(arms, 0.2, 20),
        *edges(walks, 0.1, 30),
        *rounds(40, 0.5, 0.3, 0.2),
        first,
        *rounds(60, 0.1, 0.1, 0.1, 0.1, after=going),
        second,
        *rounds(100, 0.05, 0.05, after=going),
        *(Phase("scores", share, 600, after=PAYS) for share in (0.12, 0.25, 0.5, 1.0)),
    )
    if effort == "standard":
        return standard
    if effort == "thorough":
        return (*standard, *rounds(100, *(0.3,) * arms), Phase("scores", 0.3, 5000))
    raise AncileError("no such effort", value=f"effort={effort}", remedy="give quick, standard or thorough")
