"""How often the model is asked more than its callers asked."""

from __future__ import annotations

import msgspec


class Probing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``squeezing`` and ``trigger`` add to the load, where the profile has them on.

    share   of the requests that are probed
    bits    of a squeezed value
    blends  with other samples, to look for a trigger
    """

    share: float = 0.1
    bits: int = 4
    blends: int = 8

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and 1 <= self.bits <= 16 and 2 <= self.blends <= 64):
            raise ValueError("share is 0 to 1, bits are 1 to 16, blends 2 to 64")
