"""What a reference set says of one model's callers, a field for each guard that learns from it."""

from __future__ import annotations

from typing import NamedTuple

from ancile.serve.guards.outlier import Usual
from ancile.serve.guards.sequence import Benign
from ancile.serve.ranks import Ranks


class Learned(NamedTuple):
    """None where nothing was learned: that guard then has nothing to say.

    sequence  which distances the queries of benign callers have
    outlier   what the samples are like
    margins   how unsure the model is about them: ranks of minus the margin
    """

    sequence: Benign | None = None
    outlier: Usual | None = None
    margins: Ranks | None = None


UNLEARNED = Learned()
