"""The numbers of an assessment, each with n, interval and method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.core.measure import RATE, Bound, Count, Estimate, Measure, Slice
from ancile.measure.calibration import brier_score, calibration_error, probabilities
from ancile.measure.intervals import clopper_pearson
from ancile.numeric import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ancile.assess.result import Result

CONFIDENCE = 0.95
CLOPPER_PEARSON = "share of the drawn samples, Clopper-Pearson interval"
CLASSES = 50  # per-class measures beyond this many classes are left to the table of the weakest


def measures(result: Result, *, classes: Sequence[str], seed: int) -> tuple[Measure, ...]:
    """All measures of a run; those with an empty slice speak of all drawn samples.

    Where no attack was tried none speaks of robustness: the clean accuracy would pass for it. Where all are
    of one class, accuracies are those of that class and no gate takes them for the model's: on a network for
    ten digits (Linf 0.1) the classes' own went from 2 to 71 %, that of all was 30 %.
    """
    sole = result.sole_class
    whole: list[Measure] = [] if sole is not None else [clean_accuracy(result.correct)]
    if sole is None and result.evaluated:
        whole.append(robust_accuracy(result.robust))
    found: list[Measure] = [
        *whole,
        *success_rate(result, {} if sole is None else _slice(sole, classes)),
        *_per_class(result, classes),
        *_calibration(result, seed),
        Count(name="samples", value=result.n, unit="samples", n=result.n, method="drawn without replacement"),
    ]
    return tuple(found)


def clean_accuracy(correct: NDArray[np.bool_], slice_: Slice | None = None) -> Estimate:
    """Share of samples that the model gets right as they are."""
    low, high = clopper_pearson(int(correct.sum()), len(correct), confidence=CONFIDENCE)
    return Estimate(
        name="clean_accuracy",
        slice=slice_ or {},
        value=float(correct.mean()),
        unit=RATE,
        n=len(correct),
        low=low,
        high=high,
        confidence=CONFIDENCE,
        method=CLOPPER_PEARSON,
    )


def robust_accuracy(robust: NDArray[np.bool_], slice_: Slice | None = None) -> Bound:
    """Share of samples right and not broken: at most this robust, since a stronger attack may break more."""
    low, high = clopper_pearson(int(robust.sum()), len(robust), confidence=CONFIDENCE)
    return Bound(
        name="robust_accuracy",
        slice=slice_ or {},
        value=float(robust.mean()),
        unit=RATE,
        n=len(robust),
        low=low,
        high=high,
        confidence=CONFIDENCE,
        side="at_most",
        method=f"per-sample worst case over the attacks of the plan, {CLOPPER_PEARSON}",
    )


def success_rate(result: Result, slice_: Slice) -> tuple[Bound, ...]:
    """Share of the initially right samples that were broken; none where none was right, or none attacked."""
    right = int(result.correct.sum())
    if not right or not result.evaluated:
        return ()
    broken = int(result.broken.sum())
    low, high = clopper_pearson(broken, right, confidence=CONFIDENCE)
    return (
        Bound(
            name="attack_success_rate",
            slice=slice_,
            value=broken / right,
            unit=RATE,
            n=right,
            low=low,
            high=high,
            confidence=CONFIDENCE,
            side="at_least",
            method=f"over the samples that the model gets right, {CLOPPER_PEARSON}",
        ),
    )


def _per_class(result: Result, classes: Sequence[str]) -> list[Measure]:
    present = np.unique(result.samples.y)
    if len(present) > CLASSES:
        return []
    found: list[Measure] = []
    for code in present:
        of_class = result.samples.y == code
        slice_ = _slice(int(code), classes)
        found.append(clean_accuracy(result.correct[of_class], slice_))
        if result.evaluated:
            found.append(robust_accuracy(result.robust[of_class], slice_))
    return found


def _slice(code: int, classes: Sequence[str]) -> Slice:
    return {"class": classes[code] if code < len(classes) else str(code)}


def _calibration(result: Result, seed: int) -> list[Measure]:
    if result.traits.output == "labels":
        return []
    found: list[Measure] = []
    judged = [("clean", result.scores), ("attacked", result.attacked_scores)]
    for inputs, scores in judged if result.evaluated else judged[:1]:
        usable = np.isfinite(scores).all(axis=1)
        if not usable.any():
            continue
        p, y = probabilities(scores[usable], result.traits.output), result.samples.y[usable]
        found += [
            calibration_error(p, y, seed=seed, slice_={"inputs": inputs}),
            brier_score(p, y, seed=seed, slice_={"inputs": inputs}),
        ]
    return found
