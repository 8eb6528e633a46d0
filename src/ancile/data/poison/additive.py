"""A model whose every part can be taken out of what it says of a row: one weight for each part and class.

Ridge regression of each class against the others, by conjugate gradients (Hestenes and Stiefel 1952), on rows
in five folds; what it says of a row that it did not see is made log odds after Platt (1999).
"""

from __future__ import annotations

from typing import NamedTuple

from ancile.core.extras import needs
from ancile.data.rows import Integers, Reals
from ancile.numeric import NDArray, np

FOLDS = 5
STRENGTHS = (0.1, 1.0, 10.0)  # of the ridge; parts of a row have together a length of about 1
STEPS = 30  # of conjugate gradients: stopping early is a ridge as well
NEWTON_STEPS = 25
SURE = 12.0  # log odds beyond which nothing is believed


class Parts(NamedTuple):
    """Rows as weighted parts, in the compressed form of scipy.sparse.

    starts  (n + 1,) where the parts of each row begin
    kinds   (pairs,) which part
    values  (pairs,) how much of it
    width   how many different parts there are
    """

    starts: Integers
    kinds: Integers
    values: Reals
    width: int


class Additive(NamedTuple):
    """What models that did not see a row say of it.

    margin  (n, classes) log odds of each class
    weight  (folds, parts, classes) what one of a part adds to the log odds
    base    (folds, classes) log odds of a row without parts
    fold    (n,) the fold of each row: the model of that fold did not see it
    """

    margin: Reals
    weight: Reals
    base: Reals
    fold: Integers


def additive(parts: Parts, y: Integers, classes: int, rng: np.random.Generator) -> Additive:
    """The model of each fold, with the strength of ridge that has the least log loss on rows left out."""
    sparse = needs("scipy.sparse", "arrays")
    held = sparse.csr_matrix((parts.values, parts.kinds, parts.starts), shape=(len(y), parts.width))
    fold = rng.permutation(len(y)) % FOLDS
    aims = (y[:, None] == np.arange(classes)).astype(np.float64)[:, 1 if classes == 2 else 0 :]
    found, least = _left_out(held, aims, fold, STRENGTHS[0])
    for strength in STRENGTHS[1:]:
        other, loss = _left_out(held, aims, fold, strength)
        if loss < least:
            found, least = other, loss
    if classes != 2:
        return found
    return Additive(_both(found.margin), _both(found.weight), _both(found.base), fold)


def _both(of_second: Reals) -> Reals:
    """Log odds of both of two classes."""
    return np.concatenate([-of_second, of_second], axis=-1)


def _left_out(
    held: NDArray[np.float64], aims: Reals, fold: Integers, strength: float
) -> tuple[Additive, float]:
    width = held.shape[1]
    margin = np.zeros_like(aims)
    weight = np.zeros((FOLDS, width, aims.shape[1]))
    base = np.zeros((FOLDS, aims.shape[1]))
    for one in range(FOLDS):
        seen = np.flatnonzero(fold != one)
        if not len(seen):
            continue
        base[one] = middle = aims[seen].mean(axis=0)
        weight[one] = _ridge(held[seen], aims[seen] - middle, strength)
        margin[fold == one] = held[np.flatnonzero(fold == one)] @ weight[one] + middle
    loss = 0.0
    for column in range(aims.shape[1]):
        slope, shift, cost = _platt(margin[:, column], aims[:, column])
        margin[:, column] = np.clip(slope * margin[:, column] + shift, -SURE, SURE)
        weight[:, :, column] *= slope
        base[:, column] = slope * base[:, column] + shift
        loss += cost
    return Additive(margin, weight, base, fold), loss


def _ridge(held: NDArray[np.float64], aims: Reals, strength: float) -> Reals:
    """(parts, classes) weights; all classes at once, each with its own steps."""
    turned = needs("scipy.sparse", "arrays").csr_matrix(held.T)
    weight = np.zeros((held.shape[1], aims.shape[1]))
    rest: Reals = turned @ aims
    way = rest.copy()
    size = np.square(rest).sum(axis=0)
    for _ in range(STEPS):
        pushed = turned @ (held @ way) + strength * way
        step = size / np.maximum((way * pushed).sum(axis=0), 1e-300)
        weight += step * way
        rest = rest - step * pushed
        after = np.square(rest).sum(axis=0)
        way = rest + after / np.maximum(size, 1e-300) * way
        size = after
    return weight


def _platt(score: Reals, hit: Reals) -> tuple[float, float, float]:
    """Slope and shift that make log odds of scores, and the mean log loss with them."""
    middle, spread = float(score.mean()), max(float(score.std()), 1e-9)
    columns = np.stack([(score - middle) / spread, np.ones_like(score)], axis=1)
    best = np.zeros(2)
    hits = hit.sum()  # aims a little short of 0 and 1: Platt 1999, section 2.2
    hit = np.where(hit > 0, (hits + 1) / (hits + 2), 1 / (len(hit) - hits + 2))
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(columns @ best, -SURE, SURE)))
        slope = columns.T @ (hit - chance) - 1e-2 * best
        bend = (columns * (chance * (1 - chance))[:, None]).T @ columns + 1e-2 * np.eye(2)
        best = best + np.clip(np.linalg.solve(bend, slope), -2, 2)
    chance = 1 / (1 + np.exp(-np.clip(columns @ best, -SURE, SURE)))
    loss = -(hit * np.log(chance) + (1 - hit) * np.log(1 - chance)).mean()
    return float(best[0] / spread), float(best[1] - best[0] * middle / spread), float(loss)
