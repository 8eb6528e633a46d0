"""Features and labels from the columns of a table, all that is wrong with them told at once."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.inputs.faults import named, raise_faults
from ancile.inputs.labels import Labels, labels, numbered
from ancile.inputs.tables import Columns, arrow_errors, is_number, is_text
from ancile.inputs.values import EXACT, Floats
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    import pyarrow as pa

INDEX_COLUMN = re.compile(r"__index_level_\d+__")  # what pandas adds to Parquet
REMEDY = "mend these in the file, or leave columns out with --drop"


class Wanted(NamedTuple):
    """What a user says of a table: the label's column, columns to drop, and "column=value" of rows."""

    label: str
    drop: tuple[str, ...] = ()
    where: str = ""


class Rows(NamedTuple):
    """Features (n, d) float32, labels, the row of the file that each sample is, columns' names, notes."""

    x: Floats
    y: Labels
    rows: NDArray[np.int64]
    features: tuple[str, ...]
    notes: tuple[str, ...]


class Plan(NamedTuple):
    """Which columns are read and what for."""

    features: tuple[str, ...]
    column: str
    value: str
    notes: tuple[str, ...]


def rows_of(columns: Columns, wanted: Wanted) -> Rows:
    """The samples of a table.

    Rows are chosen before columns are left out. A text column that chooses the rows is no feature, a
    numeric one stays one. Each other column that is not dropped must hold numbers or booleans without gaps.
    """
    plan = _plan(columns, wanted)
    some = dict.fromkeys((*plan.features, wanted.label, *([plan.column] if plan.column else [])))
    table = columns.read(tuple(some))
    if not table.num_rows:
        raise AncileError("table is empty", value="no rows", remedy="give at least one sample")
    with arrow_errors("table"):
        kept = _kept(table, plan)
        table = table.take(needs("pyarrow", "tables").array(kept))
        x, faults, notes = _features(table, plan.features)
        y = _labels(table.column(wanted.label))
    raise_faults([*faults, *y.faults], remedy=REMEDY)
    return Rows(x, y, kept, tuple(plain(name) for name in plan.features), (*plan.notes, *notes))


def _plan(columns: Columns, wanted: Wanted) -> Plan:
    kinds = dict(zip(columns.names, columns.types, strict=True))
    column, equals, value = wanted.where.partition("=")
    twice = sorted(name for name, times in Counter(columns.names).items() if times > 1)
    faults = [f"columns stand there twice: {named(twice)}"] if twice else []
    if not wanted.label:
        faults.append("the column of the labels is not named (--label)")
    if wanted.where and not (column and equals):
        faults.append(f"{plain(wanted.where)!r} is not column=value")
    asked = dict.fromkeys(name for name in (wanted.label, column, *wanted.drop) if name)
    absent = [name for name in asked if name not in kinds]
    if absent:
        faults.append(f"no column is named {named(absent)}")
    raise_faults(faults, remedy=f"columns are: {named(columns.names)}")
    index = [name for name in kinds if INDEX_COLUMN.fullmatch(name)]
    out = {wanted.label, *wanted.drop, *index} | ({column} if column and is_text(kinds[column]) else set())
    features = tuple(name for name in kinds if name not in out)
    if not features:
        raise AncileError("table has no features", value=named(kinds), remedy="drop fewer columns")
    other = [name for name in features if not is_number(kinds[name])]
    if other:
        raise AncileError(
            f"{len(other)} columns hold neither numbers nor booleans",
            value=named(other),
            remedy="encode them as the model was trained, or leave them out with --drop",
        )
    notes = (*columns.notes, *((f"index columns were left out: {named(index)}",) if index else ()))
    return Plan(features, column, value, notes)


