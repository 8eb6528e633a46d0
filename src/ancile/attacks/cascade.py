"""The cascade: cheap decisive attacks first, later ones only on what still stands, effort by margin.

An ensemble without parameters to tune, as AutoAttack is (Croce and Hein 2020, arXiv:2003.01690). Unlike
there, arms compete on the hardest samples before effort is spent, a round takes only the samples nearest to
an error, and every claim is confirmed by the original model in full precision.

Which samples a phase takes depends on all of them, and so does which arm has a round: in this alone a
sample's result depends on its company. Draws are the sample's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ancile.attacks.arms import OPENING, Arm, aimed, portfolio
from ancile.attacks.climb import climb, climb_precisely
from ancile.attacks.constraint import Constraint
from ancile.attacks.edges import Walk, walked, walks
from ancile.attacks.patches import patched
from ancile.attacks.phases import Effort, Phase, plan
from ancile.attacks.standing import STANDS, Field, Standing, judged
from ancile.attacks.stop import OnStep
from ancile.attacks.streams import Streams
from ancile.attacks.windows import grid_of
from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

BATCH = 128  # samples that climb together: more fall out of the cache (4 convolutions on MNIST: 128 to 512)
COMPARED = 128  # samples on which a search form is compared with the original
ROUNDING = 1e-4  # mean difference of logits as a share of their size: above float32's, far below bfloat16's
FADES = 0.25  # of an arm's share, each time that it had a round
FLOOR = 0.02  # of the cohort, that every arm's share is at least: one that won nothing still has its turn


class Entry(NamedTuple):
    """What one phase did.

    phase      its place in the plan
    arm        place of the arm that climbed in the portfolio, of a walk among the walks; -1 where none did
    tried      samples that it took, ``set_aside`` those that stood and that it did not take
    broken     samples that it broke, each confirmed; ``left`` those that stand afterwards
    forwards, backwards, queries
               samples that went through the model, in both its forms
    """

    phase: int
    arm: int
    tried: int
    set_aside: int
    broken: int
    left: int
    forwards: int
    backwards: int
    queries: int
    cpu_seconds: float


class Means(NamedTuple):
    """What a cascade searches with.

    form     the same network in a faster form to climb on; None for the network itself
    batch    samples that climb together, the number at which that takes least time
    on_step  asked before every step: True ends the search with what was found so far
    """

    form: GradientModel | None = None
    batch: int = BATCH
    on_step: OnStep = None


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """A cascade that runs phase by phase; ``begin`` makes it, ``advance`` runs the next phase.

    reached  (arms, n) the largest margin that each arm met in the scout or its turn, -inf where it had none
    cohort   (n,) samples that the scout takes
    log      what the phases so far did
    """

    here: Field
    arms: tuple[Arm, ...]
    walks: tuple[Walk, ...]
    phases: tuple[Phase, ...]
    standing: Standing
    reached: torch.Tensor
    cohort: torch.Tensor
    log: list[Entry] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether all phases are."""
        return len(self.log) == len(self.phases)

    @property
    def candidates(self) -> torch.Tensor:
        """(n, *shape) in the ball: the confirmed adversarial example, else the most wrong point met."""
        return self.here.constraint.project(self.standing.point, self.here.x)

    @property
    def broken(self) -> torch.Tensor:
        """(n,) samples with a confirmed adversarial example, those misread as they are among them."""
        return self.standing.broken_by != STANDS

    @property
    def unresolved(self) -> torch.Tensor:
        """(n,) samples that stand and that only sweeps took: effort went to others, nearer to an error."""
        return ~self.broken & (self.standing.chosen == 0)

    def name(self, entry: Entry) -> str:
        """What reports call a phase."""
        kind = self.phases[entry.phase].kind
        if entry.arm < 0:
            return kind
        return f"{kind}: {(self.walks if kind == 'walk' else self.arms)[entry.arm].name}"

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All that ``restored`` needs to go on after the last finished phase, as plain arrays."""
        kept = {name: value.cpu().numpy() for name, value in vars(self.standing).items()}
        rest = {"reached": self.reached.cpu().numpy(), "cohort": self.cohort.cpu().numpy()}
        return {**kept, **rest, "log": np.array(self.log, dtype=np.float64).reshape(-1, len(Entry._fields))}


def cascade(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    constraint: Constraint,
    rng: Streams,
    *,
    effort: Effort = "standard",
    search: GradientModel | None = None,
    on_step: Callable[[], bool] | None = None,
) -> torch.Tensor:
    """The most wrong point that a whole portfolio of attacks found for each sample.

    x        (n, *shape), in the data's own units, on the model's device and in its float type
    y        (n,) true labels
    effort   ``quick``, ``standard``; ``thorough`` goes on from where standard ends
    search   the same network in a faster form to climb on; what it claims, ``model`` confirms
    on_step  asked before every step; True ends the attack with the best found so far
    returns  (n, *shape) inside the ball: a confirmed adversarial example where one was met, else the point of
             the largest margin; a sample that the model misreads as it is comes back as it is

    Draws starts and windows from ``rng``. Where eps is 0 the samples come back as they are. Cost: about 25
    forwards and 20 backwards a sample at ``quick``, 150 and 105 at ``standard``, on nets hardened in Linf;
    more where patches pay, far more at ``thorough``.
    """
    if constraint.eps == 0 or not len(x):
        return x.clone()
    run = begin(model, x, y, constraint, rng, effort=effort, means=Means(search, on_step=on_step))
    while advance(run):
        pass
    return run.candidates


def begin(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    constraint: Constraint,
    rng: Streams,
    *,
    effort: Effort = "standard",
    means: Means = Means(),  # noqa: B008 - a tuple cannot change
) -> Cascade:
    """A cascade before its first phase; else as ``cascade``."""
    arms = (OPENING, *portfolio(constraint, classes=model.traits.classes))
    ways = walks(constraint.norm, classes=model.traits.classes)
    coarse = means.form is not None and differs(means.form, model, x[:COMPARED])
    here = Field(model, means.form or model, means.batch, coarse, x, y, constraint, rng, means.on_step)
    n = len(x)
    return Cascade(
        here=here,
        arms=arms,
        walks=ways,
        phases=plan(
            effort,
            arms=len(arms),
            aimed=aimed(constraint.norm, arms),
            walks=len(ways),
            rows=grid_of(tuple(x.shape[1:])).row,
            outside=constraint.norm != "linf",
        ),
        standing=Standing.of(x),
        reached=x.new_full((len(arms), n), -torch.inf),
        cohort=torch.zeros(n, dtype=torch.bool, device=x.device),
    )


def restored(fresh: Cascade, saved: Mapping[str, NDArray[np.generic]]) -> Cascade:
    """``fresh`` where ``saved``, of ``arrays``, was taken; arrays of another run are refused.

    With the same samples, seed, effort and search form it then ends as if it had never stopped.
    """
    own = fresh.arrays()
    same = own.keys() == saved.keys() and all(
        saved[name].dtype == own[name].dtype
        and saved[name].shape[name == "log" :] == own[name].shape[name == "log" :]
        for name in own
    )
    if not same or len(saved["log"]) > len(fresh.phases):
        raise AncileError(
            "the saved cascade is of another run",
            value=", ".join(sorted(saved)),
            remedy="begin anew, or give back what arrays() gave for the same samples and effort",
        )
    to = fresh.here.x.device
    log = [
        Entry._make((*(int(number) for number in row[:-1]), float(row[-1])))
        for row in saved["log"].astype(np.float64)
    ]
    kept = {name: torch.tensor(saved[name], device=to) for name in own if name != "log"}
    reached, cohort = kept.pop("reached"), kept.pop("cohort")
    return Cascade(
        here=fresh.here, arms=fresh.arms, walks=fresh.walks, phases=fresh.phases, standing=Standing(**kept),
        reached=reached, cohort=cohort, log=log,
    )  # fmt: skip


def advance(run: Cascade, *, cpu: Callable[[], float] = time.process_time) -> Entry | None:
    """What the next phase did; None when there is none, or when told to stop within it.

    A phase that was stopped does not count: what it broke stays broken, and it begins again.
    """
    if run.done:
        return None
    here, standing, place = run.here, run.standing, len(run.log)
    one = run.phases[place]
    before, begun, stood = _usage(here), cpu(), len(standing.rows())
    arm = _chosen(run) if one.kind == "round" else one.arm
    rows = _taken(run, one)
    if len(rows) and not _PHASES[one.kind](run, rows, one, arm, place):
        return None
    if one.kind not in ("clean", "sweep"):
        standing.chosen[rows] += 1
    left = len(standing.rows())
    forwards, backwards, queries = (now - then for now, then in zip(_usage(here), before, strict=True))
    entry = Entry(
        phase=place, arm=arm, tried=len(rows), set_aside=stood - len(rows), broken=stood - left, left=left,
        forwards=forwards, backwards=backwards, queries=queries, cpu_seconds=cpu() - begun,
    )  # fmt: skip
    run.log.append(entry)
    return entry


def differs(search: GradientModel, model: GradientModel, x: torch.Tensor) -> bool:
    """Whether the logits of a search form are off by more than another order of the same sums is."""
    theirs, own = search.logits(x).double(), model.logits(x).double()
    return not bool((theirs - own).abs().mean() <= ROUNDING * own.abs().mean())


def _taken(run: Cascade, one: Phase) -> torch.Tensor:
    """Places of the samples that a phase takes."""
    if one.kind in ("scout", "turn") and _outdone(run, run.arms[one.arm]):
        return run.standing.hardest(0.0)
    if one.kind != "scout":
        paid = _paid(run, one) if one.after else not _hopeless(run, one)
        rows = run.standing.hardest(one.share if paid else 0.0)
        return rows[run.reached[one.arm, rows] == -torch.inf] if one.kind == "turn" else rows
    if not run.cohort.any():
        run.cohort[run.standing.hardest(one.share)] = True
    return (run.cohort & ~run.broken).nonzero().squeeze(1)


def _outdone(run: Cascade, arm: Arm) -> bool:
    """Whether walks paid before: what they left falls, if at all, to climbs from where they ended."""
    walked_all = any(entry.tried and run.phases[entry.phase][:2] == ("walk", 1.0) for entry in run.log)
    return walked_all and arm.start != "best"


def _paid(run: Cascade, one: Phase) -> bool:
    """Whether the last phase of this kind broke as much as this one asks for."""
    same = [entry for entry in run.log if run.phases[entry.phase].kind == one.kind]
    return bool(same) and same[-1].broken >= one.after * same[-1].tried > 0


def _hopeless(run: Cascade, one: Phase) -> bool:
    """Whether so few stand that the last such round or search took them all, and it broke none."""
    same = [entry for entry in run.log if run.phases[entry.phase].kind == one.kind and entry.tried]
    return one.kind in ("round", "scores") and bool(same) and not (same[-1].set_aside or same[-1].broken)


def _clean(run: Cascade, rows: torch.Tensor, one: Phase, arm: int, place: int) -> bool:  # noqa: ARG001 - one signature for all phases
    here = run.here
    value, misread = judged(here.model, here.x[rows], here.y[rows])
    run.standing.keep(rows, here.x[rows], value)
    run.standing.broken_by[rows[misread]] = place
    return True


def _climbed(run: Cascade, rows: torch.Tensor, one: Phase, arm: int, place: int) -> bool:
    one_climb = climb_precisely if one.precise else climb
    reached = one_climb(run.here, run.standing, run.arms[arm], rows, steps=one.steps, place=place)
    if reached is not None and one.kind in ("scout", "turn"):
        run.reached[arm, rows] = reached
    return reached is not None


def _walked(run: Cascade, rows: torch.Tensor, one: Phase, arm: int, place: int) -> bool:
    return walked(run.here, run.standing, run.walks[arm], rows, steps=one.steps, place=place)


def _scored(run: Cascade, rows: torch.Tensor, one: Phase, arm: int, place: int) -> bool:  # noqa: ARG001 - one signature for all phases
    return patched(run.here, run.standing, rows, queries=one.steps, place=place)


_PHASES: dict[str, Callable[[Cascade, torch.Tensor, Phase, int, int], bool]] = {
    "clean": _clean,
    "sweep": _climbed,
    "scout": _climbed,
    "turn": _climbed,
    "round": _climbed,
    "walk": _walked,
    "scores": _scored,
}


def _chosen(run: Cascade) -> int:
    """The arm that won most of the scout's samples, less for the rounds that it had."""
    reached = run.reached[:, run.cohort]
    seen = reached.amax(dim=0) > -torch.inf
    wins = torch.bincount(reached.argmax(dim=0)[seen], minlength=len(run.arms)).double()
    wins += FLOOR * max(1, int(run.cohort.sum()))
    wins[0] = 0.0  # the opening climbed on all samples before
    for entry in run.log:
        if run.phases[entry.phase].kind == "round":
            wins[entry.arm] *= FADES
    return int(wins.argmax())


def _usage(here: Field) -> tuple[int, int, int]:
    """Samples that went through the model so far; a search form may count with the original or for itself."""
    counts = {id(usage): usage for usage in (here.model.usage, here.search.usage)}.values()
    return (
        sum(usage.forwards for usage in counts),
        sum(usage.backwards for usage in counts),
        sum(usage.queries for usage in counts),
    )
