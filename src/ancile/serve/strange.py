"""How far a row of a table is from the rows of a reference set, each value taken by its rank.

Ranks make a skewed value, a code such as -9 and a share of zeros comparable; the nearest row then tells a
mixture of values that never go together, which Mahalanobis' distance takes for usual where relations bend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.orders import for_jobs
from ancile.serve.ranks import Ranks, ranks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOTS = 15  # of a value's distribution: a sixteenth of the rows between two
MOST_ROWS = 512  # that a row is compared with
WIDEST = 64  # values of a row: of an image no pixel says anything
OF = 4  # samples of which one is looked at, which one only the key tells: theft takes hundreds


class Table(NamedTuple):
    """Rows of a reference by rank.

    knots   (KNOTS, values) quantiles of each value
    rows    (n, values) ranks
    halves  (n,) half of their squared norms
    ranks   of distances of rows that are not among them
    """

    knots: NDArray[np.float32]
    rows: NDArray[np.float32]
    halves: NDArray[np.float32]
    ranks: Ranks

    def distance(self, row: NDArray[np.floating]) -> float:
        """Of a flat row from the nearest of the reference; 1 is one value at the other end of its range."""
        point = _ranked(self.knots, row)
        best = float((self.rows.dot(point) - self.halves).max())
        return float(max(0.0, float(point.dot(point)) - 2.0 * best) ** 0.5)


_SHARES = np.full(KNOTS, 0.5 / KNOTS, np.float32)


def _ranked(knots: NDArray[np.float32], row: NDArray[np.floating]) -> NDArray[np.float32]:
    """Each value's share of knots below it, of those equal to it the half."""
    value = row.astype(np.float32, copy=False)
    below = np.add(np.less_equal(knots, value), np.less(knots, value), dtype=np.float32)
    return np.asarray(np.dot(_SHARES, below))


def table_of(x: NDArray[np.floating], *, seed: int = 0) -> Table | None:
    """The reference set ``x``, (n, *shape), by rank; None where a sample has more than 64 values."""
    rng = np.random.Generator(np.random.Philox(seed))
    flat = np.ascontiguousarray(x.reshape(len(x), -1), np.float32)[rng.permutation(len(x))]
    if flat.shape[1] > WIDEST:
        return None
    known = min(len(flat) // 2, MOST_ROWS)
    shares = np.linspace(0, 1, KNOTS + 2)[1:-1]
    knots = np.ascontiguousarray(np.quantile(flat, shares, axis=0, method="nearest"), np.float32)
    rows = np.array([_ranked(knots, row) for row in flat[:known]])
    table = Table(knots, rows, 0.5 * np.square(rows).sum(axis=1), Ranks((), 0.0))
    others = flat[known:]
    distances = [table.distance(row) for row in others]
    return table._replace(ranks=for_jobs(ranks_of(distances), distances, others))
