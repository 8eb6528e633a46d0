"""How improbable a count is where the rate is known."""

from __future__ import annotations

import math


def excess(count: int, out_of: int, rate: float) -> float:
    """-log10 of the chance that at least ``count`` of ``out_of`` are hit, each with chance ``rate``."""
    if count <= 0 or rate >= 1:
        return 0.0
    if rate <= 0:
        return math.inf
    terms = [
        math.lgamma(out_of + 1)
        - math.lgamma(k + 1)
        - math.lgamma(out_of - k + 1)
        + k * math.log(rate)
        + (out_of - k) * math.log1p(-rate)
        for k in range(count, out_of + 1)
    ]
    most = max(terms)
    return -(most + math.log(sum(math.exp(term - most) for term in terms))) / math.log(10)