def _kept(table: pa.Table, plan: Plan) -> NDArray[np.int64]:
    """The rows that the table keeps, in their order."""
    if not plan.column:
        return np.arange(table.num_rows, dtype=np.int64)
    column = table.column(plan.column)
    if is_text(column.type):
        chosen = _texts(column)
        code = chosen.names.index(plan.value) if plan.value in chosen.names else -2
        found = np.flatnonzero(chosen.codes == code)
        there = named((name for name in chosen.names), most=10)
    else:
        numbers = _numbers(column)
        found = np.flatnonzero(numbers == _number(plan.value))
        there = named((f"{one:g}" for one in np.unique(numbers[np.isfinite(numbers)])[:11]), most=10)
    if not found.size:
        raise AncileError(
            "no row is chosen",
            value=plain(f"{plan.column}={plan.value}"),
            remedy=f"column {plain(plan.column, 40)} holds {there or 'nothing'}",
        )
    return found.astype(np.int64)


def _number(text: str) -> float:
    words = {"true": 1.0, "false": 0.0}
    try:
        return words[text.lower()] if text.lower() in words else float(text)
    except ValueError:
        return float("nan")  # equals nothing


class Texts(NamedTuple):
    """Different texts, and for each row which of them it has; -1 where it has none."""

    names: list[str]
    codes: NDArray[np.int64]


def _texts(column: pa.ChunkedArray) -> Texts:
    arrow, types = needs("pyarrow", "tables"), needs("pyarrow.types", "tables")
    coded = column if types.is_dictionary(column.type) else column.dictionary_encode()
    whole = coded.unify_dictionaries().combine_chunks()
    # A dictionary may hold one text twice: the first place counts.
    names = [str(name) for name in whole.dictionary.to_pylist()]
    first: dict[str, int] = {}
    same = np.array([first.setdefault(name, len(first)) for name in names] or [0], dtype=np.int64)
    codes = whole.indices.cast(arrow.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return Texts(list(first), np.where(codes < 0, -1, same[codes]))


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column as float64, gaps as NaN."""
    arrow, types = needs("pyarrow", "tables"), needs("pyarrow.types", "tables")
    if types.is_boolean(column.type):
        column = column.cast(arrow.int8())
    numbers: NDArray[np.float64] = column.cast(arrow.float64(), safe=False).to_numpy()
    return numbers


def _features(table: pa.Table, names: tuple[str, ...]) -> tuple[Floats, list[str], tuple[str, ...]]:
    types = needs("pyarrow.types", "tables")
    x = np.empty((table.num_rows, len(names)), dtype=np.float32)
    broken: list[str] = []
    rounded: list[str] = []
    for at, name in enumerate(names):
        column = table.column(name)
        numbers = _numbers(column)
        with np.errstate(over="ignore"):  # a number beyond float32 is infinite there, and told
            x[:, at] = numbers
        wrong = int(np.count_nonzero(~np.isfinite(x[:, at])))
        if wrong:
            broken.append(f"{plain(name, 40)}: {wrong} rows")
        elif types.is_integer(column.type) and np.abs(numbers).max(initial=0) > EXACT:
            rounded.append(name)
    faults = [f"empty, NaN or infinite cells in {len(broken)} columns: {named(broken)}"] if broken else []
    notes = (f"integers beyond {EXACT} were rounded to float32 in {named(rounded)}",) if rounded else ()
    return x, faults, notes


def _labels(column: pa.ChunkedArray) -> Labels:
    if column.null_count:
        return _fault(f"{column.null_count} rows have no label")
    if is_text(column.type):
        names, codes = _texts(column)
        used = np.unique(codes)
        place = np.zeros(len(names) + 1, dtype=np.int64)
        place[used] = np.arange(used.size)
        return numbered([names[at] for at in used.tolist()], place[codes])
    if is_number(column.type):
        return labels(_numbers(column))
    return _fault(f"labels are of type {plain(str(column.type), 40)}")


def _fault(words: str) -> Labels:
    return Labels(np.zeros(0, dtype=np.int64), None, (), (words,))
