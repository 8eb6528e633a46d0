"""Scores in one form, whatever a model answers with: labels, one column or many, logits or probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.models.layout import AS_THEY_ARE, Layout
from ancile.models.model import Output, Traits, Usage
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ancile.models.order import Wanted

SUM_TOLERANCE = 1e-3  # of a row of probabilities from 1; float16 over a hundred classes
# Rounded to two digits, ten probabilities are at most 0.05 off in sum; of more classes most are 0, and exact
ROUNDED_TOLERANCE = 0.1
NAME_LENGTH = 100  # of a class, as data has it


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How answers are to be read.

    single  whether there is one column, for class 1
    """

    output: Output
    classes: int
    single: bool = False


def reading_of(
    answer: NDArray[np.generic], *, output: Wanted = "auto", classes: int | None = None
) -> tuple[Reading, str]:
    """How to read answers like this one, and a note where that was seen from values alone.

    Whole numbers, one a sample, are labels. Rows in [0, 1] that sum to 1, be it after rounding, and single
    columns in [0, 1], are probabilities; all else logits. Labels need ``classes``, or samples of the last
    class among those shown.
    """
    rows = _rows(answer)
    if output == "labels" or (output == "auto" and are_labels(answer)):
        seen = int(np.max(rows)) + 1
        known = max(classes or 2, seen)
        note = "" if classes else f"the model answers with labels; {known} classes were seen"
        return Reading(output="labels", classes=known), note
    columns = rows.shape[1]
    require_classes(max(columns, 2), classes)
    kind: Output = "logits"
    if output == "auto":
        kind = "probabilities" if _are_probabilities(rows) else "logits"
        note = seen_note(kind, rows)
    else:
        kind, note = ("probabilities" if output == "probabilities" else "logits"), ""
    return Reading(output=kind, classes=max(columns, 2), single=columns == 1), note


def seen_note(kind: Output, rows: NDArray[np.generic]) -> str:
    """That the kind of scores was seen from these, and whether probabilities were rounded."""
    note = f"scores were taken for {kind}, from their values on {len(rows)} samples"
    sums = rows.astype(np.float64).sum(axis=1)
    if kind == "logits" or rows.shape[1] == 1 or (np.abs(sums - 1) <= SUM_TOLERANCE).all():
        return note
    return f"{note}; they are rounded, rows sum to {sums.min():.3g} to {sums.max():.3g}"


def require_classes(known: int, wanted: int | None) -> None:
    """Refuse a model that knows fewer classes than the data has; more are no fault."""
    from_one = f"if labels run from 1 to {known}, subtract 1, as classes count from 0; else "
    if wanted is not None and known < wanted:
        raise AncileError(
            "the model knows fewer classes than the data has",
            value=f"{known} in the model, {wanted} in the data",
            remedy=(from_one if wanted == known + 1 else "") + "give the data that belongs to the model",
        )


def scores_of(answer: NDArray[np.generic], reading: Reading, *, samples: int) -> NDArray[np.float64]:
    """Scores (n, classes), float64: one-hot for labels, (0, logit) or (1 - p, p) for a single column."""
    rows = _rows(answer)
    if len(rows) != samples:
        raise _shape(answer, samples)
    if reading.output == "labels":
        return _one_hot(rows, reading.classes)
    if rows.shape[1] != (1 if reading.single else reading.classes):
        raise AncileError(
            "the model changed its number of classes",
            value=f"{rows.shape[1]} columns for {reading.classes} classes",
            remedy="make it answer with the same columns for every sample",
        )
    found = rows.astype(np.float64)
    if reading.output == "probabilities" and not _inside(found):
        raise AncileError(
            "scores taken for probabilities leave [0, 1]",
            value=f"{np.nanmin(found):g} to {np.nanmax(found):g}",
            remedy="say that they are logits: --scores logits",
        )
    if not reading.single:
        return found
    first = 1.0 - found if reading.output == "probabilities" else np.zeros_like(found)
    return np.concatenate([first, found], axis=1)


Call = Callable[["NDArray[np.floating]"], "ArrayLike"]


