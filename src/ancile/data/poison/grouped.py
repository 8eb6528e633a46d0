"""Patterns that were found as the signal of a detector: a score for each row, and groups of rows in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ancile.data.poison.signal import Group, Signal
from ancile.data.rows import Integers, Reals
from ancile.numeric import np

MOST_GROUPS = 20
SAME = 0.5  # of the rows of a pattern are in one group: it is the same, or says nothing new


class Pattern(NamedTuple):
    """Rows with something in common.

    what      in words, without the rows
    rows      all that have it
    bearing   those of them that bear its label
    label     -1 where it is not about labels
    evidence  as of a ``Group``
    over      (n,) for each of the rows how much it bears the label beyond what is to be expected, -1 to 1
    """

    what: Callable[[], str]
    rows: Integers
    bearing: Integers
    label: int
    evidence: float
    over: Reals


def signal_of(name: str, patterns: list[Pattern], many: int) -> Signal:
    """Each of ``many`` rows with the score of the first pattern that it bears the label of."""
    score = np.zeros(many)
    whose = np.full(many, -1)
    group_of = np.full(many, -1)
    held: list[tuple[Pattern, list[Integers]]] = []
    for at in sorted(range(len(patterns)), key=lambda at: -_pointed(patterns[at])):
        one = patterns[at]
        fresh = group_of[one.rows] < 0
        if one.evidence <= 0 or not fresh.any() or one.over[fresh].mean() < SAME * one.over.mean():
            continue  # what is new in it is as it should be
        known = np.bincount(group_of[one.bearing] + 1, minlength=2)[1:]
        share = float(known.max()) / max(len(one.bearing), 1)
        new = one.bearing[group_of[one.bearing] < 0]
        if share > SAME:  # what is beside a pattern that is known is as sure as it is little
            group = int(known.argmax())
            held[group][1].append(one.rows)
        else:
            group, share = len(held), 1.0
            held.append((one, [one.rows]))
        group_of[new], score[new], whose[new] = group, one.evidence * share, at
    groups = [_group(one, rows) for one, rows in sorted(held, key=lambda pair: -pair[0].evidence)]

    def reason(row: int) -> str:
        return patterns[whose[row]].what() if whose[row] >= 0 else ""

    return Signal(name=name, score=score, reason=reason, groups=tuple(groups[:MOST_GROUPS]))


def _pointed(one: Pattern) -> float:
    """Of patterns with about the same evidence the one that has fewest rows beside comes first."""
    return one.evidence * float(one.over.mean())


def _group(one: Pattern, rows: list[Integers]) -> Group:
    whole = np.unique(np.concatenate(rows))
    return Group(what=one.what(), rows=whole, evidence=one.evidence, label=one.label)
