"""What a reference set says of one model's callers, a field for each guard that learns from it."""

from __future__ import annotations

from typing import NamedTuple

from ancile.serve.guards.collusion import Pairs
from ancile.serve.guards.fingerprint import Texts
from ancile.serve.guards.outlier import Usual
from ancile.serve.guards.sequence import Benign
from ancile.serve.guards.squeezing import Squeezing
from ancile.serve.guards.trigger import Trigger
from ancile.serve.ranks import Ranks
from ancile.serve.strange import Table


class Learned(NamedTuple):
    """None where nothing was learned: that guard then has nothing to say.

    sequence  which distances the queries of benign callers have
    collusion  how near two samples are to each other
    outlier   what the samples are like
    strange   the same by the ranks of their values, of a table
    margins   how unsure the model is about them: ranks of minus the margin
    differing  which share of an ensemble names another class
    texts     how similar they are to each other
    squeezing, trigger  how samples are probed, and what the model then says of benign ones
    """

    sequence: Benign | None = None
    outlier: Usual | None = None
    strange: Table | None = None
    margins: Ranks | None = None
    differing: Ranks | None = None
    squeezing: Squeezing | None = None
    trigger: Trigger | None = None
    collusion: Pairs | None = None
    texts: Texts | None = None


UNLEARNED = Learned()
