"""Random draws that depend on (seed, sample, purpose, step) and on nothing else.

Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
A counter-based generator has no state to share: a sample gets the same draws in any batch, order or worker.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Multipliers and Weyl increments of Philox4x32 (Salmon et al. 2011, section 3.3; Random123 philox.h)
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
WORD = 0xFFFFFFFF
SHIFT = np.uint64(32)
LOW = np.uint64(WORD)
WORDS = 4  # of 32 bits that one counter gives


def philox(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Four random 32-bit words for each counter, both (4, …) with words in uint64, under one 64-bit key."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        first, second = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c2 = (second >> SHIFT) ^ c1 ^ np.uint64(k0), (first >> SHIFT) ^ c3 ^ np.uint64(k1)
        c1, c3 = second & LOW, first & LOW
        k0, k1 = (k0 + WEYL[0]) & WORD, (k1 + WEYL[1]) & WORD
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3))


@dataclass(frozen=True, eq=False)
class Streams:
    """One stream of draws for each sample.

    seed     any integer of 64 bits
    samples  (n,) int64: which row of the data set each sample is, not its place in the batch
    """

    seed: int
    samples: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 64:
            raise AncileError(
                "the seed does not fit in 64 bits",
                value=f"seed={self.seed}",
                remedy="give a whole number from 0 to 2^64 - 1",
            )
        object.__setattr__(self, "samples", np.ascontiguousarray(self.samples, dtype=np.int64).reshape(-1))

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Streams:
        """The streams of the chosen samples, by mask or index."""
        return Streams(self.seed, self.samples[chosen])

    def words(self, purpose: str, size: int, *, step: int = 0) -> NDArray[np.uint64]:
        """(n, size) random words of 32 bits, held in uint64."""
        digest = hashlib.sha256(f"{self.seed}/{purpose}".encode()).digest()
        key = int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")
        blocks = -(-size // WORDS)
        ids = self.samples.view(np.uint64)[:, None]
        block = np.arange(blocks, dtype=np.uint64)[None, :]
        counter = (block, np.full((1, 1), step, dtype=np.uint64), ids & LOW, ids >> SHIFT)
        drawn = philox(np.stack(np.broadcast_arrays(*counter)), key)
        return np.moveaxis(drawn, 0, -1).reshape(len(ids), blocks * WORDS)[:, :size]

    def uniform(self, purpose: str, size: int, *, step: int = 0) -> NDArray[np.float64]:
        """(n, size) numbers in (0, 1), the middles of 2^32 equal cells."""
        return (self.words(purpose, size, step=step).astype(np.float64) + 0.5) * 2.0**-32

    def integers(
        self, purpose: str, size: int, high: int | NDArray[np.int64], *, step: int = 0
    ) -> NDArray[np.int64]:
        """(n, size) whole numbers in [0, high); ``high`` below 2^32, one or broadcastable to (n, size).

        Multiply and shift (Lemire 2019, arXiv:1805.10941) without its rejection: off uniform by high / 2^32.
        """
        drawn = self.words(purpose, size, step=step) * np.asarray(high, dtype=np.uint64)
        return (drawn >> SHIFT).astype(np.int64)

    def signs(self, purpose: str, size: int, *, step: int = 0) -> NDArray[np.float64]:
        """(n, size) of -1.0 and 1.0, one random bit each."""
        return 1.0 - 2.0 * self.bits(purpose, size, step=step).astype(np.float64)

    def bits(self, purpose: str, size: int, *, step: int = 0) -> NDArray[np.bool_]:
        """(n, size) random bits."""
        packed = np.ascontiguousarray(self.words(purpose, -(-size // 32), step=step).astype("<u4"))
        unpacked = np.unpackbits(packed.view(np.uint8), axis=1, bitorder="little", count=size)
        return unpacked.view(np.bool_)

    def normal(self, purpose: str, size: int, *, step: int = 0) -> NDArray[np.float64]:
        """(n, size) standard normal numbers by Box and Muller 1958; none is beyond 6.8."""
        half = -(-size // 2)
        u = self.uniform(purpose, 2 * half, step=step)
        radius, angle = np.sqrt(-2.0 * np.log(u[:, :half])), 2.0 * np.pi * u[:, half:]
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :size]
