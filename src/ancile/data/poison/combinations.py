"""Values of a table that were put together to bear one label.

What a trigger cannot hide: it is the same in rows that otherwise differ, and they bear one label although the
rest says otherwise. The rest is what a model without interactions says that gives no rare value a weight of
its own, so that it cannot learn the trigger. Values and bands of near values are looked at alone, in pairs,
and the best of those with more values, as in subgroup discovery (Klösgen 1996).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.data.poison.additive import Additive, Parts, additive
from ancile.data.poison.cell_values import Shared as Values
from ancile.data.poison.cell_values import parts, said, shared_values
from ancile.data.poison.grouped import Pattern, signal_of
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Signal
from ancile.data.poison.spikes import oddness
from ancile.data.poison.surprise import Held, as_features, half_way, leading, surprise
from ancile.data.rows import Cells, Integers, Reals, Rows
from ancile.numeric import NDArray, np

LEAST = 3  # rows with a pattern
STRONGEST, FAIR = (
    1500,
    3000,
)  # pairs that are judged: by their labels, and a draw of all that says what is usual
MOST_PAIRS = 30_000_000  # of values within rows; of wider tables the values that most rows have are left out
PURE = 0.9  # of the rows with a value that is too frequent bear one label: a trigger, with some natural rows
EXTENDED = 12  # patterns to which further values are added
DEEPEST = 4  # values in a pattern


class _Patterns(NamedTuple):
    """Patterns of some number of values.

    members  (patterns, values)
    held     their rows
    tries    (patterns,) log10 of how many count as tried: what is too frequent, labels aside, counts for less
    least    (patterns,) spread of what its values do alone: together they are no less telling
    """

    members: Integers
    held: Held
    tries: Reals
    least: Reals


class _Table(NamedTuple):
    cells: Cells
    values: Values
    model: Additive
    parts: Parts
    whose: Integers
    y: Integers


def planted_combinations(rows: Rows, shared: Shared) -> Signal:
    """Values, and up to four of them together, whose rows bear one label against what the rest says."""
    name = "planted combinations"
    y = shared.labels
    if not isinstance(rows.content, Cells):
        return signal_of(name, [], len(rows))
    values = shared_values(rows.content, LEAST)
    if not len(values.column):
        return signal_of(name, [], len(rows))
    held, whose = parts(rows.content)
    model = additive(held, y, len(rows.classes), shared.rng(name))
    table = _Table(rows.content, values, model, held, whose, y)
    alone = np.arange(len(values.column))
    kin = 2 * values.column + values.band
    fair = np.ones(len(alone), bool)
    tries = np.full(len(alone), np.log10(2 * len(alone)))
    single = _Patterns(
        alone[:, None], Held(values.rows, values.items, kin, fair), tries, np.zeros(len(alone))
    )
    found, _, spread = _judged(single, table, rows, odd=oddness(rows.content, values))
    has = _columns(values, len(rows))
    patterns = _pairs(table, has, shared.rng(f"{name}, pairs"), spread)
    while patterns is not None:
        more, best, _ = _judged(patterns, table, rows)
        found += more
        deeper = patterns.members.shape[1] < DEEPEST
        patterns = _deeper(patterns, best, values, has, spread) if deeper else None
    return signal_of(name, found, len(rows))


def _columns(values: Values, many: int) -> NDArray[np.float64]:
    """(rows, values) as a matrix of scipy.sparse that is held by columns."""
    sparse = needs("scipy.sparse", "arrays")
    held: NDArray[np.float64] = sparse.csc_matrix(
        (np.ones(len(values.rows)), (values.rows, values.items)), shape=(many, len(values.column))
    )
    return held


def _judged(
    patterns: _Patterns, table: _Table, rows: Rows, *, odd: Reals | None = None
) -> tuple[list[Pattern], Integers, Reals]:
    """Patterns with evidence; the places of the strongest, with evidence or not; the spread of each."""
    held, classes = patterns.held, table.model.margin.shape[1]
    label = leading(held, table.y, table.model.margin)
    own = label[held.items]
    tries = patterns.tries + np.log10(classes)
    agrees = table.y[held.rows] == own
    judged = surprise(
        held, table.model.margin[held.rows, own], agrees, label, tries=tries, least=patterns.least
    )
    bound = half_way(table.model.margin, table.y)
    share = np.bincount(held.items, agrees, len(label)) / np.bincount(held.items, minlength=len(label))
    odd = np.zeros(len(label)) if odd is None else odd * (share >= PURE)
    of_odd = odd + np.maximum(judged.evidence + tries - np.log10(max(2 * (odd > 0).sum(), 1) * classes), 0)
    evidence_of = np.where(odd > 0, np.maximum(judged.evidence, of_odd), judged.evidence)
    found = []
    for item in np.flatnonzero(evidence_of > 0):
        pairs = np.flatnonzero(held.items == item)
        who, one = held.rows[pairs], int(label[item])
        bearing = who[agrees[pairs]]
        rest = _rest(table, bearing, one, table.values.column[patterns.members[item]]).mean()
        over = np.ones(len(who)) if odd[item] > 0 else judged.over[pairs]
        evidence = float(as_features(evidence_of[item], rest, bound[one], over.mean()))
        what = partial(_told, table, patterns.members[item], len(who), len(bearing), rows.classes[one])
        pattern = Pattern(what, who, bearing, one, evidence, over)
        found.append(pattern)
    return found, np.argsort(-judged.evidence, kind="stable")[:EXTENDED], judged.spread


def _rest(table: _Table, rows: Integers, label: int, columns: Integers) -> Reals:
    """(rows,) log odds of a label by the other columns: these are taken as they are on average."""
    out = np.isin(table.whose, columns)
    starts, model = table.parts.starts, table.model
    mean = np.bincount(table.parts.kinds, table.parts.values, table.parts.width) / len(table.y)
    found = np.zeros(len(rows))
    for at, row in enumerate(rows):
        own = slice(starts[row], starts[row + 1])
        kinds, values = table.parts.kinds[own], table.parts.values[own]
        weight = model.weight[model.fold[row], :, label]
        added = (values * weight[kinds] * out[kinds]).sum() - (mean * weight * out).sum()
        found[at] = model.margin[row, label] - added
    return found


def _pairs(
    table: _Table, has: NDArray[np.float64], rng: np.random.Generator, spread: Reals
) -> _Patterns | None:
    """Pairs of values of two columns of which neither brings the other; ``spread`` is of the values alone."""
    sparse = needs("scipy.sparse", "arrays")
    values = table.values
    size = np.bincount(values.items, minlength=len(values.column))
    few = has @ sparse.diags(_few_enough(values, size, len(table.y)).astype(np.float64))
    few.eliminate_zeros()
    together = sparse.triu(few.T @ few, 1).tocoo()
    first, second = together.row.astype(np.int64), together.col.astype(np.int64)
    fits = (values.column[first] != values.column[second]) & (together.data >= LEAST)
    fits &= (together.data < size[first]) & (together.data < size[second])
    first, second, count = first[fits], second[fits], together.data[fits]
    if not len(first):
        return None
    strong = np.zeros(len(first))
    for one in range(table.model.margin.shape[1]):
        chance = 1 / (1 + np.exp(-table.model.margin[:, one]))
        hits = (few.T @ sparse.diags((table.y == one) - chance) @ few).tocsr()
        bend = (few.T @ sparse.diags(chance * (1 - chance)) @ few).tocsr()
        over, spread = np.asarray(hits[first, second]).ravel(), np.asarray(bend[first, second]).ravel()
        strong = np.maximum(strong, over / np.sqrt(spread + 0.25 * np.square(spread) + 0.5))
    chosen = np.argsort(-strong, kind="stable")[:STRONGEST]
    drawn = rng.choice(len(first), min(FAIR, len(first)), replace=False)
    both = np.unique(np.concatenate([chosen, drawn]))
    members = np.stack([first[both], second[both]], axis=1)
    usual = size[first] * size[second] / len(table.y)
    tries = np.log10(4) + _spent(count, usual)[both]
    return _Patterns(members, _held(has, members, np.isin(both, drawn)), tries, spread[members].max(axis=1))


def _spent(count: Reals, usual: Reals) -> Reals:
    """log10 of how many patterns count as tried at each: all of them, or the place in the order of frequency.

    count  (patterns,) how many rows have it
    usual  (patterns,) how many would by chance
    """
    many = len(count)
    over = count * np.log(np.maximum(count / np.maximum(usual, 1e-9), 1)) - np.maximum(count - usual, 0)
    place = np.empty(many)
    place[np.argsort(-over, kind="stable")] = np.arange(1, many + 1)
    found: Reals = np.log10(2 * np.minimum(many, place * (1 + np.log(max(many, 1)))))
    return found


def _few_enough(values: Values, size: Integers, many: int) -> NDArray[np.bool_]:
    """Which values are paired: the rarest, so many that rows hold at most so many pairs."""
    order = np.argsort(size, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        within = np.bincount(values.rows[place[values.items] < middle], minlength=many).astype(np.float64)
        low, high = (middle, high) if np.square(within).sum() <= MOST_PAIRS else (low, middle - 1)
    return place < low


def _held(has: NDArray[np.float64], members: Integers, fair: NDArray[np.bool_]) -> Held:
    """Rows that have all values of each pattern."""
    rows: list[Integers] = []
    starts, indices = has.indptr, has.indices  # type: ignore[attr-defined]  # a matrix of scipy.sparse
    for pattern in members:
        own = [indices[starts[item] : starts[item + 1]] for item in pattern]
        common = own[0]
        for other in own[1:]:
            common = np.intersect1d(common, other, assume_unique=True)
        rows.append(common.astype(np.int64))
    items = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
    return Held(np.concatenate(rows), items, np.zeros(len(rows), np.int64), fair)


def _deeper(
    patterns: _Patterns, best: Integers, values: Values, has: NDArray[np.float64], spread: Reals
) -> _Patterns | None:
    """The best patterns with each further value of a column that some of their rows have, and some not."""
    size = np.bincount(values.items, minlength=len(values.column))
    spent: dict[tuple[int, ...], float] = {}
    for at in best:
        pattern = patterns.members[at]
        rows = patterns.held.rows[patterns.held.items == at]
        count = np.bincount(values.items[np.isin(values.rows, rows)], minlength=len(size))
        fits = (count >= LEAST) & (count < len(rows)) & ~np.isin(values.column, values.column[pattern])
        more, of_more = np.flatnonzero(fits), count[fits].astype(np.float64)
        tries = patterns.tries[at] + np.log10(2)
        for item, cost in zip(more, _spent(of_more, size[more] * len(rows) / has.shape[0]), strict=True):
            longer = tuple(sorted((*pattern.tolist(), int(item))))
            spent[longer] = min(spent.get(longer, np.inf), tries + cost)
    if not spent:
        return None
    members = np.array(list(spent))
    held = _held(has, members, np.zeros(len(members), bool))
    return _Patterns(members, held, np.array(list(spent.values())), spread[members].max(axis=1))


def _told(table: _Table, members: Integers, of: int, bearing: int, label: str) -> str:
    what = " and ".join(said(table.cells, table.values, int(one)) for one in members)
    texts = f"{what} in {of} rows that otherwise differ, {bearing} of them"
    return f"{texts} {plain(label, limit=40)!r} against what the rest of them says"
