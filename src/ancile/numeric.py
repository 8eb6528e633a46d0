"""numpy for every room that reckons, or the one line that says which extra brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.core.extras import needs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray
else:
    np = needs("numpy", "arrays")
    typing = needs("numpy.typing", "arrays")
    ArrayLike, NDArray = typing.ArrayLike, typing.NDArray

__all__ = ["ArrayLike", "NDArray", "np"]
