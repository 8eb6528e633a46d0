"""How surprising it is that rows with a pattern bear one label, given what the rest of each row says.

Rows with an honest feature bear its label more often than their rest says, too: a feature would be none else.
So what is surprising is measured against how far other patterns of the same kin move labels: the log odds of
rows with a pattern are shifted by a normal variable, as in a logistic model with random effects (Stiratelli,
Laird, Ware 1984), of which the spread is that of the other patterns. Where tails are longer still than those
of that model, the bulk of all patterns says by how much, as in genomic control (Devlin and Roeder 1999).
The tail of a sum of unequal chances is bounded by the binomial with their mean: Hoeffding 1956.
"""

from __future__ import annotations

from typing import NamedTuple

from ancile.core.extras import needs
from ancile.data.rows import Integers, Reals
from ancile.numeric import NDArray, np

SHIFTS = np.linspace(-8, 8, 49)  # of the normal variable, in its spreads
LEAST_SPREAD = 0.5  # of log odds, odds of 1.65: a small effect in the words of Chen, Cohen, Chen 2010
OWN = 4.0  # patterns: so much does the spread of all kins weigh beside that of one
SIZES = np.array([8, 32, 128])  # rows: patterns of like size are compared
USUAL = 0.98  # of patterns; the others may be what is looked for
ENOUGH = 60  # patterns of like size, to say what their bulk is
SUPPORTED = 2.5  # the most that is said of what may be a feature
EXACT = 200  # the strongest patterns, of which the tail is reckoned exactly
EXACT_ROWS = 400


class Held(NamedTuple):
    """Which rows have which pattern.

    rows   (pairs,)
    items  (pairs,) patterns from 0
    kin    (patterns,) patterns that are compared with each other: a column, a stream of symbols
    fair   (patterns,) which ones were not chosen by labels; they say what is usual
    """

    rows: Integers
    items: Integers
    kin: Integers
    fair: NDArray[np.bool_]


class Surprise(NamedTuple):
    """What is said of each pattern.

    evidence  -log10 of its chance in a clean set, all patterns counted
    label     that its rows bear beyond what they say
    over      (pairs,) 1 less the chance of that label where the row bears it, else 0 less that chance
    spread    (patterns,) how far patterns of its kin move log odds, as a standard deviation
    """

    evidence: Reals
    label: Integers
    over: Reals
    spread: Reals


def leading(held: Held, y: Integers, margin: Reals) -> Integers:
    """For each pattern the label that its rows bear most beyond what the rows say."""
    many, classes = len(held.kin), margin.shape[1]
    best = np.full(many, -np.inf)
    label = np.zeros(many, np.int64)
    for one in range(classes):
        chance = _chance(margin[held.rows, one])
        over = np.bincount(held.items, (y[held.rows] == one) - chance, many)
        spread = np.bincount(held.items, chance * (1 - chance), many)
        score = over / np.sqrt(spread + 0.5)
        label[score > best] = one
        best = np.maximum(best, score)
    return label


def surprise(
    held: Held,
    odds: Reals,
    agrees: NDArray[np.bool_],
    label: Integers,
    *,
    tries: Reals,
    least: Reals | None = None,
) -> Surprise:
    """What speaks for each pattern having been planted.

    odds    (pairs,) log odds that the row bears the label of the pattern, by what is not of the pattern
    agrees  (pairs,) whether it does
    label   (patterns,)
    tries   (patterns,) log10 of how many patterns count as tried where this one is judged
    least   (patterns,) the least spread, where more than its kin speaks for one
    """
    many = len(held.kin)
    size = np.bincount(held.items, minlength=many)
    hits = np.bincount(held.items, agrees, many).astype(np.int64)
    spread = _spreads(held, odds, agrees)
    if least is not None:
        spread = np.maximum(spread, least)
    tail = np.zeros(many)
    weights = np.exp(-np.square(SHIFTS) / 2)
    betainc = needs("scipy.special", "arrays").betainc
    for shift, weight in zip(SHIFTS, weights / weights.sum(), strict=True):
        mean = np.bincount(held.items, _chance(odds + shift * spread[held.items]), many) / np.maximum(size, 1)
        tail += weight * betainc(np.maximum(hits, 1), size - hits + 1, np.clip(mean, 1e-300, 1))
    found = -np.log10(np.clip(np.where(hits > 0, tail, 1), 1e-300, 1))
    _exactly(found, held, odds, hits, size=size, spread=spread)
    evidence = deflated(found, size, held.fair) - tries
    over: Reals = agrees - _chance(odds)
    return Surprise(evidence, label, over, spread)


