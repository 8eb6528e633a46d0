"""A sample under attack: what is asked about it, what came of that, and how its queries are disguised."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.attackers.disguise import Disguise

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ask = Callable[["NDArray[np.float32]"], "NDArray[np.floating]"]  # a flat sample to the scores of its answer
PATIENCE = 20  # proposals that do not pass, for each query that he has: then an attacker gives up
SUCCESS = 0.5  # of the first boundary distance: what an attacker must come below


class Spent(Exception):  # noqa: N818 - it ends an attack as StopIteration ends a loop, and is no error
    """The queries are used up, or the attack has succeeded."""


class Space(NamedTuple):
    """The units in which an attacker moves: each value by its own spread, within what it may be.

    low, high, scale  of each value of a flat sample
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    scale: NDArray[np.float32]


class Target:
    """One sample, its label, and how near to it an example was found.

    ask      one query; the disguise decides whom and what else it asks before
    queries  that the attack itself has
    """

    def __init__(
        self,
        ask: Ask,
        sample: NDArray[np.floating],
        *,
        space: Space,
        queries: int,
        disguise: Disguise | None = None,
    ) -> None:
        self._ask, self._space, self._queries = ask, space, queries
        self.disguise = Disguise() if disguise is None else disguise
        self.origin = np.asarray(sample, np.float32) / space.scale
        self.label = int(np.argmax(ask(np.asarray(sample, np.float32))))
        self.asked = 0
        self.first = math.inf
        self.best = math.inf
        self.succeeded = 0
        self._given_up = 0

    def scores(self, point: NDArray[np.float32]) -> NDArray[np.floating]:
        """What the model says of a point in the attacker's units, which is moved into what values may be."""
        if self.asked >= self._queries:
            raise Spent
        sample = self.sample(point)
        for other in self.disguise.padding():
            self._ask(other)
        self.asked += 1
        self.disguise.sent(sample)
        scores = self._ask(sample)
        if int(np.argmax(scores)) != self.label:
            self._note(float(np.linalg.norm(sample / self._space.scale - self.origin)))
        return scores

    def fooled(self, point: NDArray[np.float32]) -> bool:
        """Whether the model takes it for something else."""
        return int(np.argmax(self.scores(point))) != self.label

    def passes(self, point: NDArray[np.float32]) -> bool:
        """Whether the disguise thinks that this would not be noticed."""
        if self.disguise.passes(self.sample(point)):
            return True
        self._given_up += 1
        if self._given_up > PATIENCE * self._queries:
            raise Spent
        return False

    def sample(self, point: NDArray[np.float32]) -> NDArray[np.float32]:
        """In the model's units, each value within what it may be."""
        moved = np.clip(point * self._space.scale, self._space.low, self._space.high)
        return np.asarray(moved, np.float32)

    def point(self, sample: NDArray[np.floating]) -> NDArray[np.float32]:
        """A sample in the attacker's units."""
        return np.asarray(sample, np.float32) / self._space.scale

    def distance(self, point: NDArray[np.float32]) -> float:
        """From the sample under attack."""
        return float(np.linalg.norm(point - self.origin))

    def reached_boundary(self) -> None:
        """The first search for the boundary has ended: success is measured from here."""
        if math.isinf(self.first):
            self.first = self.best

    def _note(self, distance: float) -> None:
        self.best = min(self.best, distance)
        if self.best <= SUCCESS * self.first and not math.isinf(self.first):
            self.succeeded = self.asked
            raise Spent
