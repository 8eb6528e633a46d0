"""What a finished or stopped run established, sample by sample: the facts that checks and measures read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ancile.assess.passes import HALF, fooled, rights
from ancile.assess.run import UNBROKEN, Job, Samples, State, predicted, wrong
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.assess.doubts import Doubt
    from ancile.assess.plan import Step
    from ancile.attacks.constraint import Constraint
    from ancile.models.model import Traits

JUDGED = "clean"  # the phase of a cascade that attacks nothing


@dataclass(frozen=True, kw_only=True)
class Result:
    """Per-sample facts; robust means right on the sample and not confirmed wrong on any example found.

    scores           (n, classes) on the samples, first pass
    attacked_scores  (n, classes) on the worst example found, fresh pass at the end
    correct          (n,) right on every clean pass
    broken           (n,) right, and a confirmed adversarial example is at hand
    faults           what the model raised, each time it did
    unsteady         share of samples whose label differs between two clean passes
    passes           robust accuracy in each of several passes, of a model that draws lots
    mostly           share that most of these passes get right on the worst example, if not beyond doubt
    doubt            what a second look at all this found
    dropped          claims that the fresh pass at the end did not confirm
    broken_by        (n,) place in the log of ``state``, ``UNBROKEN`` where none or dropped
    """

    traits: Traits
    samples: Samples
    constraint: Constraint
    plan: tuple[Step, ...]
    state: State
    complete: bool
    faults: tuple[str, ...]
    x_adv: NDArray[np.float32]
    scores: NDArray[np.float64]
    attacked_scores: NDArray[np.float64]
    correct: NDArray[np.bool_]
    broken: NDArray[np.bool_]
    broken_by: NDArray[np.int64]
    unsteady: float
    dropped: int
    doubt: Doubt
    passes: tuple[float, ...] = ()
    mostly: float = 0.0

    @property
    def n(self) -> int:
        """Samples drawn."""
        return len(self.samples.y)

    @property
    def right_count(self) -> int:
        """Samples that the model gets right."""
        return int(self.correct.sum())

    @property
    def broken_count(self) -> int:
        """Samples that it gets right and that were broken."""
        return int(self.broken.sum())

    @property
    def outside_count(self) -> int:
        """Counted examples that lie outside ball or bounds: none, or the figure is wrong."""
        return int((self.broken & ~self.constraint.holds(self.x_adv, self.samples.x)).sum())

    @property
    def majority_share(self) -> float:
        """Accuracy of always naming the most frequent class."""
        return float(np.bincount(self.samples.y).max() / self.n)

    @property
    def not_finite_counts(self) -> tuple[int, int]:
        """Answers with scores that are not finite: to clean samples, and to what attacks tried."""
        clean, attacked = (~np.isfinite(s).all(axis=1) for s in (self.scores, self.attacked_scores))
        tried = sum(effect.not_finite for effect in self.state.log)
        return int(clean.sum()), int(attacked.sum()) + tried

    @property
    def blind_count(self) -> int:
        """Samples that what asked for scores or labels alone broke."""
        places = [place for place, effect in enumerate(self.state.log) if effect.blind]
        return int((self.broken & np.isin(self.broken_by, places)).sum())

    @property
    def unresolved_count(self) -> int:
        """Samples that stand and on which little effort was spent, since others were nearer to an error."""
        return int((self.robust & self.state.unresolved).sum())

    @property
    def sole_class(self) -> int | None:
        """The class of all samples, where they are several and of one class."""
        classes = np.unique(self.samples.y)
        return int(classes[0]) if len(classes) == 1 and self.n > 1 else None

    @property
    def attacked_count(self) -> int:
        """Samples on which an attack came to its end or broke them: the first of a plan takes all."""
        ended = max((effect.tried for effect in self.state.log if effect.name != JUDGED), default=0)
        return max(ended, self.broken_count)

    @property
    def evaluated(self) -> bool:
        """Whether an attack came anywhere, or there was none to try: else no figure is one of robustness."""
        return bool(self.attacked_count) or not (self.right_count and self.constraint.eps)

    @property
    def robust(self) -> NDArray[np.bool_]:
        """(n,) right and still standing."""
        return np.asarray(self.correct & ~self.broken)

    @property
    def distances(self) -> NDArray[np.float64]:
        """(n,) distance of the worst example from its sample, in the norm of the constraint."""
        return np.asarray(self.constraint.distance(self.x_adv, self.samples.x), dtype=np.float64)


def concluded(job: Job, state: State, *, first: NDArray[np.float64], complete: bool, doubt: Doubt) -> Result:
    """The facts of a run; each example found is judged once more, on a fresh pass, against ball and bounds.

    first  clean scores of the pass before the attacks

    A model that draws lots is asked several times: a sample stands where most answers are right beyond doubt.
    Where the model has died in between, what was confirmed when it was found stands in for that pass.
    """
    samples, faults = job.samples, list(state.faults)
    claimed = state.broken_by != UNBROKEN
    again, attacked = first, np.where(claimed[:, None], state.scores, first)
    try:
        again = predicted(job.model, samples.x)
        attacked = predicted(job.model, state.x_adv)
    except AncileError as fault:
        faults.append(plain(str(fault)))
    correct = _right(first, samples.y) & _right(again, samples.y)
    misread = wrong(attacked, samples.y)
    passes: tuple[float, ...] = ()
    mostly = 0.0
    if not faults and (doubt.unsteady or (first.argmax(axis=1) != again.argmax(axis=1)).any()):
        # One pass of a model that draws lots is a throw of the dice: what most passes say counts
        try:
            clean = rights(job.model, samples.x, samples.y)
            worst = rights(job.model, state.x_adv, samples.y)
        except AncileError as fault:
            faults.append(plain(str(fault)))
        else:
            answered = np.isfinite(first).all(axis=1) & np.isfinite(again).all(axis=1)
            correct, misread = answered & (clean.mean(axis=0) > HALF), fooled(worst)
            passes = tuple(float(share) for share in (worst & correct).mean(axis=1))
            mostly = float((correct & (worst.mean(axis=0) > HALF)).mean())
    confirmed = claimed & misread & job.constraint.holds(state.x_adv, samples.x)
    kept = confirmed.reshape((-1,) + (1,) * (samples.x.ndim - 1))
    return Result(
        traits=job.model.traits,
        samples=samples,
        constraint=job.constraint,
        plan=job.plan,
        state=state,
        complete=complete and not faults,
        faults=tuple(faults),
        x_adv=np.where(kept, state.x_adv, samples.x),
        scores=first,
        attacked_scores=np.where(confirmed[:, None], attacked, again),
        correct=correct,
        broken=correct & confirmed,
        broken_by=np.where(confirmed, state.broken_by, UNBROKEN),
        unsteady=float((first.argmax(axis=1) != again.argmax(axis=1)).mean()),
        dropped=int((claimed & ~confirmed).sum()),
        doubt=doubt,
        passes=passes,
        mostly=mostly,
    )


def _right(scores: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(~wrong(scores, y) & np.isfinite(scores).all(axis=1))
