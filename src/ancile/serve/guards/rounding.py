"""Answers no more exact than the role has them: fewer digits slow extraction and score-based attacks down.

They do not hide membership (Choquette-Choo et al., ICML 2021: attacks on labels alone do as well).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ancile.numeric import np
from ancile.serve.signature import is_float
from ancile.serve.tensors import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_BYTES = 4  # of a value: 10^17 is beyond a half


def rounding(outputs: Sequence[Tensor], *, digits: int) -> list[Tensor]:
    """The outputs with every floating number rounded to ``digits`` behind the point, half to even."""
    return [
        Tensor(one.name, one.datatype, rounded(one.array, digits)) if is_float(one.datatype) else one
        for one in outputs
    ]


def rounded(array: NDArray[Any], digits: int) -> NDArray[Any]:
    """As numpy's own, at two thirds of its cost for the few values of an answer."""
    if not digits or array.dtype.itemsize < LEAST_BYTES:
        found: NDArray[Any] = array.round(digits)
        return found
    scale = _scale(array.dtype, digits)
    found = np.multiply(array, scale)
    np.rint(found, found)
    np.divide(found, scale, found)
    return found


@lru_cache(maxsize=64)
def _scale(dtype: np.dtype[Any], digits: int) -> NDArray[Any]:
    return np.array(10.0**digits, dtype)
