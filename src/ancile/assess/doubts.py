"""What a second look at the figure found, and where doubt begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ancile.assess.altered import Active
    from ancile.assess.behaviour import Steadiness
    from ancile.assess.slopes import Slopes

HELPFUL = 0.75  # share of helpful gradients below which they lead nowhere: by chance 0.2, sound nets 0.98
DEAD = 0.2  # share of points without a gradient above which a good part of the search goes nowhere
ODD = 0.02  # share of such points from which attacks that do without are worth their time
LEAST, MOST = 0.3, 2.0  # of the promised gain: 0.8 to 1.1 on sound networks, next to nothing on rough
# surfaces, far more where a part of the gradient is cut off
STEADY = 1e-3  # of the spread of scores: float32 sums in another order differ by a hundredth of that
COMPANY = 10 * STEADY  # between a sample alone and in a batch other kernels may be at work


@dataclass(kw_only=True)
class Doubt:
    """What the second look found; None where it did not come to that.

    single     samples broken by one step along the gradient that the whole plan had left
    blind      samples broken without gradients, of ``blind_tried`` that the plan had left
    unbounded  samples that stand when the attacker may go as far as the bounds allow, of ``unbounded_tried``
    again      whether attacks that need no gradients, or softened ones, were run on what stood
    stood_in   samples broken along gradients of stand-ins, or averaged over a neighbourhood
    jumps      ways to a boundary, of ``crossed``, at whose end scores jump
    searched   what the second search climbed on beside the scores
    recanted   claims from a single pass that did not hold in the mean of several
    complete   whether the look was not cut short
    """

    steadiness: Steadiness | None = None
    slopes: Slopes | None = None
    active: Active | None = None
    single: int = 0
    blind: int = 0
    blind_tried: int = 0
    unbounded: int = 0
    unbounded_tried: int = 0
    again: bool = False
    stood_in: int = 0
    crossed: int = 0
    jumps: int = 0
    searched: tuple[str, ...] = ()
    recanted: int = 0
    complete: bool = True

    @property
    def unsteady(self) -> bool:
        """Whether a pass is not the whole truth."""
        s = self.steadiness
        return s is not None and (s.flips > 0 or s.passes > STEADY)

    @property
    def crowded(self) -> bool:
        """Whether a sample's answer hangs on the others of its batch."""
        s = self.steadiness
        return s is not None and s.passes <= STEADY and s.company > COMPANY

    @property
    def lost(self) -> bool:
        """Whether gradients lead nowhere on a good part of the points that were looked at."""
        s = self.slopes
        return s is not None and (
            self.stepped
            or s.helpful < HELPFUL * s.points
            or s.zero + s.not_finite + s.untrue > DEAD * s.points
            or not LEAST <= s.kept <= MOST
        )

    @property
    def flat(self) -> bool:
        """Whether scores stand still on a good part of the points: they tell a search no more than labels."""
        s = self.slopes
        return s is not None and (s.zero > DEAD * s.points or s.saturated > DEAD)

    @property
    def stepped(self) -> bool:
        """Whether scores jump where the answer changes: their slope elsewhere does not lead there.

        Of a model that draws lots nobody can tell.
        """
        return not self.unsteady and self.jumps > DEAD * self.crossed

    @property
    def doubtful(self) -> bool:
        """Whether some gradients are none, or lead nowhere: reason to look again, not yet to say so."""
        s = self.slopes
        return self.lost or (s is not None and s.zero + s.not_finite > ODD * s.points)
