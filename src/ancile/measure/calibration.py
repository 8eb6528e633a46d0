"""How well a model's confidence matches how often it is right.

The calibration error is the debiased L2 one of Kumar, Liang, Ma, "Verified uncertainty calibration", NeurIPS
2019, arXiv:1909.10155, section 5, of the top label, over 15 bins of equal mass. The usual binned figure (ECE:
Guo et al. 2017, of L1, bins of equal width) is above 0 even for a perfect model, by the noise within bins;
this one subtracts that, and is another number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ancile.core.measure import Estimate, Slice
from ancile.measure.intervals import CELLS, RESAMPLES, Interval, bootstrap_mean, bounded_mean
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15  # Guo et al. 2017, arXiv:1706.04599; Kumar et al. 2019
PER_BIN = 2  # samples that a bin needs: the noise of one alone is not known
MANY = BINS * PER_BIN  # samples; fewer do not fill the bins, and resampling them shows none of what is unseen
CONFIDENCE = 0.95
WORST = 2.0  # Brier score of a sample: sure of a wrong class


def probabilities(
    scores: NDArray[np.floating], output: Literal["logits", "probabilities", "labels"]
) -> NDArray[np.float64]:
    """(n, classes) probabilities of finite scores: the softmax of logits, else rows brought to sum 1."""
    given = np.asarray(scores, dtype=np.float64)
    if output == "logits":
        given = np.exp(given - given.max(axis=1, keepdims=True))
    sums = given.sum(axis=1, keepdims=True)
    return np.asarray(given / np.where(sums > 0, sums, 1.0))


def calibration_error(
    p: NDArray[np.floating], y: NDArray[np.int64], *, seed: int, slice_: Slice | None = None
) -> Estimate:
    """How far confidence lies from the share of right decisions: root mean square over bins, debiased.

    p  (n, classes) probabilities
    y  (n,) true labels

    0 to 1. Ties of confidence share a bin; a bin with one sample says nothing. The interval is a bootstrap of
    the squared error within the same bins, moved to the estimate, since resampling adds the noise once more;
    with samples too few for the bins it is 0 to 1.
    """
    confidence, right = p.max(axis=1), (p.argmax(axis=1) == y).astype(np.float64)
    bins = equal_mass(confidence)
    squared = float(_squared_error(confidence[None], right[None], bins[None])[0])
    few = len(y) < MANY
    low, high = (0.0, 1.0) if few else _around(squared, confidence, right, bins, seed=seed)
    value = float(np.sqrt(max(0.0, squared)))
    return Estimate(
        name="calibration_error",
        slice=slice_ or {},
        value=value,
        unit="probability",
        n=len(y),
        low=min(low, value),
        high=max(high, value),
        confidence=CONFIDENCE,
        method=f"debiased L2 calibration error of the top label (Kumar et al. 2019), {BINS} bins of equal "
        "mass, " + (f"no interval from fewer than {MANY} samples" if few else "centred bootstrap interval"),
    )


def brier_score(
    p: NDArray[np.floating], y: NDArray[np.int64], *, seed: int, slice_: Slice | None = None
) -> Estimate:
    """Mean squared distance of probabilities from the truth over all classes, 0 (best) to 2: Brier 1950.

    The interval is a bootstrap; for few samples one that holds for any distribution, as resampling a handful
    shows nothing of the sample that was not among them.
    """
    truth = np.zeros_like(p)
    truth[np.arange(len(y)), y] = 1.0
    each = ((p - truth) ** 2).sum(axis=1)
    value = float(each.mean())
    few = len(y) < MANY
    low, high = (
        bounded_mean(each.clip(0.0, WORST), most=WORST, confidence=CONFIDENCE)
        if few
        else bootstrap_mean(each, seed=seed, confidence=CONFIDENCE)
    )
    return Estimate(
        name="brier_score",
        slice=slice_ or {},
        value=value,
        unit="squared probability",
        n=len(y),
        low=min(low, value),
        high=max(high, value),
        confidence=CONFIDENCE,
        method="mean over samples of the squared distance summed over classes, "
        + ("interval of Anderson 1969 for few samples" if few else "bootstrap interval"),
    )


def equal_mass(confidence: NDArray[np.floating]) -> NDArray[np.int64]:
    """(n,) the bin of each sample, from 0: about as many samples in each, equal confidence in one bin."""
    count = max(1, min(BINS, len(confidence) // PER_BIN))
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, count + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, confidence, side="right"), dtype=np.int64)


def _squared_error(
    confidence: NDArray[np.floating], right: NDArray[np.floating], bins: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(rows,) the debiased squared error of each row of samples; it may be below 0."""
    rows, n = bins.shape
    flat = (np.arange(rows)[:, None] * BINS + bins).ravel()
    size, sure, hits = (
        np.bincount(flat, weights=weights, minlength=rows * BINS).reshape(rows, BINS)
        for weights in (None, confidence.ravel(), right.ravel())
    )
    usable = size >= PER_BIN
    size = np.where(usable, size, PER_BIN)
    share = hits / size
    error = (sure / size - share) ** 2 - share * (1 - share) / (size - 1)
    return np.asarray((np.where(usable, error, 0.0) * size).sum(axis=1) / n)


def _around(
    squared: float,
    confidence: NDArray[np.floating],
    right: NDArray[np.floating],
    bins: NDArray[np.int64],
    *,
    seed: int,
) -> Interval:
    n = len(bins)
    rng = np.random.Generator(np.random.Philox(seed))
    at_once = max(1, CELLS // n)
    drawn = []
    for start in range(0, RESAMPLES, at_once):
        chosen = rng.integers(0, n, (min(at_once, RESAMPLES - start), n))
        drawn.append(_squared_error(confidence[chosen], right[chosen], bins[chosen]))
    errors = np.concatenate(drawn)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(errors - errors.mean() + squared, [tail, 1 - tail])
    return Interval(*(float(np.sqrt(min(1.0, max(0.0, end)))) for end in (low, high)))
