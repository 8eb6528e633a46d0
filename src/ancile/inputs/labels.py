"""True labels in the shapes in which people keep them, brought to class numbers from 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ancile.core.text import plain
from ancile.inputs.faults import named
from ancile.numeric import NDArray, np

LARGEST = 1 << 17  # classes; the largest public label set, ImageNet-21k, has 21,841
NAME_LENGTH = 100  # of a class, in a report


class Labels(NamedTuple):
    """Class numbers (n,) int64, the names of the classes where there are any, what to say, what is wrong."""

    y: NDArray[np.int64]
    classes: tuple[str, ...] | None
    notes: tuple[str, ...]
    faults: tuple[str, ...]


def labels(raw: NDArray[np.generic]) -> Labels:
    """Class numbers from integers, whole floats, booleans, unicode text or one row of a single 1 a sample.

    Text becomes the place of each distinct text in sorted order. A label that is negative, broken or so
    large that it must be an identifier is a fault.
    """
    if not raw.size:
        return _wrong("there are no labels")
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.dtype.kind == "U":
        return _of_text(raw)
    if raw.dtype.kind not in "biuf":
        return _wrong(f"labels are of type {raw.dtype}")
    if raw.dtype.kind == "f" and not np.isfinite(raw).all():
        return _wrong(f"{np.count_nonzero(~np.isfinite(raw))} labels are NaN or infinite")
    if raw.ndim == 2:
        return _of_one_hot(raw)
    return _of_numbers(raw)


def numbered(names: Sequence[str], at: NDArray[np.int64]) -> Labels:
    """Class numbers from different texts and, for each sample, which of them it has.

    A text's number is its place in sorted order, so that it does not depend on the order of the samples.
    """
    if len(names) > LARGEST:
        return _wrong(f"labels hold {len(names)} different texts: at most {LARGEST} classes")
    order = sorted(range(len(names)), key=names.__getitem__)
    number = np.empty(len(names), dtype=np.int64)
    number[order] = np.arange(len(names))
    classes = tuple(plain(names[place], NAME_LENGTH) for place in order)
    shown = named((f"{code} = {name}" for code, name in enumerate(classes)), most=10)
    return Labels(number[at], classes, (f"labels were text, numbered in sorted order: {shown}",), ())


def misplaced(y: NDArray[np.int64], classes: int) -> str | None:
    """What is wrong with labels for a model or a list of ``classes`` classes, None where nothing is."""
    if y.size == 0 or int(y.max()) < classes:
        return None
    beyond = np.flatnonzero(y >= classes)
    return (
        f"{beyond.size} labels are out of range: label {y[beyond[0]]} at sample {beyond[0]}, "
        f"{classes} classes are 0..{classes - 1}"
    )


def _of_numbers(raw: NDArray[np.generic]) -> Labels:
    if raw.ndim != 1:
        return _wrong(f"labels have shape {raw.shape}, one a sample is wanted")
    if raw.dtype.kind == "f" and (raw != np.floor(raw)).any():
        return _wrong("labels are fractions: give class numbers 0, 1, …, not scores")
    low, high = raw.min().item(), raw.max().item()
    if low < 0:
        return _wrong(f"labels from {low:g} to {high:g} are out of range: classes count from 0")
    if high >= LARGEST:
        return _wrong(f"label {high:g} is out of range: at most {LARGEST} classes")
    notes = (
        (f"labels run from 1 to {high:g}: classes count from 0, and none is 0 here",)
        if 1 == low < high
        else ()
    )
    return Labels(raw.astype(np.int64), None, notes, ())


def _of_one_hot(raw: NDArray[np.generic]) -> Labels:
    ones = raw == 1
    if raw.shape[1] > LARGEST or not (((raw == 0) | ones).all() and (ones.sum(axis=1) == 1).all()):
        return _wrong(f"labels of shape {raw.shape} are not one-hot: give class numbers, one a sample")
    y = ones.argmax(axis=1).astype(np.int64)
    return Labels(y, None, (f"labels were one-hot over {raw.shape[1]} classes",), ())


def _of_text(raw: NDArray[np.generic]) -> Labels:
    if raw.ndim != 1:
        return _wrong(f"labels have shape {raw.shape}, one a sample is wanted")
    texts = raw.tolist()
    different = list(dict.fromkeys(texts))
    place = {text: at for at, text in enumerate(different)}
    return numbered(different, np.array([place[text] for text in texts], dtype=np.int64))


def _wrong(fault: str) -> Labels:
    return Labels(np.zeros(0, dtype=np.int64), None, (), (fault,))
