"""Texts that are near copies of those before: a search that changes a few words at a time.

The share of a text's fingerprint that the most similar of the caller's last 64 texts has as well is ranked
among benign ones, and likelihood ratios add up as in ``sequence``: one sum for a search that is half of the
texts, one for a seventh. Where callers fill in a template, the reference has texts of it, and that much is
usual. The same text again is no evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.fingerprints import KEPT, Hashing, alike, prints_of
from ancile.serve.guards.sequence import HALF, HIGHEST, SEVENTH, step
from ancile.serve.ranks import FLAGGED, QUERIES, rarity
from ancile.serve.verdict import ALLOW, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Prints = NDArray[np.uint64]

SLOTS = 64
LEAST_TEXTS, MOST_TEXTS = 500, 2000  # of the reference
CALLERS = 20  # simulated
OFTEN = 8  # texts of a request that are looked at: which ones of more only the key tells
LIMIT = 1.5 * math.log(QUERIES / FLAGGED)  # Wald's, and slack: texts of one caller are not independent
COPIES = Verdict("flag", "fingerprint", "texts are near copies of each other")


class Texts(NamedTuple):
    """What the texts of a reference are like.

    hashing  how prints are made
    inputs   numbers of the inputs that are texts
    table    how similar a text is to the most similar before it, sorted
    """

    hashing: Hashing
    inputs: tuple[int, ...]
    table: Sequence[float]


class Shelf:
    """The prints of a caller's last texts; ``sums`` of what their similarities speak for."""

    __slots__ = ("_filled", "_prints", "sums")

    def __init__(self) -> None:
        self._prints: Prints = np.zeros((SLOTS, KEPT), np.uint64)
        self._filled = 0
        self.sums = (0.0, 0.0)

    def similarity(self, found: Prints) -> float:
        """Of a print (KEPT,) to the most similar before it, which it joins."""
        own = found[: int(np.count_nonzero(found))]
        value = alike(own, self._prints[: min(self._filled, SLOTS)])
        self._prints[self._filled % SLOTS] = found
        self._filled += 1
        return value


def texts_of(
    texts: Sequence[bytes], inputs: tuple[int, ...], hashed: Hashing, *, seed: int = 0
) -> Texts | None:
    """What benign callers send, from different texts; None where they are fewer than 500."""
    if len(texts) < LEAST_TEXTS:
        return None
    rng = np.random.Generator(np.random.Philox(seed))
    prints = prints_of(texts[:MOST_TEXTS], hashed)
    values = []
    for _ in range(CALLERS):
        shelf = Shelf()
        values += [shelf.similarity(prints[at]) for at in rng.permutation(len(prints))[:QUERIES]]
    # Two texts are a near pair: so many tell of nothing rarer than one in half of them.
    table: list[float] = np.quantile(values, np.linspace(0, 1, len(prints) // 2)).tolist()
    return Texts(hashed, inputs, table)


def joined(parts: Iterable[bytes]) -> bytes:
    """The text of a row, of those of its inputs."""
    return b"\0".join(parts)


def fingerprint(texts: Sequence[bytes], shelf: Shelf, known: Texts) -> Verdict:
    """Whether a caller's texts, these the last of them, are too often near copies."""
    half, seventh = shelf.sums
    for one in prints_of(texts, known.hashing):
        k = step(math.exp(-rarity(shelf.similarity(one), known.table)))
        half, seventh = max(0.0, half + HALF[k]), max(0.0, seventh + SEVENTH[k])
    shelf.sums = (min(half, HIGHEST * LIMIT), min(seventh, HIGHEST * LIMIT))
    return COPIES if max(half, seventh) > LIMIT else ALLOW
