"""In which order a batch job sends rows: by one value, or by several as a database sorts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ancile.numeric import np
from ancile.serve.ranks import QUERIES, Ranks, added

if TYPE_CHECKING:
    from numpy.typing import NDArray

SORTED_BY = 6  # values at most, the first one foremost
JOBS = 60
SLACK = 1.5  # of what the highest of the jobs comes to: real ones are other than simulated ones


def sorted_order(samples: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.intp]:
    """Numbers of up to 600 of the samples, (n, values), as one job sends them."""
    chosen = rng.permutation(len(samples))[:QUERIES]
    by = rng.permutation(samples.shape[1])[: int(rng.integers(1, SORTED_BY + 1))]
    found: NDArray[np.intp] = chosen[np.lexsort(samples[np.ix_(chosen, by)].T[::-1])]
    return found


def for_jobs(ranks: Ranks, values: Sequence[float], samples: NDArray[np.floating], *, seed: int = 0) -> Ranks:
    """The same with a limit that no sorted job comes to; ``values`` are those of the samples.

    Independent values stay below the limit that there is; sorted by amount the large ones come together.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    highest = 0.0
    for _ in range(JOBS):
        total = 0.0
        for at in sorted_order(samples, rng):
            total = added(total, (values[at],), ranks)
            highest = max(highest, total)
    return ranks._replace(limit=max(ranks.limit, SLACK * highest))
