"""No more of an answer than the role has: the best few classes, labels alone, nothing where it is unsure.

These slow extraction and attacks on scores; they do not hide membership (Choquette-Choo et al., ICML 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ancile.numeric import np
from ancile.serve.scores import Layout, is_distribution, replaced
from ancile.serve.signature import is_float
from ancile.serve.tensors import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

BELOW = 10.0  # logits under the smallest that is shown: a probability of e^-10 of it


def abstained(outputs: Sequence[Tensor], layout: Layout, unsure: NDArray[np.bool_]) -> list[Tensor]:
    """Of the unsure rows all classes alike, and -1 as the label."""
    found = []
    for one in outputs:
        array: NDArray[Any] = one.array
        if one.name == layout.scores:
            same = 1.0 / array.shape[1] if is_distribution(array) else 0.0
            array = np.where(unsure[:, None], same, array)
        elif one.name == layout.labels and array.shape == unsure.shape:
            array = np.where(unsure, -1, array)
        found.append(one._replace(array=array.astype(one.array.dtype, copy=False)))
    return found


def topped_off(scores: NDArray[np.floating], top: int) -> NDArray[np.floating]:
    """The ``top`` largest of each row; the others are 0, of logits far below."""
    if top >= scores.shape[1]:
        return scores
    least = np.partition(scores, -top, axis=1)[:, -top, None]
    rest = 0.0 if is_distribution(scores) else least - BELOW
    # Of equals only as many as are shown: ties of an unsure model would show more.
    order = np.argsort(-scores, axis=1, kind="stable")
    kept = np.zeros(scores.shape, bool)
    np.put_along_axis(kept, order[:, :top], values=True, axis=1)
    found: NDArray[np.floating] = np.where(kept, scores, rest)
    return found


def labelled(outputs: Sequence[Tensor], layout: Layout, scores: NDArray[np.floating]) -> list[Tensor]:
    """1 for the best class and 0 for the others; every other floating number is 0."""
    best = scores.argmax(axis=1)
    sure = np.zeros(scores.shape, np.float32)
    sure[np.arange(len(best)), best] = 1.0
    return replaced(without_numbers(outputs, layout), layout, sure, best)


def without_numbers(outputs: Sequence[Tensor], layout: Layout) -> list[Tensor]:
    """Floating numbers that are no scores are 0."""
    return [
        one._replace(array=np.zeros_like(one.array))
        if is_float(one.datatype) and one.name != layout.scores
        else one
        for one in outputs
    ]
