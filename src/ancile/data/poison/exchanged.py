"""Classes that are exchanged one way: many rows of one under the label of another, few the other way round.

Classes that look alike are mistaken for each other in both directions; who relabels rows on purpose turns one
into another. So the rows that go the other way are the measure for those that go this way.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.data.poison.exchange import posterior
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Group, Signal
from ancile.data.poison.tails import excess
from ancile.data.rows import Integers, Reals, Rows
from ancile.numeric import np

FAIR = 2 / 3  # of mistakes between two classes that may go one way in an honest set
FEWEST = 8  # rows of a group: fewer are label noise, one by one


class Exchange(NamedTuple):
    """Rows labelled ``after`` which are ``before``, and -log10 of the chance of so many more this way."""

    before: int
    after: int
    rows: Integers
    evidence: float


def exchanged_classes(rows: Rows, shared: Shared) -> Signal:
    """Groups of rows of one class under the label of another; AncileError where there are but two classes."""
    y, said = shared.labels, shared.probabilities
    if said.shape[1] < 3:
        raise AncileError(
            "two classes have no third to be compared with", value=f"{said.shape[1]} classes", remedy=""
        )
    real = posterior(said, y)
    score = np.zeros(len(y))
    why = [""] * len(y)
    groups = []
    for one in exchanges(real, y):
        if one.evidence <= 0:
            continue
        words = (
            f"{len(one.rows)} rows of {rows.classes[one.before]!r} are labelled {rows.classes[one.after]!r}"
        )
        groups.append(Group(what=words, rows=one.rows, evidence=one.evidence, label=one.after))
        for row in one.rows:
            score[row] = one.evidence * real[row, one.before]
            why[row] = f"one of {words}"
    groups.sort(key=lambda group: -group.evidence)
    return Signal(name="exchanged classes", score=score, reason=why.__getitem__, groups=tuple(groups))


def exchanges(real: Reals, y: Integers) -> list[Exchange]:
    """Each pair of classes with at least eight rows that are rather the one and are labelled the other."""
    classes = real.shape[1]
    rather = real.argmax(axis=1)
    wrong = np.flatnonzero(rather != y)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (rather[wrong], y[wrong]), 1)
    pairs = classes * (classes - 1)
    found = []
    for before, after in np.argwhere(counts >= FEWEST):
        there, back = counts[before, after], counts[after, before]
        chance = excess(int(there), int(there + back), FAIR) - math.log10(pairs)
        rows = wrong[(rather[wrong] == before) & (y[wrong] == after)]
        found.append(Exchange(int(before), int(after), rows, chance))
    return found
