"""The two sides of a split, read so that rows can be compared: every row by a hash, some in full."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.data.checking.arrays import Draw, drawn, from_arrays, open_idx
from ancile.data.checking.drawing import Drawing
from ancile.data.checking.folders import open_folder
from ancile.data.checking.hashing import Words, cell_hashes, mixed, row_hashes
from ancile.data.checking.opened import Opened
from ancile.data.checking.opening import JSON_LINES, TEXT
from ancile.data.files import listed
from ancile.data.reading import opened
from ancile.data.rows import Cells, Content, Integers, Pictures
from ancile.inputs.arrays import PAIRS, TRAINING, read_npz
from ancile.inputs.batches import ARROW, Batches, is_known, open_batches
from ancile.inputs.faults import named
from ancile.inputs.idx import is_idx
from ancile.inputs.lines import open_json_lines, open_text_lines
from ancile.inputs.opener import ZIP
from ancile.inputs.source import LIMIT_BYTES, read_once
from ancile.inputs.tables import PARQUET, is_number, is_text
from ancile.numeric import np
from ancile.work.hashing import hash_file

if TYPE_CHECKING:
    import pyarrow as pa

SEED = 0  # of the rows that are compared in full
ROWS = 1_000_000  # of an array or a folder that are read


class Chosen(NamedTuple):
    """What the user says of the columns.

    label  the labels': left out of what is compared, and compared for itself
    group  whose values must not stand on both sides
    where  column=value for either side
    """

    label: str = ""
    group: str = ""
    train_where: str = ""
    test_where: str = ""


class Side(NamedTuple):
    """One side of a split.

    total   rows in all; fewer are looked at where memory would not hold them
    keys    (n,) a hash of each row without label and group
    rows    (n,) which row of the file each is
    labels  (n,) a hash of each label; None without labels
    groups  hash of a group to its name
    drawn   places in ``keys`` of the rows that are held in full
    table   those of a table
    other   those of anything else
    """

    subject: Subject
    total: int
    keys: Words
    rows: Integers
    labels: Words | None
    groups: dict[int, str]
    drawn: Integers
    names: tuple[str, ...] = ()
    table: pa.Table | None = None
    other: Content | None = None


class Sides(NamedTuple):
    """Both sides, and what was done on the way in."""

    train: Side
    test: Side
    notes: tuple[str, ...]


def read_sides(train: Path, test: Path, chosen: Chosen, *, most: tuple[int, int]) -> Sides:
    """Both sides of a split.

    most  rows of either that are held in full, drawn at random
    AncileError where one cannot be read, or they have nothing in common.
    """
    if not (_is_table(train) and _is_table(test)):
        given = [f"--{name.replace('_', '-')}" for name, value in chosen._asdict().items() if value]
        if given:
            raise AncileError("option is for tables alone", value=", ".join(given), remedy="leave it out")
        return Sides(_other(train, most[0], is_test=False), _other(test, most[1], is_test=True), ())
    with _batches(train) as (first, one), _batches(test) as (second, other):
        shared = [name for name in first.names if name in set(second.names)]
        known = _known(first) & _known(second)
        where = {text.partition("=")[0] for text in (chosen.train_where, chosen.test_where) if text}
        left_out = {chosen.label, chosen.group, *where}
        for wanted in left_out - {""} - set(shared):
            raise AncileError(
                "no column is named so on both sides",
                value=plain(wanted),
                remedy=f"columns are: {named(shared)}",
            )
        columns = [name for name in shared if name in known and name not in left_out]
        if not columns:
            raise AncileError(
                "the two sides have no column in common that could be compared",
                value=f"{named(first.names)}; {named(second.names)}",
                remedy="give two tables of the same kind",
            )
        unused = [
            name for name in dict.fromkeys((*first.names, *second.names)) if name not in {*columns, *left_out}
        ]
        notes = (f"columns that are not compared: {named(unused)}",) if unused else ()
        sides = (
            _table(first, one, columns, chosen, chosen.train_where, most[0]),
            _table(second, other, columns, chosen, chosen.test_where, most[1]),
        )
    return Sides(*sides, notes)


def _is_table(path: Path) -> bool:
    if path.is_dir():
        return False
    with opened(next(iter(listed(path).files.values()))) as descriptor:
        head = os.pread(descriptor, 16, 0)
    return not (head.startswith(ZIP) or is_idx(head))


def _known(batches: Batches) -> set[str]:
    return {name for name, kind in zip(batches.names, batches.types, strict=True) if is_known(kind)}


@contextmanager
def _batches(path: Path) -> Iterator[tuple[Batches, Subject]]:
    """A table that is open, and what it is: a change meanwhile is an error at the end."""
    entry = next(iter(listed(path).files.values()))
    suffix = entry.path.suffix.lower()
    with opened(entry) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        if not entry.seen.size:
            raise AncileError("data file is empty", value=plain(str(path)), remedy="give a file with rows")
        digest = f"sha256:{hash_file(entry.path).sha256}"
        head = file.read(len(ARROW))
        file.seek(0)
        if head.startswith(PARQUET) or head == ARROW:
            found = open_batches(file, suffix=suffix)
        elif suffix in JSON_LINES:
            found = open_json_lines(file)
        else:
            found = open_text_lines(file) if suffix in TEXT else open_batches(file, suffix=suffix)
        yield found, Subject(kind="dataset", name=plain(path.name, 200), digest=digest)


def _table(
    batches: Batches, subject: Subject, columns: list[str], chosen: Chosen, where: str, most: int
) -> Side:
    """One pass over a table."""
    arrow = needs("pyarrow", "tables")
    kinds = dict(zip(batches.names, batches.types, strict=True))
    schema = arrow.schema([(name, _plainer(kinds[name])) for name in columns])
    drawing = Drawing(schema, most, seed=SEED)
    keys, rows, labels = [], [], []
    groups: dict[int, str] = {}
    seen = 0
    for batch in batches.read():
        kept = _kept(batch, where)
        rows.append(kept + seen)
        seen += batch.num_rows
        some = batch.take(arrow.array(kept))
        plainer = {name: _plain(some.column(name)) for name in columns}
        keys.append(row_hashes([cell_hashes(plainer[name]) for name in columns]))
        if chosen.label:
            labels.append(cell_hashes(_plain(some.column(chosen.label))))
        if chosen.group:
            _collect(_plain(some.column(chosen.group)), groups)
        drawing.take(arrow.record_batch([plainer[name] for name in columns], names=columns))
    if not drawing.seen:
        raise AncileError(
            "one side of the split has no rows",
            value=plain(where or subject.name),
            remedy="give one with rows",
        )
    some_rows = drawing.drawn()
    return Side(
        subject=subject,
        total=drawing.seen,
        keys=np.concatenate(keys),
        rows=np.concatenate(rows),
        labels=np.concatenate(labels) if chosen.label else None,
        groups=groups,
        drawn=some_rows.places,
        table=some_rows.table,
    )


def _plainer(kind: pa.DataType) -> pa.DataType:
    arrow = needs("pyarrow", "tables")
    if is_text(kind):
        return arrow.large_string()
    return arrow.float64() if is_number(kind) else kind


def _plain(column: pa.Array) -> pa.Array:
    """A column as the other side has it too; a CSV does not tell an empty text from none."""
    wanted = _plainer(column.type)
    plain_ = column if column.type == wanted else column.cast(wanted, safe=False)
    return plain_.fill_null("") if is_text(wanted) else plain_


def _kept(batch: pa.RecordBatch, where: str) -> Integers:
    """Places of the rows whose column has the value that was asked for."""
    name, equals, value = where.partition("=")
    if not where:
        return np.arange(batch.num_rows, dtype=np.int64)
    if not equals:
        raise AncileError("no choice of rows", value=plain(where), remedy="give COLUMN=VALUE")
    arrow = needs("pyarrow", "tables")
    column = batch.column(name)
    if is_number(column.type):
        try:
            number = float({"true": "1", "false": "0"}.get(value.lower(), value))
        except ValueError:
            number = float("nan")  # equals nothing
        hits = column.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False) == number
    else:
        hits = np.array(
            [one == value for one in column.cast(arrow.large_string()).to_pylist()], dtype=np.bool_
        )
    return np.flatnonzero(hits).astype(np.int64)


def _collect(column: pa.Array, groups: dict[int, str]) -> None:
    unique = column.unique().drop_null()
    for key, name in zip(cell_hashes(unique).tolist(), unique.to_pylist(), strict=True):
        groups.setdefault(key, plain(f"{name:g}" if isinstance(name, float) else str(name), 60))


# What is no table.


def _other(path: Path, most: int, *, is_test: bool) -> Side:
    found = _opened(path, ROWS, is_test=is_test)
    (rows,) = found.rows
    keys = _keys(rows.content)
    labels = None
    if rows.y is not None:
        names = np.array([hash_of(name) for name in rows.classes], dtype=np.uint64)
        labels = names[rows.y]
    return Side(
        subject=found.subject,
        total=found.total,
        keys=keys,
        rows=rows.places,
        labels=labels,
        groups={},
        drawn=drawn(len(keys), most, seed=SEED),
        names=rows.names,
        other=rows.content,
    )


def hash_of(text: str) -> int:
    """The hash of a name."""
    arrow = needs("pyarrow", "tables")
    return int(cell_hashes(arrow.array([text], arrow.large_string()))[0])


def _opened(path: Path, most: int, *, is_test: bool) -> Opened:
    draw = Draw(most, SEED)
    if path.is_dir():
        return open_folder(path, listed(path), draw)
    with opened(next(iter(listed(path).files.values()))) as descriptor:
        head = os.pread(descriptor, 16, 0)
    if is_idx(head):
        return open_idx(path, draw)
    if not head.startswith(ZIP):
        raise AncileError(
            "the two sides are of different kinds",
            value=plain(str(path)),
            remedy="give two tables, two arrays, or two folders of pictures",
        )
    source = read_once(path)
    pairs = (*PAIRS, *TRAINING) if is_test else (*TRAINING, *PAIRS)
    x, y, classes, notes = read_npz(source.data, limit_bytes=LIMIT_BYTES, pairs=pairs)
    subject = Subject(kind="dataset", name=source.name, digest=source.digest)
    return from_arrays(subject, x, y, draw, classes=classes, notes=notes)


def _keys(content: Content) -> Words:
    """A hash of each row that is held."""
    arrow = needs("pyarrow", "tables")
    if isinstance(content, Pictures):
        flat = content.pixels.reshape(len(content.pixels), -1)
        return row_hashes([_of_bytes(flat)])
    if isinstance(content, Cells):
        return row_hashes([cell_hashes(arrow.array(column)) for column in content.numbers.T])
    return cell_hashes(arrow.array(content.texts, arrow.large_string()))


def _of_bytes(rows: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Words:
    """(n,) hashes of rows of bytes of one length, eight bytes at a time."""
    whole = np.zeros(len(rows), dtype=np.uint64)
    for start in range(0, rows.shape[1], 8):
        word = np.zeros((len(rows), 8), dtype=np.uint8)
        part = rows[:, start : start + 8]
        word[:, : part.shape[1]] = part
        whole = mixed(whole ^ word.view("<u8")[:, 0])
    return whole
