"""All attackers against one gateway, one after the other; what each came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.attackers.client import UNKNOWN, Client, Stopped
from ancile.serve.attackers.disguise import Disguise, reader
from ancile.serve.attackers.extraction import THIEVES, steal
from ancile.serve.attackers.surrogate import Surrogate
from ancile.serve.attackers.target import Space, Target
from ancile.serve.attackers.walks import WALKS, walk
from ancile.serve.calibration import LEAST_ROWS, WIDEST, calibrate
from ancile.serve.keys import new_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_RANK = 0.1  # of a query that the adaptive author still asks
GUESSES = 20
TRIED = 50  # samples until two are of different classes
STUFFING = "credential-stuffing"
ATTACKS = (*WALKS, *(f"{name}-adaptive" for name in WALKS), *THIEVES, STUFFING)


class Bait(NamedTuple):
    """Rows that the attackers have: flat samples in the model's units, and their labels."""

    x: NDArray[np.float32]
    y: NDArray[np.integer]

    def space(self) -> Space:
        """Each value by its own spread; pixels by one for all."""
        spread = self.x.std(axis=0) if self.x.shape[1] <= WIDEST else np.full(self.x.shape[1], self.x.std())
        scale = np.where(spread > 0, spread, 1.0).astype(np.float32)
        return Space(self.x.min(axis=0), self.x.max(axis=0), scale)


@dataclass(kw_only=True)
class Result:
    """What one attack came to.

    began      seconds of Unix time
    asked      times of its queries, likewise, in order
    succeeded  query at which it did, 0: it did not
    nearest    distance of the best example, of the first boundary distance; 1 where there is none better
    accuracy   of a thief's copy, None for others
    throttled  answers that told it to wait; refused: that ended it
    guessed    keys that were let in
    seen       query at which a guard first spoke, 0: never; None: nobody could tell
    """

    attack: str
    began: float
    asked: list[float] = field(default_factory=list)
    succeeded: int = 0
    nearest: float = 1.0
    accuracy: float | None = None
    throttled: int = 0
    refused: int = 0
    guessed: int = 0
    seen: int | None = None


class Campaign:
    """Attackers that share their keys: queries go round, so that each identity asks one in so many."""

    def __init__(
        self,
        clients: Sequence[Client],
        bait: Bait,
        *,
        queries: int,
        seed: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clients, self._bait, self._queries = clients, bait, queries
        self._seed, self._clock = seed, clock

    def run(self, attacks: Sequence[str]) -> Iterator[Result]:
        """Each in turn."""
        for number, name in enumerate(attacks):
            rng = np.random.default_rng([self._seed, number])
            result = Result(attack=name, began=self._clock())
            before = [(one.throttled, one.refused) for one in self._clients]
            with suppress(Stopped):
                self._one(name, result, rng)
            now = [(one.throttled, one.refused) for one in self._clients]
            result.throttled = sum(a[0] - b[0] for a, b in zip(now, before, strict=True))
            result.refused = sum(a[1] - b[1] for a, b in zip(now, before, strict=True))
            yield result

    def _one(self, name: str, result: Result, rng: np.random.Generator) -> None:
        if name == STUFFING:
            for _ in range(GUESSES):
                result.asked.append(self._clock())
                result.guessed += self._clients[0].status(new_key()) != UNKNOWN
        elif name in THIEVES:
            self._steal(name, result, rng)
        else:
            self._walk(name, result, rng)

    def _ask(self, result: Result, row: NDArray[np.float32]) -> NDArray[np.floating]:
        client = self._clients[len(result.asked) % len(self._clients)]
        result.asked.append(self._clock())
        return client.scores(row)

    def _walk(self, name: str, result: Result, rng: np.random.Generator) -> None:
        x = self._bait.x
        order = rng.permutation(len(x))[:TRIED]
        sample = x[order[0]]
        label = int(np.argmax(self._ask(result, sample)))
        others = [at for at in order[1:] if self._bait.y[at] != self._bait.y[order[0]]]
        start = next((x[at] for at in others if int(np.argmax(self._ask(result, x[at]))) != label), None)
        if start is None:
            return
        plain, _, adaptive = name.partition("-")
        disguise = None
        if adaptive and len(x) >= LEAST_ROWS:
            disguise = Disguise(rank=reader(calibrate(x)), least=LEAST_RANK, rng=rng)
        target = Target(
            lambda row: self._ask(result, row),
            sample,
            space=self._bait.space(),
            queries=self._queries,
            disguise=disguise,
        )
        try:
            walk(plain, target, start, rng)
        finally:
            result.succeeded = len(result.asked) if target.succeeded else 0
            result.nearest = min(1.0, target.best / target.first) if np.isfinite(target.first) else 1.0

    def _steal(self, name: str, result: Result, rng: np.random.Generator) -> None:
        x, y = self._bait
        half = len(x) // 2
        space, classes = self._bait.space(), int(y.max()) + 1
        loots = steal(
            THIEVES[name],
            lambda row: int(np.argmax(self._ask(result, row))) % classes,
            x[:half],
            space=space,
            classes=classes,
            rng=rng,
        )
        for loot in loots:
            copy = Surrogate(loot.x, loot.y, classes=classes, rng=rng)
            result.accuracy = float(np.mean(copy.labels(x[half:] / space.scale) == y[half:]))
            if len(loot.x) >= self._queries:
                return