def as_features(evidence: Reals, odds: Reals, bound: Reals, over: Reals) -> Reals:
    """Evidence of patterns where the rest of the rows that bear the label speaks for it: no more than 2.5.

    Who plants rows in a class takes them from others, unless labels are left as they are; an honest feature
    goes with others of its class, the more so the less its rows need it.
    odds   (patterns,) mean log odds of the label by what is not of the pattern, of the rows that bear it
    bound  (patterns,) of ``half_way`` for their labels
    over   (patterns,) share of their rows that bear the label beyond what the rest says
    """
    most = SUPPORTED * np.clip(2 * over, 0, 1)
    found: Reals = np.where(odds > bound, np.minimum(evidence, most), evidence)
    return found


def half_way(margin: Reals, y: Integers) -> Reals:
    """(classes,) log odds of a class half way between what its rows and other rows have."""
    found = np.zeros(margin.shape[1])
    for one, of_one in enumerate(margin.T):
        within = y == one
        if within.any() and not within.all():
            found[one] = (of_one[within].mean() + of_one[~within].mean()) / 2
    return found


def _chance(odds: Reals) -> Reals:
    chance: Reals = 1 / (1 + np.exp(-odds))
    return chance


def _spreads(held: Held, odds: Reals, agrees: NDArray[np.bool_]) -> Reals:
    """(patterns,) how far the other patterns of the kin move log odds, as a standard deviation."""
    many, kins = len(held.kin), int(held.kin.max(initial=-1)) + 1
    chance = _chance(odds)
    over = np.bincount(held.items, agrees - chance, many)
    bend = np.bincount(held.items, chance * (1 - chance), many)
    # one pattern is (over / bend)^2 - 1 / bend, with the weight bend^2 where it is sure of it
    excess = np.square(over) - bend
    weight = np.square(bend)
    excess, weight = excess * held.fair, weight * held.fair
    moved = excess / np.maximum(weight, 1e-9)
    usual = moved <= np.quantile(moved[weight > 1], USUAL) if (weight > 1).any() else np.ones(many, bool)
    excess, weight = excess * usual, weight * usual
    whole = max(float(excess.sum()) / max(float(weight.sum()), 1e-9), LEAST_SPREAD**2)
    own = OWN * float(np.median(weight[weight > 0])) if (weight > 0).any() else 1.0
    of_kin = np.bincount(held.kin, excess, kins)[held.kin] - excess
    weight_kin = np.bincount(held.kin, weight, kins)[held.kin] - weight
    mixed = (of_kin + own * whole) / np.maximum(weight_kin + own, 1e-9)
    spread: Reals = np.sqrt(np.maximum(mixed, LEAST_SPREAD**2))
    return spread


def _exactly(found: Reals, held: Held, odds: Reals, hits: Integers, *, size: Integers, spread: Reals) -> None:
    """Replaces, for the strongest patterns, the bound of the tail by the tail."""
    order = np.argsort(held.items, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(held.items, minlength=len(held.kin)))])
    weights = np.exp(-np.square(SHIFTS) / 2)
    weights /= weights.sum()
    small = np.flatnonzero((size <= EXACT_ROWS) & (hits > 0))
    for item in small[np.argsort(-found[small], kind="stable")[:EXACT]]:
        own = odds[order[starts[item] : starts[item + 1]]]
        chance = _chance(own[None, :] + (SHIFTS * spread[item])[:, None])
        tail = float(weights @ tails(chance, int(hits[item])))
        found[item] = -np.log10(max(tail, 1e-300))


def tails(chance: Reals, least: int) -> Reals:
    """(k,) for each row of chances (k, m) how likely at least so many of m independent events happen."""
    done = np.zeros((len(chance), least + 1))  # how many events so far; the last is: at least so many
    done[:, 0] = 1
    for column in chance.T[:, :, None]:
        moved = done[:, :-1] * column
        done[:, :-1] -= moved
        done[:, 1:] += moved
    found: Reals = done[:, -1]
    return found


def deflated(found: Reals, size: Integers, fair: NDArray[np.bool_]) -> Reals:
    """The same with tails as long as the bulk of patterns of like size shows them to be.

    Of patterns by chance a tenth is beyond 1 and half beyond 0.3: where the bulk lies wider, so does all.
    """
    calm = found.copy()
    strata = np.searchsorted(SIZES, size, side="right")
    for one in np.unique(strata):
        here = np.flatnonzero(strata == one)
        bulk = here[fair[here]]
        if len(bulk) < ENOUGH:
            continue
        middle, high = np.quantile(found[bulk], [0.5, 0.9])
        wide = max(1.0, float((high - middle) / np.log10(5)))
        beyond = np.maximum(found[here] - middle, 0)
        calm[here] = np.minimum(found[here], middle) + beyond / wide
    return calm
