"""Intervals for shares, medians and means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.extras import needs
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import special
else:
    special = needs("scipy.special", "arrays")  # scipy.stats says the same, and takes a second to load

RESAMPLES = (
    2000  # the ends of a 95 % interval rest on 50 resamples each: Efron and Tibshirani 1993, chapter 13
)
CELLS = 1 << 22  # indices drawn at once, 32 MiB


class Interval(NamedTuple):
    """Two ends, low <= high."""

    low: float
    high: float


def clopper_pearson(k: int, n: int, *, confidence: float = 0.95) -> Interval:
    """The exact interval for a share, k of n: Clopper and Pearson 1934, in the form of Beta quantiles.

    Covers the true share with at least the confidence, whatever it is. From 0 where k is 0, to 1 where k is
    n; 0 to 1 where nothing was sampled.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no share")
    tail = _tail(confidence)
    low = float(special.betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(special.betainccinv(k + 1, n - k, tail)) if k < n else 1.0
    return Interval(low, high)


def median_interval(n: int, *, confidence: float = 0.95) -> tuple[int, int]:
    """Places, from 0, of the order statistics between which the median lies; the widest there are if few.

    Free of any distribution: David and Nagaraja 2003, section 7.1, by quantiles of Binomial(n, 1/2).
    """
    if n < 1:
        raise ValueError("no sample has no median")
    tail = _tail(confidence)
    quantile = math.ceil(special.bdtrik(tail, n, 0.5)) if tail > 0.5**n else 0
    if quantile > 0 and special.bdtr(quantile - 1, n, 0.5) >= tail:
        quantile -= 1
    low = max(0, quantile - 1)
    return low, n - 1 - low


def bootstrap_mean(
    values: NDArray[np.floating], *, seed: int, confidence: float = 0.95, resamples: int = RESAMPLES
) -> Interval:
    """The percentile interval of a mean over its samples, drawn with replacement: Efron 1979."""
    n = len(values)
    if n < 1:
        raise ValueError("a bootstrap needs a sample")
    rng = np.random.Generator(np.random.Philox(seed))
    at_once = max(1, CELLS // n)
    means = [
        values[rng.integers(0, n, (min(at_once, resamples - start), n))].mean(axis=1)
        for start in range(0, resamples, at_once)
    ]
    tail = _tail(confidence)
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(float(low), float(high))


def bounded_mean(values: NDArray[np.floating], *, most: float, confidence: float = 0.95) -> Interval:
    """The interval for the mean of values in 0..most that holds for any distribution, however few they are.

    Anderson 1969 (Stanford technical report 1), with the band of Dvoretzky, Kiefer, Wolfowitz in the constant
    of Massart 1990: a share of the values may in truth be 0, or ``most``. Wide; 0 to ``most`` for one value.
    """
    if not len(values):
        raise ValueError("a mean needs a sample")
    band = math.sqrt(math.log(1 / _tail(confidence)) / (2 * len(values)))

    def highest(given: NDArray[np.floating]) -> float:
        steps = np.diff(np.append(np.sort(given), most))
        below = np.arange(1, len(given) + 1) / len(given)
        return most - float((steps * np.maximum(0.0, below - band)).sum())

    return Interval(max(0.0, most - highest(most - values)), highest(values))


def _tail(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    return (1 - confidence) / 2
