"""Whether the figure can be trusted: what the attacks may have missed, and a second look there.

Indicators of attack failure (Pintor et al., NeurIPS 2022, arXiv:2106.09947), checks of Carlini et al. 2019
(arXiv:1902.06705) and an active test (Zimmermann et al., NeurIPS 2022, arXiv:2206.13991). What the second
look breaks counts: the figure is that of the best attack, whichever it was.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ancile.assess.behaviour import crossing, steadiness
from ancile.assess.doubts import Doubt
from ancile.assess.levels import levels_of
from ancile.assess.passes import HALF, PASSES, fooled, rights
from ancile.assess.plan import BY_LABELS, step
from ancile.assess.run import (
    UNBROKEN,
    Effect,
    Job,
    State,
    spending,
    step_seed,
)
from ancile.assess.strike import broken, farthest, strike
from ancile.assess.watch import Watched
from ancile.core.errors import AncileError
from ancile.core.strength import Effort
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.models.model import GradientModel

PROBED = 48  # samples whose neighbourhood is looked at
ALTERED = 10  # of them, those with a network of their own, which is dear:
PER, FEWEST = 40, 4  # one in so many samples where there are few, but not fewer than these
CROSSED = 24  # broken samples whose boundary is looked at
UNBOUNDED = 16  # of them, those attacked as far as the bounds allow
FEW_BROKEN = 2  # samples that a search without gradients breaks before it is let loose on all
SOME = 24  # samples on which an attack has to break one before it gets the others
PUPILS = 3  # that learn from the model: each begins elsewhere
MORE = 0.03  # of all samples, broken by the last search: reason for a longer one

LOOKS: dict[Effort, tuple[int, int]] = {"quick": (20, 100), "standard": (10, 200), "thorough": (4, 1000)}
# one in so many samples that stand, and queries about each
LAST: dict[Effort, tuple[int, ...]] = {"quick": (500, 2500), "standard": (1000, 5000), "thorough": (10000,)}
# queries about each of those that stand in the end where gradients are worth little


class _Look(NamedTuple):
    """What a look has to go by, and where it writes what it found."""

    job: Job
    state: State
    right: NDArray[np.intp]
    effort: Effort
    found: Doubt


def doubted(job: Job, state: State, correct: NDArray[np.bool_], effort: Effort) -> Doubt:
    """Look again, adding what breaks to ``state``. Stops as the attacks do; faults of the model are kept."""
    found, right = Doubt(), np.flatnonzero(correct)
    if not len(right) or job.constraint.eps == 0:
        return found
    white = job.model.traits.access == "white-box"
    try:
        for look in WHITE if white else BLACK:
            if job.stop():
                found.complete = False
                break
            look(_Look(job, state, right, effort, found))
        # The last look is long, and stops within itself
        found.complete &= not (found.again and job.stop())
    except KeyboardInterrupt:
        found.complete = False
    except AncileError as fault:
        state.faults.append(plain(str(fault)))
        found.complete = False
    return found


def _steady(look: _Look) -> None:
    look.found.steadiness = steadiness(look.job.model, look.job.samples.x[look.right[:PROBED]])


def _sloped(look: _Look) -> None:
    from ancile.assess.slopes import slopes  # noqa: PLC0415 - needs an extra

    look.found.slopes = slopes(look.job, look.right[:PROBED], seed=step_seed(look.job.seed, -101))


def _altered(look: _Look) -> None:
    from ancile.assess.altered import active_test  # noqa: PLC0415 - needs an extra

    look.found.active = active_test(
        look.job, look.right[: fewer(look, ALTERED)], seed=step_seed(look.job.seed, -102)
    )


def _unbound(look: _Look) -> None:
    """Attack a few as far as the bounds allow: every model that tells classes apart can be fooled then."""
    job, rows = look.job, look.right[:UNBOUNDED]
    reach = farthest(job)
    if reach <= job.constraint.eps:
        return
    white = job.model.traits.access == "white-box"
    one = step("pgd", loss="margin", steps=20, restarts=2) if white else step("square", queries=300)
    far = job._replace(constraint=job.constraint.at(reach))
    aside = State.fresh(job.samples.x, job.model.traits.classes)
    strike(far, aside, one, rows, place=-103)
    look.found.unbounded_tried = len(rows)
    look.found.unbounded = int((aside.broken_by[rows] == UNBROKEN).sum())
    if white:  # of scores alone many sound models answer in steps: trees do
        _halved(look, aside, rows)


def _crossed(look: _Look) -> None:
    """Ask on the way to adversarial examples, at the boundary: there some models give no finite answer."""
    _halved(look, look.state, look.right)


def _halved(look: _Look, aside: State, rows: NDArray[np.intp]) -> None:
    """Follow the way to what was broken down to where the answer changes."""
    job, state = look.job, look.state
    rows = rows[aside.broken_by[rows] != UNBROKEN][:CROSSED]
    if not len(rows):
        return
    effect = Effect(name="doubt: the way to the boundary", blind=True)
    state.log.append(effect)
    with spending(job, effect):
        met = crossing(job.model, job.samples.x[rows], aside.x_adv[rows], job.samples.y[rows])
    look.found.crossed += met.ways
    look.found.jumps += met.jumps


def _single(look: _Look) -> None:
    look.found.single = strike(look.job, look.state, step("fgsm"), _left(look), place=-104)


def _blind(look: _Look) -> None:
    """Search without gradients on some that stand, and on all where it breaks what gradients did not."""
    one_in, queries = LOOKS[look.effort]
    left, found = _left(look), look.found
    some = left[: max(fewer(look, PROBED // 2), len(look.right) // one_in)]
    one = step("square", queries=queries)
    found.blind = strike(look.job, look.state, one, some, place=-105)
    found.blind_tried = len(some)
    if found.blind >= FEW_BROKEN and not look.job.stop():
        rest = left[len(some) :]
        found.blind += strike(look.job, look.state, one, rest, place=-106)
        found.blind_tried += len(rest)


def _again(look: _Look) -> None:
    """Attacks for models whose gradients lead nowhere, on all that stand, for as long as they pay."""
    found = look.found
    met = sum(effect.not_finite for effect in look.state.log)
    if not (found.doubtful or found.unsteady or found.crowded or met or found.blind > MORE * len(look.right)):
        return
    found.again = True
    fewer, once = 1, look.job.model
    if found.unsteady or found.crowded:
        look = _by_passes(look)
        _in_expectation(look)
    if found.unsteady:
        look, fewer = _on_average(look)
    # The more is tried, the more often is luck taken for an example where lots are drawn
    wide = not found.unsteady or found.flat or bool(met)
    if wide and not look.job.stop():
        found.stood_in += _straight(look)
    if wide and not look.job.stop():
        found.stood_in += _inside(look)
    if not look.job.stop():
        if not found.unsteady:
            found.stood_in += _soft(look, once, estimated=False, place=-107)
        if not (found.unsteady or found.crowded):
            _taught(look)
        if wide:
            _soft(look, once, estimated=True, place=-108)
    _searched(look, "square", place=-110, fewer=fewer)
    by_labels = BY_LABELS.get(look.job.constraint.norm)
    if by_labels and (found.flat or found.stepped) and not found.unsteady:
        _searched(look, by_labels, place=-117)


def _searched(look: _Look, attack: str, *, place: int, fewer: int = 1) -> None:
    """Search without gradients with more queries for as long as it pays."""
    for later, queries in enumerate(LAST[look.effort]):
        if look.job.stop():
            return
        one = step(attack, queries=queries // fewer)
        broke = _paying(look, partial(strike, look.job, look.state, one, place=place - later))
        look.found.blind += broke
        if broke <= MORE * len(look.right):
            return


def _paying(look: _Look, attack: Callable[[NDArray[np.intp]], int]) -> int:
    """How many an attack breaks of some that stand, and of the others as well where there were any."""
    left = _left(look)
    broke = attack(left[:SOME])
    if broke and not look.job.stop():
        broke += attack(left[SOME:])
    return broke


def _by_passes(look: _Look) -> _Look:
    """The same look at all that most passes get right; claims that several passes do not hold up are none.

    What only the first pass got wrong is attacked as well.
    """
    job, state = look.job, look.state
    claimed = look.right[state.broken_by[look.right] != UNBROKEN]
    if len(claimed):
        lucky = claimed[~fooled(rights(job.model, state.x_adv[claimed], job.samples.y[claimed]))]
        state.broken_by[lucky], state.scores[lucky] = UNBROKEN, np.nan
        state.x_adv[lucky] = job.samples.x[lucky]
        look.found.recanted = len(lucky)
    mostly = rights(job.model, job.samples.x, job.samples.y).mean(axis=0) > HALF
    return look._replace(right=np.union1d(look.right, np.flatnonzero(mostly)))


def _on_average(look: _Look) -> tuple[_Look, int]:
    """The same look at the mean of passes, and how many there are."""
    from ancile.assess.softened import Averaged  # noqa: PLC0415 - needs an extra

    return look._replace(job=look.job._replace(model=Watched(Averaged(look.job.model)))), PASSES


def _in_expectation(look: _Look) -> None:
    """Climb to what misleads most passes, broken samples too: the farther, the fewer passes are right."""
    from ancile.assess.lots import Ground, misled  # noqa: PLC0415 - needs an extra
    from ancile.assess.white import straight_search  # noqa: PLC0415 - needs an extra

    job, lots = look.job, look.found.unsteady
    grounds = [Ground("gradients of many passes", job.model, lots)]
    with suppress(AncileError):  # a network that cannot be run so has been told of
        grounds.append(Ground("gradients of stand-ins, many passes", straight_search(job), lots))
    for on in grounds:
        misled(job, look.state, look.right, on, effort=look.effort)


def _soft(look: _Look, on: GradientModel, *, estimated: bool, place: int) -> int:
    """Climb on gradients that are averaged over the ball, or estimated from differences of scores."""
    from ancile.assess.softened import softly  # noqa: PLC0415 - needs an extra

    name = f"{'estimated' if estimated else 'averaged'} gradients"
    find = softly(look.job, on, estimated=estimated)

    def attack(rows: NDArray[np.intp]) -> int:
        return broken(look.job, look.state, Effect(name=name, blind=estimated), rows, find, place=place)

    return _paying(look, attack)


def _taught(look: _Look) -> None:
    """Climb on small networks that learn what the model answers, one after another while that pays."""
    from ancile.assess.student import taught  # noqa: PLC0415 - needs an extra

    for pupil in range(PUPILS):
        if look.job.stop():
            return
        effect = Effect(name="a network taught on its answers", blind=True)
        find = taught(look.job, look.state, effort=look.effort, pupil=pupil)
        broke = broken(look.job, look.state, effect, _left(look), find, place=-151 - pupil)
        look.found.blind += broke
        if pupil and not broke:
            return


def _straight(look: _Look) -> int:
    """The whole cascade, climbing on stand-ins for operations that cut or flatten gradients."""
    from ancile.assess.white import straight_search  # noqa: PLC0415 - needs an extra

    try:
        return _climbed(look, straight_search(look.job), "straightened gradients", place=-112)
    except AncileError as fault:  # a network that cannot be run so is searched in other ways
        why = plain(str(fault), 60)
        name = f"doubt: straightened gradients are not to be had: {why}"
        look.state.log.append(Effect(name=name, blind=False))
    return _levelled(look, look.job.model, "gradients", place=-122)


def _inside(look: _Look) -> int:
    """The cascade on scores inside the network that decide as its answer does, where that stands still."""
    from ancile.assess.white import straight_search  # noqa: PLC0415 - needs an extra

    with suppress(AncileError):  # where there are none, the answer itself was searched on
        search = straight_search(look.job, inside=True)
        return _climbed(look, search, "scores inside that decide as the answer does", place=-123)
    return 0


def _climbed(look: _Look, search: GradientModel, name: str, *, place: int) -> int:
    """The cascade on this form of the network, and on the levels of the data."""
    from ancile.assess.white import straightened  # noqa: PLC0415 - needs an extra

    look.found.searched += (name,)
    found, effect = straightened(look.job, search, effort=look.effort), Effect(name=name, blind=False)
    broke = broken(look.job, look.state, effect, _left(look), found, place=place)
    return broke + _levelled(look, search, name, place=place - 20)


def _levelled(look: _Look, search: GradientModel, name: str, *, place: int) -> int:
    """The cascade on the levels that all samples lie on: some models refuse whatever lies between."""
    from ancile.assess.gridded import keeping  # noqa: PLC0415 - needs an extra

    levels = levels_of(look.job.samples.x)
    if levels is None or look.job.stop():
        return 0
    look.found.searched += tuple({"the levels of the data"} - set(look.found.searched))
    effect = Effect(name=f"{name}, on the levels of the data", blind=False)
    found = keeping(look.job, search, levels, effort=look.effort)
    return broken(look.job, look.state, effect, _left(look), found, place=place)


def _undeceived(look: _Look) -> None:
    """The whole cascade once more without classes that always come second and are never given."""
    from ancile.assess.decoys import decoys, undeceived  # noqa: PLC0415 - needs an extra

    out = decoys(look.job, look.state, look.right)
    if not len(out):
        return
    effect = partial(Effect, name="without classes that are never given", blind=False)
    found = undeceived(look.job, out, effort=look.effort)
    broke = _paying(look, lambda rows: broken(look.job, look.state, effect(), rows, found, place=-116))
    look.found.stood_in += broke
    look.found.again |= broke > 0


WHITE: tuple[Callable[[_Look], None], ...] = (
    _steady,
    _sloped,
    _altered,
    _unbound,
    _crossed,
    _single,
    _blind,
    _undeceived,
    _again,
)
BLACK: tuple[Callable[[_Look], None], ...] = (_steady, _unbound)


def fewer(look: _Look, most: int) -> int:
    """So many samples, or fewer where the whole is small: the look shall cost no more than the attacks."""
    return min(most, max(FEWEST, len(look.right) // PER))


def _left(look: _Look) -> NDArray[np.intp]:
    """Samples that still stand."""
    return np.asarray(look.right[look.state.broken_by[look.right] == UNBROKEN])
