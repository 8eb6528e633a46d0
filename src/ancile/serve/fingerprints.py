"""What a text is known by: the smallest hashes of its windows, by which near copies are told from strangers.

Polynomial hashes of all windows of eight bytes (Karp and Rabin 1987), of which the 16 smallest are kept
(bottom-k sketch: Broder 1997; as fingerprints of queries: Li et al., Blacklight, USENIX Security 2022,
arXiv:2006.14042). The base is secret: whoever does not know it cannot choose which windows are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW = 8  # bytes: a word and what is beside it
KEPT = 16  # hashes of a text
LONGEST = 4096  # bytes of a text that are looked at
WORD = 1 << 64


class Hashing(NamedTuple):
    """Powers of a secret odd base modulo 2^64, and of its inverse."""

    powers: NDArray[np.uint64]
    inverses: NDArray[np.uint64]

    def print_of(self, text: bytes) -> NDArray[np.uint64]:
        """The smallest hashes of the text's windows, sorted and different; one at least, KEPT at most."""
        data = np.frombuffer(text[:LONGEST].ljust(WINDOW, b"\0"), np.uint8)
        sums = np.zeros(len(data) + 1, np.uint64)
        np.cumsum(data * self.powers[: len(data)], out=sums[1:])
        hashes = (sums[WINDOW:] - sums[:-WINDOW]) * self.inverses[: len(data) - WINDOW + 1]
        hashes ^= hashes >> np.uint64(32)  # the low bits of a sum of products are the weak ones
        hashes *= self.powers[1]
        if len(hashes) > 4 * KEPT:  # more than are kept, as some windows may come several times
            hashes = np.partition(hashes, 4 * KEPT)[: 4 * KEPT]
        return np.unique(hashes)[:KEPT]


def hashing(base: int) -> Hashing:
    """The powers of a base, which is made odd."""
    base |= 1
    powers, inverses, inverse = [1], [1], pow(base, -1, WORD)
    for _ in range(LONGEST):
        powers.append(powers[-1] * base % WORD)
        inverses.append(inverses[-1] * inverse % WORD)
    return Hashing(np.array(powers, np.uint64), np.array(inverses, np.uint64))


def prints_of(texts: Iterable[bytes], known: Hashing) -> NDArray[np.uint64]:
    """(n, KEPT) prints of texts; what is missing of a short one is 0, which no hash stands for."""
    rows = [known.print_of(one) for one in texts]
    found = np.zeros((len(rows), KEPT), np.uint64)
    for row, one in zip(found, rows, strict=True):
        row[: len(one)] = one
    return found


def alike(own: NDArray[np.uint64], others: NDArray[np.uint64]) -> float:
    """Which share of a print the most similar of the others, (n, KEPT), has as well."""
    if not len(others):
        return 0.0
    at = np.searchsorted(own, others.ravel())
    at[at == len(own)] = 0
    same = (own[at] == others.ravel()).reshape(others.shape)
    return float(same.sum(axis=1).max()) / len(own)
