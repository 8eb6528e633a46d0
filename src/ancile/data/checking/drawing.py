"""Rows of a table that is larger than memory, drawn at random in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.core.extras import needs
from ancile.data.rows import Integers
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    import pyarrow as pa

SLACK = 2  # times as many rows as are wanted are held before the surplus goes


class Drawn(NamedTuple):
    """Rows of a table in their order, and which rows of the file they are, from 0."""

    table: pa.Table
    places: Integers


class Drawing:
    """A draw of ``size`` rows without replacement, from batches; all of them where there are no more.

    Each row has a raw Philox word (Salmon et al. 2011) by its place, whatever the batches, and those with the
    smallest stay: a draw is the same for the same rows and seed.
    """

    def __init__(self, schema: pa.Schema, size: int, *, seed: int) -> None:
        self._schema, self._size = schema, size
        self._words = np.random.Philox(key=seed % (1 << 128))
        self._cut = np.uint64(2**64 - 1)
        self._kept: list[pa.Table] = []
        self._places: list[Integers] = []
        self._ranks: list[NDArray[np.uint64]] = []
        self._held = 0
        self.seen = 0

    def take(self, batch: pa.RecordBatch) -> None:
        """Look at the next rows."""
        arrow = needs("pyarrow", "tables")
        words = self._words.random_raw(batch.num_rows)
        chosen = np.flatnonzero(words <= self._cut)
        if chosen.size:
            columns = [_taken(one, chosen) for one in batch.columns]
            self._kept.append(arrow.table(columns, schema=self._schema))
            self._places.append(chosen.astype(np.int64) + self.seen)
            self._ranks.append(words[chosen])
            self._held += chosen.size
        self.seen += batch.num_rows
        if self._held > SLACK * self._size:
            self._lighten()

    def _lighten(self) -> None:
        arrow = needs("pyarrow", "tables")
        table = arrow.concat_tables(self._kept).unify_dictionaries()
        places, ranks = np.concatenate(self._places), np.concatenate(self._ranks)
        chosen = np.sort(np.argsort(ranks, kind="stable")[: self._size])
        columns = [_taken(one, chosen) for one in table.columns]
        self._kept = [arrow.table(columns, schema=self._schema)]
        self._places, self._ranks = [places[chosen]], [ranks[chosen]]
        self._cut, self._held = ranks[chosen].max(), chosen.size

    def drawn(self) -> Drawn:
        """What was drawn."""
        arrow = needs("pyarrow", "tables")
        if self._held > self._size:
            self._lighten()
        if not self._kept:
            return Drawn(self._schema.empty_table(), np.zeros(0, dtype=np.int64))
        return Drawn(arrow.concat_tables(self._kept).unify_dictionaries(), np.concatenate(self._places))


def _taken(column: pa.Array | pa.ChunkedArray, chosen: NDArray[np.integer]) -> pa.Array:
    """Some cells; of a dictionary no more than they need, which else is held whole."""
    arrow, types = needs("pyarrow", "tables"), needs("pyarrow.types", "tables")
    if isinstance(column, arrow.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    some = column.take(arrow.array(chosen))
    if not types.is_dictionary(some.type):
        return some
    codes = some.indices.cast(arrow.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    used, places = np.unique(codes, return_inverse=True)
    empty = int(used.size > 0 and used[0] < 0)
    indices = arrow.array((places - empty).astype(np.int32), mask=codes < 0)
    return arrow.DictionaryArray.from_arrays(indices, some.dictionary.take(arrow.array(used[empty:])))
