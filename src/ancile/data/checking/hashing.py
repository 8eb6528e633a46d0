"""A 64-bit hash of every cell and row of a batch, the same for equal values in any batch of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ancile.core.extras import needs
from ancile.inputs.tables import is_text
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    import pyarrow as pa

Words: TypeAlias = NDArray[np.uint64]

GOLDEN = 0x9E3779B97F4A7C15  # SplitMix64: Steele, Lea, Flood 2014, section 4
ODD = 0x2545F4914F6CDD1D  # multiplier of the polynomial; odd, so that it can be undone
NOTHING = 0x6A09E667F3BCC909  # of an empty cell


def cell_hashes(column: pa.Array) -> Words:
    """(n,) hashes of the cells; equal numbers hash alike, whatever their type in the file."""
    arrow, types = needs("pyarrow", "tables"), needs("pyarrow.types", "tables")
    if types.is_dictionary(column.type):
        of_values = cell_hashes(column.dictionary)
        codes = column.indices.cast(arrow.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        words: Words = np.append(of_values, np.uint64(NOTHING))[codes]
        return words
    if is_text(column.type):
        found = _of_texts(column)
    else:
        numbers = numbers_of(column)
        numbers = np.where(numbers == 0, 0.0, numbers)  # -0.0 equals 0.0
        found = mixed(numbers.view(np.uint64))
    if column.null_count:
        found = np.where(column.is_null().to_numpy(zero_copy_only=False), np.uint64(NOTHING), found)
    return found


def numbers_of(column: pa.Array) -> NDArray[np.float64]:
    """Numbers, booleans, dates and times as float64, gaps as NaN; times as the integers that they are."""
    arrow, types = needs("pyarrow", "tables"), needs("pyarrow.types", "tables")
    kind = column.type
    if types.is_boolean(kind):
        column = column.cast(arrow.int8())
    elif types.is_temporal(kind):
        column = column.view(arrow.int32() if kind.bit_width == 32 else arrow.int64())
    found: NDArray[np.float64] = column.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    return found


def row_hashes(columns: list[Words]) -> Words:
    """(n,) hashes of rows from those of their cells; the order of columns counts."""
    whole = np.zeros(len(columns[0]) if columns else 0, dtype=np.uint64)
    for one in columns:
        whole = mixed(whole * np.uint64(ODD) + one)
    return whole


def mixed(words: Words) -> Words:
    """The finalizer of SplitMix64."""
    words = words + np.uint64(GOLDEN)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed_: Words = words ^ (words >> np.uint64(31))
    return mixed_


def _of_texts(column: pa.Array) -> Words:
    """A polynomial over the bytes of each text, from one running sum over all of them, modulo 2**64."""
    arrow = needs("pyarrow", "tables")
    if not len(column):
        return np.zeros(0, dtype=np.uint64)
    column = column.cast(arrow.large_string())
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)[
        column.offset : column.offset + len(column) + 1
    ]
    start = int(offsets[0])
    data = np.frombuffer(column.buffers()[2] or b"", dtype=np.uint8)[start : int(offsets[-1])]
    at = (offsets - start).astype(np.int64)
    weights = _powers(ODD, len(data))
    sums = np.zeros(len(data) + 1, dtype=np.uint64)
    np.cumsum(_TABLE[data] * weights, out=sums[1:])
    undone = _powers(pow(ODD, -1, 1 << 64), len(data) + 1)[at[:-1]]
    lengths = np.diff(at).astype(np.uint64)
    return mixed((sums[at[1:]] - sums[at[:-1]]) * undone + lengths * np.uint64(GOLDEN))


def _powers(base: int, count: int) -> Words:
    """base**0, base**1, … modulo 2**64, by doubling."""
    found = np.ones(max(count, 1), dtype=np.uint64)
    done = 1
    while done < count:
        step = np.uint64(pow(base, done, 1 << 64))
        more = min(done, count - done)
        found[done : done + more] = found[:more] * step
        done += more
    return found[:count]


_TABLE = mixed(np.arange(256, dtype=np.uint64))  # so that bytes which differ in a bit differ in many
