"""The arms that compete in the cascade, and which of them suit a ball and a number of classes.

An arm is one way to climb: where to start, what to raise, how far to step, how much momentum. None is best on
all networks: those that threshold their pixels fall to starts from the middle of the range, others to random
starts and to targets. Which are tried is decided by the ball and the classes, which of them have the rounds
by what they reached in the scout.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ancile.attacks.ball import Norm
from ancile.attacks.constraint import Constraint

Start = Literal["random", "corner", "diverse", "middle", "best"]
Raised = Literal["margin", "ce", "dlr", "target"]

CLASSES_FOR_DLR = 3  # Croce and Hein 2020, arXiv:2003.01690, equation 6
REACHES = (
    0.1  # of the range that a Linf ball covers at least on either side, for the middle to mean something
)
MOMENTUM = 0.75  # as APGD's: section 3.1 there


class Arm(NamedTuple):
    """One way to climb.

    start     ``random`` in the ball, a ``corner`` of it, output-``diverse``, the ``middle`` of the range, or
              the ``best`` point so far
    raised    ``margin``, ``ce``, ``dlr``; or ``target``, the logit of one wrong class over the right one
    step      first step as a share of eps; it shrinks as half a cosine
    momentum  share of the last step's direction that is kept
    share     of the way from low to high: where the middle is
    rank      of the target among the wrong classes at the start, the likeliest is 0
    """

    start: Start
    raised: Raised
    step: float
    momentum: float = MOMENTUM
    share: float = 0.5
    rank: int = 0

    @property
    def name(self) -> str:
        """What reports call it."""
        start = f"middle {self.share:g}" if self.start == "middle" else self.start
        raised = f"target {self.rank + 1}" if self.raised == "target" else self.raised
        return f"{start}, {raised}, step {self.step:g}, momentum {self.momentum:g}"


# Every sample climbs this one first: large steps and the margin break most of what breaks at all
OPENING = Arm("random", "margin", 2.0)

# In full precision from where a coarse search form saw an error that the original does not make
FINISH = Arm("best", "margin", 0.1, momentum=0.0)

# In the order of the scout: what breaks most goes first, and leaves the others fewer samples
ARMS = (
    Arm("middle", "ce", 0.25, momentum=0.0, share=0.35),
    Arm("random", "margin", 0.5),
    Arm("middle", "margin", 0.25),
    Arm("random", "ce", 1.0),
    Arm("diverse", "margin", 1.0),
    Arm("best", "margin", 0.25),
    Arm("corner", "dlr", 1.0),
    Arm("random", "target", 0.5, rank=1),
    Arm("middle", "target", 0.25, share=0.4, rank=1),
    Arm("random", "target", 0.5, rank=2),
    Arm("middle", "margin", 0.25, share=0.35),
    Arm("middle", "target", 0.25, share=0.4, rank=2),
)


def portfolio(constraint: Constraint, *, classes: int) -> tuple[Arm, ...]:
    """The arms for a constraint and a number of classes, each once.

    A Linf ball that is small beside the data's range, as on natural images and tables, does not reach the
    middle of it: to start there is to start at one corner of the ball, for which one arm is enough.
    """
    far = constraint.norm == "linf" and constraint.eps < REACHES * constraint.reach
    suited = tuple(arm for arm in ARMS if arm == ARMS[0] or arm.start != "middle") if far else ARMS
    fitting = (fitted(arm, classes) for arm in suited)
    return tuple(dict.fromkeys(arm for arm in fitting if arm is not None))


def aimed(norm: Norm, arms: tuple[Arm, ...]) -> tuple[int, ...]:
    """Places of the arms that mean one wrong class; of those from the middle one in Linf is like another."""
    return tuple(
        place
        for place, arm in enumerate(arms)
        if arm.raised == "target" and not (norm == "linf" and arm.start == "middle")
    )


def fitted(arm: Arm, classes: int) -> Arm | None:
    """The arm with a loss that is defined for so many classes; None where it has no target left."""
    if arm.raised == "target" and arm.rank >= classes - 1:
        return None
    if classes < CLASSES_FOR_DLR and arm.raised in ("dlr", "target"):
        return arm._replace(raised="margin", rank=0)
    return arm