class ArrayModel:
    """A ``Model`` around a function from samples to scores or labels."""

    def __init__(self, call: Call, reading: Reading, traits: Traits) -> None:
        self._call, self._reading, self._given = call, reading, traits
        self._usage = Usage()

    @property
    def traits(self) -> Traits:
        """What is known before the first sample."""
        return self._given

    @property
    def usage(self) -> Usage:
        """Samples that went through so far."""
        return self._usage

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n, classes), float64. Cost: n queries."""
        self._usage.queries += len(x)
        return scores_of(numeric(self._call(x)), self._reading, samples=len(x))


def array_model(
    call: Call,
    probe: NDArray[np.floating],
    *,
    kind: str,
    output: Wanted = "auto",
    classes: int | None = None,
    notes: tuple[str, ...] = (),
    shape: tuple[int, ...] | None = None,
) -> ArrayModel:
    """The function as a model, its answers read as those on the ``probe`` samples show."""
    answer = numeric(call(probe))
    reading, note = reading_of(answer, output=output, classes=classes)
    scores_of(answer, reading, samples=len(probe))
    traits = Traits(
        kind=kind,
        access="labels" if reading.output == "labels" else "scores",
        output=reading.output,
        classes=reading.classes,
        shape=shape,
        notes=(*notes, note) if note else notes,
    )
    return ArrayModel(call, reading, traits)


def prepared(
    call: Call, *, layout: Layout = AS_THEY_ARE, mean: tuple[float, ...], std: tuple[float, ...]
) -> Call:
    """The function behind layout and normalisation, as ``torch_model`` does them."""

    def through(x: NDArray[np.floating]) -> ArrayLike:
        given = layout.change(x)
        if mean:
            given = given - _per_channel(mean, given)
        if std:
            given = given / _per_channel(std, given)
        return call(np.ascontiguousarray(given, dtype=x.dtype))

    return through


ONE_BY_ONE = "the model takes one sample at a time, and is asked for each by itself"


def raised(fault: AncileError) -> bool:
    """Whether the model raised on the samples; one that answers, but otherwise than wanted, takes them."""
    return " fails on samples" in fault.what


def one_by_one(call: Call) -> Call:
    """The function, given each sample by itself; it may answer without the axis of samples."""

    def each(x: NDArray[np.floating]) -> ArrayLike:
        found = [np.asarray(call(x[at : at + 1])) for at in range(len(x))]
        return np.concatenate([one if one.ndim > 1 else one.reshape(1, -1) for one in found])

    return each


def worded(call: Call, names: Sequence[str]) -> Call:
    """The function, where it answers with words with their places among ``names``: the data's classes."""
    numbers = {name: number for number, name in enumerate(names)}

    def numbered(x: NDArray[np.floating]) -> ArrayLike:
        answer = call(x)
        found = np.asarray(answer)
        if not _are_words(found):
            return answer
        words = [str(word) for word in found.reshape(-1)]
        strange = [word for word in words if plain(word, NAME_LENGTH) not in numbers]
        if strange:
            raise AncileError(
                "the model answers with words that are no classes of the data",
                value=plain(strange[0]),
                remedy=f"the data's classes: {plain(', '.join(names))}"
                if names
                else "give labels in the same words, or let it answer with numbers from 0",
            )
        return np.array([numbers[plain(word, NAME_LENGTH)] for word in words]).reshape(found.shape)

    return numbered


def _are_words(answer: NDArray[np.generic]) -> bool:
    if answer.dtype.kind == "O":
        return answer.size > 0 and all(isinstance(word, str) for word in answer.reshape(-1))
    return answer.dtype.kind == "U"


def numeric(answer: object) -> NDArray[np.generic]:
    """The answer as an array of numbers or booleans."""
    try:
        found = np.asarray(answer)
    except (ValueError, TypeError) as reason:
        raise _not_numbers(type(answer).__name__) from reason
    if found.dtype.kind not in "fiub":
        raise _not_numbers(f"{type(answer).__name__} of {found.dtype}")
    return found


def _rows(answer: NDArray[np.generic]) -> NDArray[np.generic]:
    if answer.ndim == 3 and answer.shape[2] == 1:
        answer = answer[:, :, 0]
    if answer.ndim not in (1, 2) or not answer.size:
        raise _shape(answer, None)
    return answer.reshape(len(answer), -1)


def are_labels(answer: NDArray[np.generic]) -> bool:
    """Whether these are whole numbers, one a sample."""
    one = answer.ndim == 1 or (answer.ndim == 2 and answer.shape[1] == 1)
    return one and answer.dtype.kind in "iub"


def _are_probabilities(rows: NDArray[np.generic]) -> bool:
    found = rows.astype(np.float64)
    summed = rows.shape[1] == 1 or bool((np.abs(found.sum(axis=1) - 1) <= ROUNDED_TOLERANCE).all())
    return bool(np.isfinite(found).all()) and _inside(found) and summed


def _inside(rows: NDArray[np.float64]) -> bool:
    finite = rows[np.isfinite(rows)]
    return bool(((finite >= -SUM_TOLERANCE) & (finite <= 1 + SUM_TOLERANCE)).all())


def _one_hot(rows: NDArray[np.generic], classes: int) -> NDArray[np.float64]:
    wide = rows.shape[1] == classes
    labels = rows.argmax(axis=1) if wide else rows[:, 0].astype(np.int64)
    if rows.shape[1] not in (1, classes) or labels.min() < 0 or labels.max() >= classes:
        raise AncileError(
            "the model answers with a label beyond its classes",
            value=f"labels {labels.min()} to {labels.max()}, {classes} classes",
            remedy="number classes from 0, and give data in which the last class occurs",
        )
    found: NDArray[np.float64] = np.eye(classes, dtype=np.float64)[labels]
    return found


def _per_channel(values: tuple[float, ...], x: NDArray[np.floating]) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    channels_first = x.ndim == 4 and len(found) in (1, x.shape[1])
    return found.reshape(-1, 1, 1) if channels_first else found


def _shape(answer: NDArray[np.generic], samples: int | None) -> AncileError:
    for_samples = "" if samples is None else f" for {samples} samples"
    return AncileError(
        "the model does not answer with one row of scores or one label a sample",
        value=f"{answer.shape}{for_samples}",
        remedy="return scores (n, classes), one probability or logit a sample, or labels (n,)",
    )


def _not_numbers(found: str) -> AncileError:
    return AncileError(
        "the model does not answer with numbers",
        value=plain(found),
        remedy="return an array of scores, or of labels numbered from 0",
    )
