"""Inputs whose class stands whatever is laid over them: STRIP, Gao et al., ACSAC 2019, arXiv:1902.06531.

A backdoor's trigger outweighs the rest of an input, so that blends with benign samples are all of one class:
their entropy is low. Triggers that a blend destroys, and those that are no part of the input, are not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.ranks import Ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = 0.5  # of the input in a blend
TINY = 1e-12


class Trigger(NamedTuple):
    """What is laid over an input, and which entropies benign ones have.

    samples  (m, *shape) of the reference
    copies   that a blend is made with
    ranks    of minus the entropy
    """

    samples: NDArray[np.floating]
    copies: int
    ranks: Ranks

    def blends(self, sample: NDArray[np.floating], at: int) -> NDArray[np.floating]:
        """(copies, *shape): the sample over as many others, from the one with the number ``at`` on."""
        chosen = self.samples[np.arange(at, at + self.copies) % len(self.samples)]
        return (SHARE * sample + (1 - SHARE) * chosen).astype(sample.dtype)


def entropy(shares: NDArray[np.floating]) -> float:
    """Mean entropy in nats of rows of probabilities."""
    return float(-(shares * np.log(np.maximum(shares, TINY))).sum(axis=1).mean())
