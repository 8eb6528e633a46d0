"""How far two samples of one quantity lie apart, and whether chance explains it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.extras import needs
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    from scipy import special
else:
    special = needs("scipy.special", "arrays")

BINS = 10  # tenths of the older sample, as credit scoring has it: Siddiqi 2006, chapter 9
LEAST = 1e-4  # share of an empty bin, whose logarithm would be infinite


class Drift(NamedTuple):
    """What two samples differ by.

    distance  0 to 1: Kolmogorov-Smirnov's for numbers, total variation for categories
    stability population stability index, 0 or more; below 0.1 counts as none, above 0.25 as large
    chance    of a distance like this where both are drawn from one source, about
    """

    distance: float
    stability: float
    chance: float


def drift_of_numbers(old: NDArray[np.float64], new: NDArray[np.float64]) -> Drift:
    """Two-sample Kolmogorov-Smirnov (Smirnov 1948, its limit), the stability index by tenths of ``old``.

    Values are finite, at least one on either side. Ties make the test say less, never more.
    """
    old, new = np.sort(old), np.sort(new)
    every = np.concatenate((old, new))
    apart = np.abs(
        np.searchsorted(old, every, "right") / len(old) - np.searchsorted(new, every, "right") / len(new)
    )
    distance = float(apart.max())
    effective = math.sqrt(len(old) * len(new) / (len(old) + len(new)))
    # Stephens 1970: the limit is right from some ten values on with this correction
    chance = float(special.kolmogorov((effective + 0.12 + 0.11 / effective) * distance))
    edges = np.unique(np.quantile(old, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = [
        np.bincount(np.searchsorted(edges, one, "left"), minlength=len(edges) + 1) for one in (old, new)
    ]
    return Drift(distance, stability_index(shares[0], shares[1]), chance)


def drift_of_counts(old: NDArray[np.int64], new: NDArray[np.int64]) -> Drift:
    """Chi-square of two rows of counts (Pearson 1900), by categories that either has."""
    some = (old + new) > 0
    old, new = old[some].astype(np.float64), new[some].astype(np.float64)
    total, share = old.sum() + new.sum(), new.sum() / (old.sum() + new.sum())
    expected = np.array([(old + new) * (1 - share), (old + new) * share])
    # Cells of less than one expected row make the limit wrong: they are taken together
    small = expected.min(axis=0) < 1
    seen = np.array([old, new])
    if small.any():
        seen = np.column_stack((seen[:, ~small], seen[:, small].sum(axis=1)))
        expected = np.column_stack((expected[:, ~small], expected[:, small].sum(axis=1)))
    square = float(((seen - expected) ** 2 / np.maximum(expected, 1e-12)).sum())
    freedom = seen.shape[1] - 1
    chance = float(special.chdtrc(freedom, square)) if freedom and total else 1.0
    distance = float(np.abs(old / old.sum() - new / new.sum()).sum() / 2)
    return Drift(distance, stability_index(old, new), chance)


def stability_index(old: NDArray[np.number], new: NDArray[np.number]) -> float:
    """The population stability index of two rows of counts: their divergence either way, in nats."""
    before, after = (np.maximum(one / one.sum(), LEAST) for one in (old, new))
    return float(((after - before) * np.log(after / before)).sum())
