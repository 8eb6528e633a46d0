"""Differentially private answers: discrete Laplace noise, the same for the same row.

Canonne, Kamath and Steinke, NeurIPS 2020, arXiv:2004.00010, algorithms 1 and 2: integers alone, no floating
logarithm whose low bits tell (Mironov 2012). Draws come from a keyed stream of the row, so that asking again
gives the same answer and costs nothing. No assumption on the training: one record may change all of a row's
probabilities, whose sum of changes is at most 2. Answers to k rows are k epsilon differentially private.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from ancile.numeric import np
from ancile.serve.inference import Infer
from ancile.serve.scores import row_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORD = 16  # bytes of a draw: a remainder is uniform but for 2^-100
WORDS = 64  # at a time


class Stream:
    """Uniform integers that only the key tells."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._at, self._block = seed, 0, b""

    def below(self, bound: int) -> int:
        """In [0, bound)."""
        place = self._at % WORDS
        if not place:
            count = (self._at // WORDS).to_bytes(8, "little")
            self._block = hashlib.shake_128(self._seed + count).digest(WORD * WORDS)
        self._at += 1
        return int.from_bytes(self._block[place * WORD : place * WORD + WORD], "little") % bound

    def happens(self, over: int, under: int) -> bool:
        """With probability exp(-over / under), which is at most 1 and at least 1/e."""
        k = 1
        while self.below(under * k) < over:
            k += 1
        return k % 2 == 1


def laplace(scale: int, stream: Stream) -> int:
    """An integer z with probability proportional to exp(-|z| / scale)."""
    while True:
        low = stream.below(scale)
        if not stream.happens(low, scale):
            continue
        high = 0
        while stream.happens(1, 1):
            high += 1
        size = low + scale * high
        negative = stream.below(2)
        if size or not negative:
            return -size if negative else size


def scale_of(epsilon: float, *, classes: int, digits: int) -> int:
    """Of the noise, in units of the last digit; rounding moves each probability by at most one unit more."""
    units: int = 2 * 10**digits + classes
    return math.ceil(units / epsilon)


def noisy(
    shares: NDArray[np.floating], infer: Infer, *, epsilon: float, digits: int, key: bytes
) -> NDArray[np.float64]:
    """Probabilities (rows, classes) with noise, clipped to 0..1; they need not sum to 1."""
    scale = scale_of(epsilon, classes=shares.shape[1], digits=digits)
    whole = np.rint(np.asarray(shares, "f8") * 10**digits).astype("i8")
    for row, data in enumerate(row_bytes(infer)):
        stream = Stream(key + data)
        whole[row] += [laplace(scale, stream) for _ in range(shares.shape[1])]
    found: NDArray[np.float64] = np.clip(whole / 10**digits, 0.0, 1.0)
    return found
