"""What the columns of a table hold, from one pass over batches of its rows, in memory that does not grow."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.extras import needs
from ancile.data.checking.hashing import Words, cell_hashes, numbers_of
from ancile.data.checking.tricks import tricks_in
from ancile.data.rows import Integers
from ancile.inputs.batches import is_moment
from ancile.inputs.tables import is_text
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    import pyarrow as pa

DIFFERENT = 1024  # hashes that estimate how many different values there are, to about 3 %
CATEGORIES = 200  # different texts that are counted one by one; more are no categories
CATEGORY_LENGTH = 80
TRICKED = 1000  # rows of one trick in one column that are named


class Trick(NamedTuple):
    """How often a column has a trick, and the first rows that have it."""

    times: int
    rows: tuple[int, ...]


class Column(NamedTuple):
    """What a column holds.

    kind        number, text, time
    rows        in all
    missing     empty cells and empty texts
    broken      infinite or NaN cells
    low, high   of the finite numbers; NaN where there are none
    whole       whether all of its numbers are whole
    different   values, about; exact up to 1,024
    categories  text to how often, where there are few; empty else
    length      characters of its texts, on average
    tricks      name of a trick to where
    """

    name: str
    kind: str
    rows: int
    missing: int
    broken: int
    low: float
    high: float
    whole: bool
    different: int
    categories: dict[str, int]
    length: float
    tricks: dict[str, Trick]


class Different:
    """About how many different hashes there were: the k-th smallest says how close they lie (Bar-Yossef et
    al. 2002, "Counting distinct elements in a data stream").
    """

    def __init__(self) -> None:
        self._kept = np.zeros(0, dtype=np.uint64)

    def take(self, hashes: Words) -> None:
        """Look at more of them."""
        if len(self._kept) == DIFFERENT:
            hashes = hashes[hashes < self._kept[-1]]
        if hashes.size:
            self._kept = np.unique(np.concatenate((self._kept, hashes)))[:DIFFERENT]

    def number(self) -> int:
        """Different ones; exact where there are fewer than 1,024."""
        if len(self._kept) < DIFFERENT:
            return len(self._kept)
        return round((DIFFERENT - 1) / (int(self._kept[-1]) / 2**64))


class Profiling:
    """Goes through one column, batch by batch."""

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self._name = name
        self._kind = "text" if is_text(kind) else "time" if is_moment(kind) else "number"
        self._rows = self._missing = self._broken = self._length = 0
        self._low, self._high, self._whole = math.inf, -math.inf, True
        self._different = Different()
        self._categories: Counter[str] | None = Counter()
        self._tricks: dict[str, Trick] = {}

    def take(self, cells: pa.Array) -> Words:
        """Look at the next cells; their hashes."""
        hashes = cell_hashes(cells)
        self._different.take(hashes if not cells.null_count else hashes[_filled(cells)])
        if self._kind == "text":
            self._texts(cells)
        else:
            self._numbers(cells)
        self._rows += len(cells)
        return hashes

    def _numbers(self, cells: pa.Array) -> None:
        numbers = numbers_of(cells)
        finite = numbers[np.isfinite(numbers)]
        self._missing += cells.null_count
        self._broken += len(numbers) - len(finite) - cells.null_count
        if finite.size:
            self._low, self._high = min(self._low, finite.min()), max(self._high, finite.max())
            self._whole = self._whole and bool((finite == np.floor(finite)).all())

    def _texts(self, cells: pa.Array) -> None:
        compute = needs("pyarrow.compute", "tables")
        for name, at in tricks_in(cells).items():
            before = self._tricks.get(name, Trick(0, ()))
            room = TRICKED - len(before.rows)
            rows = (*before.rows, *(at[:room] + self._rows).tolist())
            self._tricks[name] = Trick(before.times + len(at), rows)
        lengths = _lengths(cells)
        self._missing += int(np.count_nonzero(lengths == 0))
        self._length += int(lengths.sum())
        if self._categories is None:
            return
        counts = compute.value_counts(cells)
        if len(counts) > CATEGORIES + 1:
            self._categories = None
            return
        for value, number in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
            if value:
                self._categories[value] += number
        if len(self._categories) > CATEGORIES or max(map(len, self._categories), default=0) > CATEGORY_LENGTH:
            self._categories = None

    def found(self) -> Column:
        """What the column holds."""
        filled = self._rows - self._missing
        none = not self._low <= self._high
        return Column(
            name=self._name,
            kind=self._kind,
            rows=self._rows,
            missing=self._missing,
            broken=self._broken,
            low=math.nan if none else float(self._low),
            high=math.nan if none else float(self._high),
            whole=self._whole and not none,
            different=self._different.number(),
            categories=dict(self._categories or {}),
            length=self._length / filled if filled and self._kind == "text" else 0.0,
            tricks=self._tricks,
        )


def _lengths(cells: pa.Array) -> Integers:
    """(n,) characters of each text, 0 where it is empty."""
    compute, types = needs("pyarrow.compute", "tables"), needs("pyarrow.types", "tables")
    coded = types.is_dictionary(cells.type)
    counted = compute.utf8_length(cells.dictionary if coded else cells).fill_null(0)
    lengths: Integers = counted.to_numpy(zero_copy_only=False).astype(np.int64)
    if not coded:
        return lengths
    codes = cells.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    of_cells: Integers = np.append(lengths, np.int64(0))[codes]
    return of_cells


def _filled(cells: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = cells.is_valid().to_numpy(zero_copy_only=False)
    return found
