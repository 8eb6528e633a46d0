"""The table ``[serve.review]``."""

from __future__ import annotations

from typing import Literal

import msgspec


class ReviewConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests are held for a person.

    input        what is kept of one: sealed (encrypted), or digest (nothing but a keyed digest)
    pending      requests that wait at most, of all identities; 0: none is held, and review means 503
    each         of one identity
    wait_seconds until a request that nobody decided is refused
    keep_days    that a decision stands, and its input is kept
    benign       approvals in a row, labelled benign, after which a guard no more holds that identity at that
                 model; 0: never
    attack       rejections in a row, labelled attack, after which it throttles it instead; 0: never
    """

    input: Literal["sealed", "digest"] = "sealed"
    pending: int = 1000
    each: int = 16
    wait_seconds: float = 3600.0
    keep_days: float = 30.0
    benign: int = 3
    attack: int = 3

    def __post_init__(self) -> None:
        if not (0 <= self.pending <= 100_000 and 0 < self.each <= 10_000):
            raise ValueError("pending are 0 to 100000, each 1 to 10000")
        if not (1 <= self.wait_seconds <= 1e7 and 0 < self.keep_days <= 3650):
            raise ValueError("wait_seconds are 1 to 1e7, keep_days up to 3650")
        if not (0 <= self.benign <= 1000 and 0 <= self.attack <= 1000):
            raise ValueError("benign and attack are 0 to 1000")
