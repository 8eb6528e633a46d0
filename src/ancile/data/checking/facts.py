"""All that was found out about a data set, for the checks that judge it."""

from __future__ import annotations

from typing import NamedTuple

from ancile.data.checking.drifting import Drifted
from ancile.data.checking.expectations import Broken
from ancile.data.checking.opened import Opened
from ancile.data.poison.combine import FINDING, Found
from ancile.data.poison.signal import Group
from ancile.data.rows import Integers, Reals, Rows
from ancile.numeric import np


class Searched(NamedTuple):
    """Rows of one content, and what the search says of them."""

    rows: Rows
    found: Found


class Standing(NamedTuple):
    """A group of a search, with the rows that it speaks of."""

    group: Group
    rows: Rows


class Against(NamedTuple):
    """What the data was compared with, and how its columns differ from it."""

    name: str
    drift: tuple[Drifted, ...]


class Facts(NamedTuple):
    """A data set, and what was found in it.

    searched  one for each kind of content
    against   another version, and how the data differs from it
    broken    expectations that the data does not keep to; None where none were given
    """

    opened: Opened
    searched: tuple[Searched, ...]
    against: Against | None = None
    broken: tuple[Broken, ...] | None = None

    @property
    def groups(self) -> list[Standing]:
        """Of all searches the groups that are findings, strongest first."""
        some = [Standing(one, each.rows) for each in self.searched for one in each.found.groups]
        return sorted(
            (one for one in some if one.group.evidence >= FINDING), key=lambda one: -one.group.evidence
        )


class Ranked(NamedTuple):
    """A row of the set in the one ranking: its place, its score, which search says so and where in it."""

    place: int
    score: float
    searched: Searched
    at: int


def ranking(facts: Facts, most: int) -> list[Ranked]:
    """The worst rows of all searches, worst first; a row that two of them name has the worse score.

    Each of several searches pays for being one of them, as the detectors of one search do.
    """
    paid = float(np.log10(max(1, len(facts.searched))))
    best: dict[int, Ranked] = {}
    order: list[int] = []
    for at in range(max((len(one.rows) for one in facts.searched), default=0)):
        for one in facts.searched:
            if at >= len(one.rows):
                continue
            row = int(one.found.order[at])
            place, score = int(one.rows.places[row]), max(0.0, float(one.found.score[row]) - paid)
            if place not in best:
                order.append(place)
            if place not in best or score > best[place].score:
                best[place] = Ranked(place, score, one, row)
    ranked = sorted((best[place] for place in order), key=lambda one: -one.score)
    return ranked[:most]


def suspect(one: Searched) -> Integers:
    """Places of the rows that are findings by themselves."""
    score: Reals = one.found.score
    return np.flatnonzero(score >= FINDING)
