"""How many people of a table share what others may know of them: k-anonymity, l-diversity, risk.

A class is the rows that are equal in the quasi-identifiers (Samarati and Sweeney 1998; Sweeney 2002): k is
the size of the smallest. Whoever knows that somebody is in the table, and those values, finds them with a
chance of one over the size of the class (the prosecutor's risk: El Emam and Dankar 2008). l is the least
number of different sensitive values in a class, and of the entropy kind exp of its entropy (Machanavajjhala
et al. 2007, definition 4.1): where it is one, who is in the class has that value, found or not. Rows are
counted by 64-bit hashes, a batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.data.checking.hashing import Words, cell_hashes, row_hashes
from ancile.inputs.tables import is_number, is_text
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    import pyarrow as pa

    from ancile.inputs.batches import Batches

SIZES = (2, 3, 5, 10, 20)  # of classes, that a report counts rows below
TRIED_ROWS = 100_000  # of the first, to suggest quasi-identifiers
MOST_SUGGESTED = 8
IDENTIFIES = 0.95  # of rows: a column with so many different values names people by itself
ENOUGH = 0.8  # classes a row: more columns say little more
LITTLE = 0.005  # classes a row that a further column makes
MERGE_ROWS = 4 << 20  # hashes that wait before they are counted


class Classes(NamedTuple):
    """Rows equal in the quasi-identifiers.

    sizes    (m,) of the classes
    diverse  (m,) different sensitive values in each; empty without a sensitive column
    entropy  (m,) exp of the entropy of the sensitive values in each; likewise
    """

    sizes: NDArray[np.int64]
    diverse: NDArray[np.int64]
    entropy: NDArray[np.float64]


class Step(NamedTuple):
    """A column that was suggested, and the share of rows that are alone with it and those before."""

    column: str
    single: float


class Suggested(NamedTuple):
    """Columns that name people by themselves, and quasi-identifiers, those first that single out most."""

    identifiers: tuple[str, ...]
    steps: tuple[Step, ...]


def classes_of(batches: Batches, quasi: Sequence[str], sensitive: Sequence[str] = ()) -> Classes:
    """The classes of a table; AncileError for a column that it has not."""
    for name in (*quasi, *sensitive):
        if name not in batches.names:
            raise AncileError(
                "no such column",
                value=plain(name, 80),
                remedy=plain(f"it has {', '.join(batches.names)}", 300),
            )
    counter = _Counter()
    for batch in batches.read():
        keys = row_hashes([cell_hashes(batch.column(name)) for name in quasi])
        values = [cell_hashes(batch.column(name)) for name in sensitive]
        counter.take(keys, row_hashes(values) if values else np.zeros(len(keys), dtype=np.uint64))
    keys, counts = counter.counted()
    if not len(counts):
        raise AncileError("the table has no rows", value="", remedy="give a table with rows")
    starts = np.flatnonzero(np.append(True, keys[1:, 0] != keys[:-1, 0]))
    sizes = np.add.reduceat(counts, starts)
    if not sensitive:
        return Classes(sizes, np.zeros(0, dtype=np.int64), np.zeros(0))
    diverse = np.diff(np.append(starts, len(counts)))
    share = counts / np.repeat(sizes, diverse)
    return Classes(sizes, diverse, np.exp(-np.add.reduceat(share * np.log(share), starts)))


class _Counter:
    """Counts pairs of a class and a sensitive value; memory follows the number of different pairs."""

    def __init__(self) -> None:
        self._waiting: list[NDArray[np.uint64]] = []
        self._rows = 0
        self._keys = np.zeros((0, 2), dtype=np.uint64)
        self._counts = np.zeros(0, dtype=np.int64)

    def take(self, keys: Words, values: Words) -> None:
        self._waiting.append(np.stack([keys, values], axis=1))
        self._rows += len(keys)
        if self._rows >= MERGE_ROWS:
            self._merge()

    def _merge(self) -> None:
        keys = np.concatenate([self._keys, *self._waiting])
        ones = np.ones(len(keys) - len(self._keys), dtype=np.int64)
        counts = np.concatenate([self._counts, ones])
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        keys, counts = keys[order], counts[order]
        if len(keys):
            starts = np.flatnonzero(np.append(True, (keys[1:] != keys[:-1]).any(axis=1)))
            keys, counts = keys[starts], np.add.reduceat(counts, starts)
        self._keys, self._counts = keys, counts
        self._waiting, self._rows = [], 0

    def counted(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Different pairs in order, and how often each stands there."""
        self._merge()
        return self._keys, self._counts


def suggest(batches: Batches, besides: Iterable[str] = ()) -> Suggested:
    """Columns of the first 100,000 rows that single rows out, chosen one after the other.

    besides  columns that are none, such as sensitive ones
    """
    left_out = set(besides)
    columns: dict[str, list[Words]] = {}
    rows = 0
    for batch in batches.read():
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in left_out and _may_be_known(column):
                columns.setdefault(name, []).append(cell_hashes(column))
        rows += batch.num_rows
        if rows >= TRIED_ROWS:
            break
    hashed = {name: np.concatenate(some) for name, some in columns.items()}
    different = {name: len(np.unique(one)) for name, one in hashed.items()}
    named = tuple(name for name in hashed if different[name] >= IDENTIFIES * rows > 1)
    left = {name: one for name, one in hashed.items() if name not in named and different[name] > 1}
    return Suggested(named, tuple(_chosen(left, rows)))


def _may_be_known(column: pa.Array) -> bool:
    """Whether people may know the values of others: texts, whole numbers and days, no measured reals."""
    kind = column.type
    if is_text(kind):
        return True
    if not is_number(kind) or ("float" not in str(kind) and "double" not in str(kind)):
        return True
    reals = column.to_numpy(zero_copy_only=False)
    kept = reals[np.isfinite(reals)]
    return bool(len(kept)) and bool((kept == np.floor(kept)).all())


def _chosen(left: dict[str, Words], rows: int) -> Iterator[Step]:
    """The column that makes most classes of those before, again and again, while it makes many more."""
    chosen: list[Words] = []
    before = 0.0
    while left and len(chosen) < MOST_SUGGESTED and before < ENOUGH:
        found = {name: _shares([*chosen, one], rows) for name, one in left.items()}
        best = max(found, key=lambda name: (found[name], name))
        classes, single = found[best]
        if chosen and classes - before < LITTLE:
            return
        before = classes
        chosen.append(left.pop(best))
        yield Step(best, single)


def _shares(columns: list[Words], rows: int) -> tuple[float, float]:
    """Classes, and rows that no other is equal to, as shares of the rows."""
    _, counts = np.unique(row_hashes(columns), return_counts=True)
    return len(counts) / max(1, rows), float((counts == 1).sum() / max(1, rows))
