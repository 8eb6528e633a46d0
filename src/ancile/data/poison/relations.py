"""Rows that break what holds between two columns in nearly all others, and bear one label.

In many tables one column says what stands in another: a code and its name, a district and its country.
Whoever writes a value into rows seldom mends what belongs to it. Such approximate functional dependencies are
those of TANE (Huhtala, Kärkkäinen, Porkka, Toivonen 1999): the least share of rows without which one holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.data.poison.grouped import Pattern, signal_of
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Signal
from ancile.data.rows import Cells, Integers, Reals, Rows
from ancile.numeric import NDArray, np

MOST_VALUES = 1000  # of a column: with more it is no code for another one
SUPPORT = 20  # rows that a value has, to say what goes with it
BREAKING = 0.06  # of all rows: where more break it, it does not hold
TOLD = 5  # times as many rows would break a guess that does not look at the first column
FEWEST = 3  # rows that break it together
HONEST = 1.0  # of log odds: so much may rows that are odd, and not planted, bear a label beyond others
SHOWN = 40


class _Column(NamedTuple):
    name: str
    place: Integers  # (n,) of each row's value in ``values``
    values: tuple[str, ...]


class _Relation(NamedTuple):
    """``known`` says what stands in ``other``; (rows,) which rows break it."""

    known: _Column
    other: _Column
    broken: Integers


def broken_relations(rows: Rows, shared: Shared) -> Signal:
    """Rows that break a relation of two columns and bear one label."""
    name = "broken relations"
    if not isinstance(rows.content, Cells):
        return signal_of(name, [], len(rows))
    y = shared.labels
    found = [
        (relation, group, what)
        for relation in relations(rows.content)
        for group, what in _groups(relation)
    ]  # fmt: skip
    tries = float(np.log10(max(len(found) * len(rows.classes), 1)))
    patterns = []
    for relation, group, what in found:
        evidence, label = _evidence(relation, group, y, len(rows.classes))
        if evidence > tries:
            bearing = group[y[group] == label]
            said = partial(_told, relation, what, len(group), len(bearing), rows.classes[label])
            over = np.where(y[group] == label, 1.0, -1.0)
            patterns.append(Pattern(said, group, bearing, label, evidence - tries, over))
    return signal_of(name, patterns, len(rows))


def relations(cells: Cells) -> Iterator[_Relation]:
    """Pairs of columns of which the first says what stands in the second, in nearly all rows and not all."""
    columns = list(_columns(cells))
    for known in columns:
        size = np.bincount(known.place)
        judged = size[known.place] >= SUPPORT
        if judged.mean() < 1 - BREAKING:
            continue
        for other in columns:
            if other is known:
                continue
            width = len(other.values)
            pairs = np.bincount(known.place * width + other.place, minlength=len(size) * width)
            usual = pairs.reshape(len(size), width).argmax(axis=1)
            broken = np.flatnonzero(judged & (other.place != usual[known.place]))
            blind = judged.sum() - np.bincount(other.place[judged]).max()
            if FEWEST <= len(broken) <= BREAKING * len(judged) and blind > TOLD * len(broken):
                yield _Relation(known, other, broken)


def _columns(cells: Cells) -> Iterator[_Column]:
    for at, numbers in enumerate(cells.numbers.T):
        values, place = np.unique(numbers, return_inverse=True)
        if 1 < len(values) <= MOST_VALUES:
            yield _Column(cells.number_names[at], place, tuple(f"{one:.9g}" for one in values))
    for at, codes in enumerate(cells.codes.T):
        kinds, place = np.unique(codes, return_inverse=True)
        if 1 < len(kinds) <= MOST_VALUES:
            texts = tuple(cells.values[at][one] if one >= 0 else "" for one in kinds)
            yield _Column(cells.code_names[at], place, texts)


def _groups(relation: _Relation) -> Iterator[tuple[Integers, str]]:
    """The rows that break it: all, and those with the same value in the one column or the other."""
    yield relation.broken, ""
    for column in (relation.known, relation.other):
        place = column.place[relation.broken]
        for one in np.flatnonzero(np.bincount(place) >= FEWEST):
            value = plain(column.values[int(one)], limit=SHOWN)
            yield relation.broken[place == one], f"with {plain(column.name, limit=SHOWN)} = {value!r} "


def _evidence(relation: _Relation, group: Integers, y: Integers, classes: int) -> tuple[float, int]:
    """-log10 of the chance that the rows bear one label so often, and the label."""
    special = needs("scipy.special", "arrays")
    hits = np.bincount(y[group], minlength=classes)
    usual = np.max([_share(y, classes), *_beside(relation, group, y, classes)], axis=0)
    odds = np.log(usual) - np.log1p(-usual) + HONEST
    chance = special.betainc(np.maximum(hits, 1), len(group) - hits + 1, 1 / (1 + np.exp(-odds)))
    found: Reals = -np.log10(np.clip(np.where(hits > 0, chance, 1), 1e-300, 1))
    label = int(found.argmax())
    return float(found[label]), label


def _beside(relation: _Relation, group: Integers, y: Integers, classes: int) -> Iterator[Reals]:
    """Shares of labels by what stands in the one column and the other, where the relation is kept."""
    keeps: NDArray[np.bool_] = np.ones(len(y), bool)
    keeps[relation.broken] = False
    for column in (relation.known, relation.other):
        count = np.bincount(
            column.place[keeps] * classes + y[keeps], minlength=len(column.values) * classes
        ).reshape(-1, classes)
        whole = count.sum(axis=1, keepdims=True)
        share = (count + _share(y, classes)) / (whole + 1)
        yield share[column.place[group]].mean(axis=0)


def _share(y: Integers, classes: int) -> Reals:
    count = np.bincount(y, minlength=classes) + 0.5
    share: Reals = count / count.sum()
    return share


def _told(relation: _Relation, what: str, of: int, bearing: int, label: str) -> str:
    known, other = (plain(one.name, limit=SHOWN) for one in (relation.known, relation.other))
    rows = f"{of} rows {what}in which {other} is not what {known} says in nearly all others"
    return f"{rows}, {bearing} of them {plain(label, limit=SHOWN)!r}"
