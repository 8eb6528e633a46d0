"""Intervals for shares, for differences of paired shares and for means."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.extras import needs
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import stats
else:
    stats = needs("scipy.stats", "arrays")

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
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.isf(tail, k + 1, n - k)) if k < n else 1.0
    return Interval(low, high)


def median_interval(n: int, *, confidence: float = 0.95) -> tuple[int, int]:
    """Places, from 0, of the order statistics between which the median lies; the widest there are if few.

    Free of any distribution: David and Nagaraja 2003, section 7.1, by quantiles of Binomial(n, 1/2).
    """
    if n < 1:
        raise ValueError("no sample has no median")
    low = max(0, int(stats.binom.ppf(_tail(confidence), n, 0.5)) - 1)
    return low, n - 1 - low


def paired_difference(
    first: NDArray[np.bool_], second: NDArray[np.bool_], *, confidence: float = 0.95
) -> Interval:
    """Interval for the share of the first less that of the second, on the same samples.

    Newcombe 1998 (Statistics in Medicine 17, 2635), method 10: score intervals of both shares, squared and
    added with their correlation. Within -1 and 1, and of some width also where both agree on every sample.
    """
    n = _paired(first, second)
    both, only_first = int((first & second).sum()), int((first & ~second).sum())
    only_second = int((~first & second).sum())
    neither = n - both - only_first - only_second
    p, q = (both + only_first) / n, (both + only_second) / n
    p_low, p_high = _wilson(p, n, confidence)
    q_low, q_high = _wilson(q, n, confidence)
    phi = _correlation(both, only_first, only_second, neither)
    below = math.sqrt(max(0.0, (p - p_low) ** 2 - 2 * phi * (p - p_low) * (q_high - q) + (q_high - q) ** 2))
    above = math.sqrt(max(0.0, (p_high - p) ** 2 - 2 * phi * (p_high - p) * (q - q_low) + (q - q_low) ** 2))
    return Interval(max(-1.0, p - q - below), min(1.0, p - q + above))


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """The exact two-sided p-value of two shares of the same samples being equal: McNemar 1947, binomial form.

    Only samples on which the two differ speak; 1 where there is none.
    """
    _paired(first, second)
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    if not only_first + only_second:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second, 0.5).pvalue)


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    n: int,
    *,
    seed: int,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """The percentile interval of a statistic over n samples: Efron 1979.

    statistic  its value on the samples with these indices, drawn with replacement
    """
    if n < 1:
        raise ValueError("a bootstrap needs a sample")
    rng = np.random.Generator(np.random.Philox(seed))
    values = np.array([statistic(rng.integers(0, n, n)) for _ in range(resamples)])
    tail = _tail(confidence)
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))


def bootstrap_mean(
    values: NDArray[np.floating], *, seed: int, confidence: float = 0.95, resamples: int = RESAMPLES
) -> Interval:
    """``bootstrap`` of the mean, many resamples at a time."""
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


def _paired(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> int:
    if len(first) != len(second) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} samples are no pairs")
    return len(first)


def _wilson(share: float, n: int, confidence: float) -> Interval:
    """The score interval of a share: Wilson 1927."""
    z2 = float(stats.norm.isf(_tail(confidence))) ** 2
    middle, half = share + z2 / (2 * n), math.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n)
    return Interval(max(0.0, (middle - half) / (1 + z2 / n)), min(1.0, (middle + half) / (1 + z2 / n)))


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Newcombe's phi: with a continuity correction where it is positive, 0 where a margin is empty."""
    product = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if not product:
        return 0.0
    excess = both * neither - only_first * only_second
    n = both + only_first + only_second + neither
    corrected = max(excess - n / 2, 0.0) if excess > 0 else excess
    return corrected / math.sqrt(product)
