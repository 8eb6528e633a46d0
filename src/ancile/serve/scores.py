"""Which of a model's outputs are scores of classes and which is the class; both are changed together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ancile.numeric import np
from ancile.serve.inference import Infer
from ancile.serve.record import texts
from ancile.serve.signature import Signature, is_float
from ancile.serve.tensors import BYTES, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.floating]

FEW = 64  # classes that a list is sorted of as soon as an array
SUM_OFF = 1e-3  # of one: float16 probabilities of a thousand classes add up to that


class Layout(NamedTuple):
    """Names of outputs, empty where the model has none.

    scores  floating, a column for each of at least two classes
    labels  the number of the class
    classes  columns, -1 where the signature does not say
    """

    scores: str
    labels: str
    classes: int


def layout_of(signature: Signature) -> Layout:
    """The first output of each kind."""
    found = [one for one in signature.outputs if is_float(one.datatype) and len(one.shape) == 2]
    found = [one for one in found if one.shape[1] != 1]
    labels = [one for one in signature.outputs if one.datatype in ("INT64", "INT32") and len(one.shape) == 1]
    return Layout(
        found[0].name if found else "", labels[0].name if labels else "", found[0].shape[1] if found else -1
    )


def scores_in(outputs: Sequence[Tensor], layout: Layout, *, rows: int) -> Scores | None:
    """The scores of an answer, (rows, classes)."""
    for one in outputs:
        if one.name == layout.scores:
            array: NDArray[Any] = one.array
            if array.ndim == 2 and array.shape[0] == rows and array.shape[1] > 1:
                return array
    return None


def is_distribution(scores: Scores) -> bool:
    """Whether each row is probabilities, not logits."""
    if float(scores.min()) < 0.0:
        return False
    return bool((np.abs(scores.sum(axis=1) - 1.0) < SUM_OFF).all())


def probabilities(scores: Scores) -> Scores:
    """Scores as probabilities; of logits their softmax."""
    if is_distribution(scores):
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Scores = powers / powers.sum(axis=1, keepdims=True)
    return found


def margins(shares: Scores) -> Scores:
    """The largest probability of each row less the second."""
    best = np.partition(shares, -2, axis=1)
    found: Scores = best[:, -1] - best[:, -2]
    return found


def unsureness(scores: Scores) -> list[float]:
    """Minus the margin of each row; of one row at a fifth of the cost of arrays."""
    if len(scores) > 1 or scores.shape[1] > FEW:
        return (-margins(probabilities(scores))).tolist()  # type: ignore[no-any-return]  # of floats
    row = scores[0].tolist()
    order = sorted(row)
    if order[0] >= 0.0 and abs(sum(row) - 1.0) < SUM_OFF:
        return [order[-2] - order[-1]]
    best = order[-1]
    powers = [math.exp(one - best) for one in order]
    return [(powers[-2] - 1.0) / sum(powers)]


def replaced(
    outputs: Sequence[Tensor], layout: Layout, scores: Scores, classes: NDArray[np.intp]
) -> list[Tensor]:
    """The outputs with other scores, whose largest are ``classes``; a class number follows its scores.

    It follows where it was the column of the largest score; a model with names of its own for classes keeps
    what it said.
    """
    changed = []
    before = None
    for one in outputs:
        if one.name == layout.scores:
            before = one.array.argmax(axis=1)
            changed.append(one._replace(array=scores.astype(one.array.dtype, copy=False)))
        else:
            changed.append(one)
    if before is None:
        return changed
    for at, one in enumerate(changed):
        if one.name == layout.labels and one.array.shape == before.shape:
            said: NDArray[Any] = one.array
            changed[at] = one._replace(array=np.where(said == before, classes, said).astype(said.dtype))
    return changed


def topped(scores: Scores, classes: NDArray[np.intp]) -> Scores:
    """A copy in which the largest score of each row has changed places with that of its class."""
    found = scores.copy()
    rows = np.arange(len(found))
    best = found.argmax(axis=1)
    found[rows, best], found[rows, classes] = scores[rows, classes], scores[rows, best]
    return found


def row_draws(infer: Infer, key: bytes, count: int) -> NDArray[np.float64]:
    """For each row of a request ``count`` numbers in [0, 1) that only the key tells.

    The same row has the same numbers, alone or among others; -0.0 is 0.0. A row that is all but the same has
    others.
    """
    found = [np.frombuffer(hashlib.shake_128(key + row).digest(8 * count), "<u8") for row in row_bytes(infer)]
    return np.array(found) * 2.0**-64


def row_bytes(infer: Infer) -> list[bytes]:
    """The values of each row over all inputs; equal rows have equal ones.

    An input of another length, as a threshold is, belongs to every row.
    """
    parts = [_rows(one) for one in infer.inputs]
    count = max(map(len, parts))
    whole = [one if len(one) == count else [b"".join(one)] * count for one in parts]
    return [b"".join(row) for row in zip(*whole, strict=True)]


def _rows(tensor: Tensor) -> list[bytes]:
    if tensor.datatype == BYTES:
        return [b"".join(texts(one.ravel())) for one in tensor.array]
    array: NDArray[Any] = tensor.array
    if is_float(tensor.datatype):
        array = array + array.dtype.type(0)
    return [row.tobytes() for row in array]
