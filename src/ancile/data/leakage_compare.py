"""What two sides of a split share: rows that are equal by their hashes, and rows that are nearly equal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.data.checking.hashing import Words, cell_hashes, mixed, numbers_of
from ancile.data.leakage_near import Near, near_cells, near_pictures
from ancile.data.leakage_reading import Chosen, Side, Sides, read_sides
from ancile.data.leakage_texts import near_texts
from ancile.data.rows import Cells, Integers, Pictures, Reals, Texts
from ancile.inputs.tables import is_text
from ancile.numeric import np

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 100_000, 10_000  # rows of either side that are compared in full: a minute for pictures
SAMPLE, MORE = 1_000, 5_000  # rows of the training set by which chance is told; of a table, where it is cheap
WORDS, LENGTH = 3, 16  # of a passage of text, on average: fewer are names and codes
DIFFERENT = 0.2  # of passages: names of categories repeat
CODE_WIDTH = 8  # numbers that stand for a category: two of them are as far apart as a mismatch should be
Told = Callable[[int, int, str], None]
"""(step, of how many, what is being done)."""

GAP = 10.0  # where an empty cell stands among numbers, most of which lie between -3 and 3


class Pair(NamedTuple):
    """A row of the test side and one of the training side, by their places in the files."""

    test: str
    train: str
    test_row: int
    kind: str


class Overlap(NamedTuple):
    """What both sides share.

    exact     rows of the test side that are on the training side too
    repeated  rows of the training side that are there twice, and how many there are
    other     of ``exact`` those with another label than any equal training row
    near      rows that are nearly on both sides; None where they were not looked for
    compared  rows of either side that were compared for being nearly equal
    groups    names of groups on both sides; None without a column of groups
    """

    sides: Sides
    exact: list[Pair]
    repeated: tuple[int, int]
    other: list[Pair]
    near: list[Pair] | None
    near_share: float
    compared: tuple[int, int]
    groups: list[str] | None


def overlap_of(train: Path, test: Path, chosen: Chosen, *, told: Told | None = None) -> Overlap:
    """What the two sides of a split share.

    told  is given a step, of how many, and what is being done
    """
    say = told or (lambda _step, _of, _words: None)
    say(1, 2, "reading")
    sides = read_sides(train, test, chosen, most=MOST)
    one, other = sides.train, sides.test
    order = np.argsort(one.keys, kind="stable")
    held = one.keys[order]
    low, high = (np.searchsorted(held, other.keys, side) for side in ("left", "right"))
    equal = np.flatnonzero(high > low)
    exact = [_pair(sides, int(at), int(order[low[at]]), "equal") for at in equal]
    _, counts = np.unique(held, return_counts=True)
    wrong = []
    if one.labels is not None and other.labels is not None:
        for at, pair in zip(equal, exact, strict=True):
            if other.labels[at] not in one.labels[order[low[at] : high[at]]]:
                wrong.append(pair._replace(kind="equal, another label"))
    say(2, 2, "comparing")
    near = _near(sides)
    known = set(equal.tolist())
    pairs = None if near is None else [(int(other.drawn[a]), int(one.drawn[b])) for a, b in near.pairs]
    return Overlap(
        sides=sides,
        exact=exact,
        repeated=(int(counts[counts > 1].sum()), len(held)),
        other=wrong,
        near=None
        if pairs is None
        else [_pair(sides, a, b, "nearly equal") for a, b in pairs if a not in known],
        near_share=near.self_share if near else 0.0,
        compared=(len(one.drawn), len(other.drawn)),
        groups=sorted(one.groups[key] for key in one.groups.keys() & other.groups.keys())
        if chosen.group
        else None,
    )


def _pair(sides: Sides, test: int, train: int, kind: str) -> Pair:
    return Pair(_name(sides.test, test), _name(sides.train, train), int(sides.test.rows[test]), kind)


def _name(side: Side, at: int) -> str:
    return side.names[int(side.rows[at])] if side.names else f"row {side.rows[at]}"


def _near(sides: Sides) -> Near | None:
    """Pairs of the rows that are held in full."""
    one, other = sides.train, sides.test
    sample, more = (
        np.unique(np.linspace(0, len(one.drawn) - 1, size).astype(np.int64)) for size in (SAMPLE, MORE)
    )
    if one.table is not None and other.table is not None:
        texts = [name for name in one.table.column_names if _is_passage(one.table.column(name))]
        if texts:
            return _of_texts(_joined(one.table, texts), _joined(other.table, texts), sample)
        return near_cells(*_embedded(one.table, other.table), more)
    first, second = one.other, other.other
    if isinstance(first, Pictures) and isinstance(second, Pictures):
        some = Pictures(pixels=first.pixels[one.drawn]), Pictures(pixels=second.pixels[other.drawn])
        if first.pixels.shape[1:3] != second.pixels.shape[1:3]:
            raise AncileError(
                "pictures of the two sides are of different sizes",
                value=f"{first.pixels.shape[1:3]} and {second.pixels.shape[1:3]}",
                remedy="scale them alike",
            )
        return near_pictures(*some, sample)
    if isinstance(first, Texts) and isinstance(second, Texts):
        return _of_texts(
            [first.texts[at] for at in one.drawn], [second.texts[at] for at in other.drawn], sample
        )
    if isinstance(first, Cells) and isinstance(second, Cells) and first.number_names == second.number_names:
        return near_cells(*_scaled(first.numbers[one.drawn], second.numbers[other.drawn]), more)
    raise AncileError(
        "the two sides are of different kinds",
        value=f"{one.subject.name}, {other.subject.name}",
        remedy="give two tables of the same columns, two arrays of one shape, or two folders of pictures",
    )


def _of_texts(train: list[str], test: list[str], sample: Integers) -> Near:
    rest = np.setdiff1d(np.arange(len(train)), sample)
    own = near_texts([train[at] for at in rest], [train[at] for at in sample])
    return Near(near_texts(train, test), len(own) / max(1, len(sample)))


def _is_passage(column: pa.ChunkedArray) -> bool:
    if not is_text(column.type):
        return False
    some = [text for text in column.slice(0, SAMPLE).to_pylist() if text]
    size = max(1, len(some))
    is_long = sum(map(len, some)) >= LENGTH * size and sum(len(text.split()) for text in some) >= WORDS * size
    return is_long and len(set(some)) >= DIFFERENT * size


def _joined(table: pa.Table, names: list[str]) -> list[str]:
    columns = [table.column(name).to_pylist() for name in names]
    return ["\n".join(text or "" for text in row) for row in zip(*columns, strict=True)]


def _embedded(train: pa.Table, test: pa.Table) -> tuple[Reals, Reals]:
    """Rows as points: numbers scaled, categories as far apart as numbers of two rows are."""
    parts: list[tuple[Reals, Reals]] = []
    numbers: list[tuple[Reals, Reals]] = []
    for name in train.column_names:
        one, other = (table.column(name).combine_chunks() for table in (train, test))
        if is_text(one.type):
            parts.append((_code(cell_hashes(one)), _code(cell_hashes(other))))
        else:
            numbers.append((numbers_of(one), numbers_of(other)))
    if numbers:
        parts.append(_scaled(*(np.stack(side, axis=1) for side in zip(*numbers, strict=True))))
    return np.concatenate([one for one, _ in parts], axis=1), np.concatenate(
        [two for _, two in parts], axis=1
    )


def _code(hashes: Words) -> Reals:
    """(n, CODE_WIDTH) of length 0.7 each, so that two different ones are about 1 apart."""
    signs = np.stack(
        [mixed(hashes + np.uint64(number)) >> np.uint64(11) for number in range(CODE_WIDTH)], axis=1
    )
    spread = signs.astype(np.float64) / 2**53 - 0.5
    found: Reals = spread / (np.linalg.norm(spread, axis=1, keepdims=True) * np.sqrt(2))
    return found


def _scaled(train: Reals, test: Reals) -> tuple[Reals, Reals]:
    """Numbers less their median, in units of the training side's spread, far ones drawn in; gaps far off."""
    finite = np.where(np.isfinite(train), train, np.nan)
    empty = np.isnan(finite).all(axis=0)
    finite[:, empty] = 0
    low, middle, high = np.nanquantile(finite, [0.25, 0.5, 0.75], axis=0)
    spread = np.nanstd(finite, axis=0)
    scale = np.where(high > low, (high - low) / 1.35, np.where(spread > 0, spread, 1))

    def placed(side: Reals) -> Reals:
        known = np.isfinite(side)
        found: Reals = np.where(known, np.arcsinh((np.where(known, side, 0) - middle) / scale), GAP)
        return found

    return placed(train), placed(test)
