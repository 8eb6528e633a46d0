"""The ball around each sample and the bounds that cut it, for a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.attacks.constraint import BEYOND, Constraint, require_count
from ancile.core.errors import AncileError
from ancile.numeric import np

if TYPE_CHECKING:
    from ancile.attacks.ball import Norm
    from ancile.inputs.dataset import Dataset


def ball_in(data: Dataset, *, norm: Norm, eps: float, in_ranges: bool, wide: str) -> Constraint:
    """The constraint with the data's own bounds.

    in_ranges  whether eps is a share of each feature's range
    wide       how whoever asks says that pictures keep their 8-bit values
    """
    require_count(norm, eps)
    scale = data.scale if in_ranges else None
    try:
        return Constraint(norm=norm, eps=eps, low=data.low, high=data.high, scale=scale)
    except AncileError as fault:
        unit = bool((np.asarray(data.low) == 0).all() and (np.asarray(data.high) == 1).all())
        if fault.what != BEYOND or not unit:
            raise
        hint = f"8-bit pictures are divided by 255, unless {wide} says that the model takes them as they are"
        raise AncileError(fault.what, value=fault.value, remedy=f"{fault.remedy}; {hint}") from None
