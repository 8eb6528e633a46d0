"""What a reference set says of one model's callers, a field for each guard that learns from it."""

from __future__ import annotations

from typing import NamedTuple

from ancile.serve.guards.sequence import Benign


class Learned(NamedTuple):
    """None where nothing was learned: that guard then has nothing to say.

    sequence  which distances the queries of benign callers have
    """

    sequence: Benign | None = None


UNLEARNED = Learned()
