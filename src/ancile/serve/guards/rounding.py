"""Answers no more exact than the role has them: fewer digits slow extraction and score-based attacks down.

They do not hide membership (Choquette-Choo et al., ICML 2021: attacks on labels alone do as well).
"""

from __future__ import annotations

from collections.abc import Sequence

from ancile.serve.tensors import TYPES, Tensor


def rounding(outputs: Sequence[Tensor], *, digits: int) -> list[Tensor]:
    """The outputs with every floating number rounded to ``digits`` behind the point, half to even."""
    return [
        tensor._replace(array=tensor.array.round(digits))
        if tensor.datatype in TYPES and TYPES[tensor.datatype].kind == "f"
        else tensor
        for tensor in outputs
    ]
