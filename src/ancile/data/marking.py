"""Marking a file: a table (CSV, Parquet) gets canaries, an archive of arrays (.npz) canaries or waves."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.subject import digest_of
from ancile.core.text import plain
from ancile.data.marks import (
    A_WAVE,
    BASES,
    FEWEST,
    MOST_CANARIES,
    ROOM,
    SEED_BYTES,
    WAVES,
    Canaries,
    MarkKey,
    Waves,
    chosen,
    composed,
    dealt,
    drawn,
    generator,
    many,
    new_waves,
    waved,
)
from ancile.formats.source import Source
from ancile.inputs.arrays import PAIRS, TRAINING
from ancile.inputs.labels import labels
from ancile.inputs.members import check_sizes, members, unpack
from ancile.inputs.npy import read_array
from ancile.inputs.source import LIMIT_BYTES, read_once
from ancile.inputs.tables import CSV_BYTES, DELIMITERS, PARQUET, arrow_errors, open_parquet
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CLASSES = 1_000
WORDS = 3  # of a column of texts, on average at least
DISTINCT = 0.3  # of its texts are different, at least
MOST_LOOKED_AT = 1_000  # cells of a column


class Asked(NamedTuple):
    """What a user says of the marks.

    label  the column of labels, of a table
    where  (column, value) of the rows that cells of canaries may come from, and which canaries belong to
    share  of the rows or pictures
    eps    of waves, as a share of the range of a picture
    """

    label: str = ""
    where: tuple[str, str] | None = None
    share: float = 0.01
    eps: float = 16 / 255  # a third of what SIG (Barni et al. 2019) needs for a backdoor, and hardly seen


class Marked(NamedTuple):
    """The marked file's bytes, and the key.

    changed  rows that were added, or pictures that were changed
    of       rows or pictures that there were
    """

    data: bytes
    key: MarkKey
    changed: int
    of: int


def mark(path: Path, asked: Asked, *, now: datetime, seed: bytes | None = None) -> Marked:
    """The marked form of a file; nothing is written.

    seed  of the key; drawn from the system without
    """
    source = read_once(path, limit_bytes=LIMIT_BYTES, missing="name a CSV, Parquet or .npz file")
    secret = os.urandom(SEED_BYTES) if seed is None else seed
    if not 0 < asked.share <= 0.5:
        raise AncileError(
            "no share of the rows", value=f"{asked.share:g}", remedy="give 0.001 to 0.5, as in 0.01"
        )
    if source.data.startswith(b"PK"):
        return _npz(source, asked, secret, now)
    return _table(source, asked, secret, now)


# Tables.


def _table(source: Source, asked: Asked, seed: bytes, now: datetime) -> Marked:
    is_csv = not source.data.startswith(PARQUET)
    table, delimiter = read_csv(bytes(source.data), source.name) if is_csv else (_parquet(source), ",")
    for column in (asked.label, *([asked.where[0]] if asked.where else [])):
        if column not in table.column_names:
            raise AncileError(
                "no column is named so" if column else "the column of the labels is not named",
                value=plain(column, 60),
                remedy=f"--label takes one of: {plain(', '.join(table.column_names), 200)}",
            )
    classes, numbers, first = _classes(table.column(asked.label).to_pylist())
    allowed = np.arange(table.num_rows)
    if asked.where:
        values = table.column(asked.where[0]).to_pylist()
        allowed = np.flatnonzero([str(one) == asked.where[1] for one in values])
    count = many(len(allowed), asked.share)
    rows, places = _canaries(table, asked.label, allowed, count, seed)
    arrow = needs("pyarrow", "tables")
    at = dealt(seed, "marks", count, len(classes))
    label = table.column(asked.label).take(arrow.array([first[classes[one]] for one in at.tolist()]))
    inserted = rows.slice(0, count).add_column(
        table.column_names.index(asked.label), table.schema.field(asked.label), label
    )
    order = np.argsort(np.concatenate([np.arange(table.num_rows), places]), kind="stable")
    with arrow_errors("table"):
        whole = arrow.concat_tables([table, inserted.cast(table.schema)]).take(arrow.array(order))
    data = written_csv(whole, delimiter) if is_csv else _written_parquet(whole)
    kept = Canaries(form="arrow", csv=is_csv, label=asked.label, count=count, rows=_stream(rows))
    key = MarkKey(seed=seed, made=now, data=digest_of(data), classes=classes, numbers=numbers, mark=kept)
    return Marked(data, key, count, table.num_rows)


def _canaries(
    table: pa.Table, label: str, allowed: NDArray[np.int64], count: int, seed: bytes
) -> tuple[pa.Table, NDArray[np.float64]]:
    """The rows without labels, twice as many as are inserted, and where those go."""
    arrow = needs("pyarrow", "tables")
    names = [name for name in table.column_names if name != label]
    if not names:
        raise AncileError(
            "the table has no column beside the label", value=plain(label), remedy="mark another"
        )
    cells, places = drawn(seed, count=count, allowed=allowed, columns=len(names), rows=table.num_rows)
    found = {}
    for at, name in enumerate(names):
        column = table.column(name)
        if is_prose(column):
            texts = [str(one) for one in column.take(arrow.array(allowed)).to_pylist() if one is not None]
            found[name] = arrow.array(composed(seed + name.encode(), texts, 2 * count), type=column.type)
        else:
            found[name] = column.take(arrow.array(cells[:, at])).combine_chunks()
    return arrow.table(found), places


def is_prose(column: pa.ChunkedArray) -> bool:
    """Whether a column holds texts of several words, and hardly any twice."""
    types = needs("pyarrow.types", "tables")
    if not (types.is_string(column.type) or types.is_large_string(column.type)):
        return False
    cells = [one for one in column.slice(0, MOST_LOOKED_AT).to_pylist() if one]
    if not cells:
        return False
    words = sum(len(one.split()) for one in cells) / len(cells)
    return words >= WORDS and len(set(cells)) >= DISTINCT * len(cells)


def _classes(cells: Sequence[object]) -> tuple[tuple[str, ...], tuple[int, ...], dict[str, int]]:
    """Names and numbers of the classes, and a row of each."""
    first: dict[str, int] = {}
    for at, cell in enumerate(cells):
        if cell is not None and cell != "":
            first.setdefault(str(cell), at)
    if not 2 <= len(first) <= MOST_CLASSES:
        raise AncileError(
            "labels can be dealt among two classes or more",
            value=f"{len(first)} different labels",
            remedy=f"name the column of the labels, of 2 to {MOST_CLASSES} classes",
        )
    names = tuple(sorted(first))
    try:
        whole = {name: float(name) for name in names}
        if all(value >= 0 and value == int(value) for value in whole.values()):
            return names, tuple(int(whole[name]) for name in names), first
    except (ValueError, OverflowError):
        pass  # they are words: numbered in their order, as models that learn from words are
    return names, tuple(range(len(names))), first


def _parquet(source: Source) -> pa.Table:
    columns = open_parquet(source.data, limit_bytes=LIMIT_BYTES)
    arrow = needs("pyarrow", "tables")
    with arrow_errors("table"):
        read = columns.read(columns.names)
        pairs = zip(columns.names, columns.types, strict=True)  # texts are read as dictionaries
        return arrow.table({name: read.column(name).cast(kind) for name, kind in pairs})


def read_csv(data: bytes, name: str) -> tuple[pa.Table, str]:
    """A CSV file with every cell as the text that stands there, and its delimiter."""
    arrow = needs("pyarrow", "tables")
    if len(data) > CSV_BYTES // 4:  # as Python's texts it takes several times its length
        raise AncileError(
            "CSV file is too large",
            value=f"{len(data)} bytes",
            remedy="write it as Parquet, which is read by column",
        )
    try:
        text = data.decode("utf-8-sig")
        head = text.partition("\n")[0]
        delimiter = max(DELIMITERS, key=head.count)
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as reason:
        raise AncileError(
            "table cannot be read", value=f"{name}: {plain(str(reason), 80)}", remedy="write it as UTF-8 CSV"
        ) from reason
    ragged = [at for at, row in enumerate(rows) if len(row) != len(rows[0])]
    if len(rows) < 2 or ragged or len(set(rows[0])) != len(rows[0]):
        value = f"line {ragged[0] + 1} has another number of cells" if ragged else "no rows, or a name twice"
        raise AncileError(
            "table cannot be read", value=f"{name}: {value}", remedy="mend that place in the file"
        )
    cells = zip(*rows[1:], strict=True)
    return arrow.table(
        {key: arrow.array(column) for key, column in zip(rows[0], cells, strict=True)}
    ), delimiter


def written_csv(table: pa.Table, delimiter: str = ",") -> bytes:
    """A table as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return text.getvalue().encode("utf-8")


def _written_parquet(table: pa.Table) -> bytes:
    parquet, sink = needs("pyarrow.parquet", "tables"), io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def _stream(table: pa.Table) -> bytes:
    arrow = needs("pyarrow", "tables")
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


# Arrays.


def _npz(source: Source, asked: Asked, seed: bytes, now: datetime) -> Marked:
    found = members(source.data)
    x_name, y_name = _pair(tuple(found))
    check_sizes(found, limit_bytes=LIMIT_BYTES)
    arrays = {name: read_array(unpack(source.data, one), name=name) for name, one in found.items()}
    x, raw = arrays[x_name], arrays[y_name]
    known = labels(raw)
    if known.faults or len(known.y) != len(x) or x.dtype.kind not in "uif":
        raise AncileError(
            "the arrays are no samples with labels",
            value="; ".join(known.faults) or f"{x.shape} {x.dtype} and {raw.shape}",
            remedy="save numbers and one label each: numpy.savez(FILE, x=…, y=…)",
        )
    numbers = tuple(np.unique(known.y).tolist())
    names = known.classes or tuple(map(str, range(max(numbers, default=0) + 1)))
    classes = tuple(names[one] for one in numbers)
    if len(classes) < 2:
        raise AncileError(
            "labels can be dealt among two classes or more", value="one class", remedy="mark a set with two"
        )
    kept: Canaries | Waves
    if x.ndim == 2:
        arrays[x_name], arrays[y_name], kept, count = _more_rows(x, raw, known.y, numbers, asked, seed)
    elif x.ndim in (3, 4):
        arrays[x_name], arrays[y_name], kept, count = _with_waves(x, raw, known.y, numbers, asked, seed)
    else:
        raise AncileError(
            "the samples are neither rows nor pictures",
            value=f"shape {x.shape}",
            remedy="mark x of 2 to 4 axes",
        )
    data = _archive(arrays)
    key = MarkKey(seed=seed, made=now, data=digest_of(data), classes=classes, numbers=numbers, mark=kept)
    return Marked(data, key, count, len(x))


def _pair(names: Sequence[str]) -> tuple[str, str]:
    """What the archive is trained on: its training part before others."""
    spelt = {name.lower(): name for name in names}
    for x, y in (*TRAINING, *PAIRS):
        if x in spelt and y in spelt:
            return spelt[x], spelt[y]
    raise AncileError(
        "archive has no inputs with labels",
        value=plain(f"it holds {', '.join(names)}", 120),
        remedy="save them as numpy.savez(FILE, x_train=…, y_train=…)",
    )


def _more_rows(
    x: NDArray[np.generic],
    raw: NDArray[np.generic],
    y: NDArray[np.int64],
    numbers: Sequence[int],
    asked: Asked,
    seed: bytes,
) -> tuple[NDArray[np.generic], NDArray[np.generic], Canaries, int]:
    count = many(len(x), asked.share)
    cells, _ = drawn(seed, count=count, allowed=np.arange(len(x)), columns=x.shape[1], rows=len(x))
    rows = x[cells, np.arange(x.shape[1])]
    at = [numbers[one] for one in dealt(seed, "marks", count, len(numbers)).tolist()]
    both, answers = _inserted(x, raw, y, rows[:count], at, seed)
    return both, answers, Canaries(form="npy", count=count, rows=npy(rows)), count


def _with_waves(
    x: NDArray[np.generic],
    raw: NDArray[np.generic],
    y: NDArray[np.int64],
    numbers: Sequence[int],
    asked: Asked,
    seed: bytes,
) -> tuple[NDArray[np.generic], NDArray[np.generic], Waves, int]:
    """The pictures with waves in a half of the share, and canaries as the other half."""
    high = 255.0 if x.dtype.kind in "ui" or float(np.nanmax(x, initial=0)) > 2 else 1.0
    marked = round(asked.share * len(x) / 2)
    count = min(WAVES, marked // A_WAVE)
    if count < FEWEST // 2:
        raise AncileError(
            "the set is too small to be marked so thinly",
            value=f"{len(x)} pictures, of which {2 * marked} would be marked",
            remedy="raise --share, or mark a larger set",
        )
    waves, spare = new_waves(seed, "marks", count), generator(seed, "bases").permutation(len(x))[:BASES]
    labels_ = np.array(numbers, np.int64)[dealt(seed, "marks", count, len(numbers))]
    found, total = x.copy(), 0
    for wave, places in zip(waves, chosen(seed, y, labels_, marked=marked, spare=spare), strict=True):
        found[places] = waved(x[places], wave, eps=asked.eps * high, high=high)
        total += len(places)
    more = max(FEWEST, min(MOST_CANARIES, marked, ROOM // (2 * x[0].nbytes + 1)))
    pairs = generator(seed, "pairs").integers(len(x), size=(2, 2 * more))
    blends = (x[pairs[0]].astype(np.float64) + x[pairs[1]]) / 2
    blends = (np.rint(blends) if x.dtype.kind in "ui" else blends).astype(x.dtype)
    at = [numbers[one] for one in dealt(seed, "canaries", more, len(numbers)).tolist()]
    both, answers = _inserted(found, raw, y, blends[:more], at, seed)
    kept = Canaries(form="npy", count=more, rows=npy(blends))
    waves_ = Waves(waves=waves, eps=asked.eps * high, high=high, bases=npy(x[spare]), canaries=kept)
    return both, answers, waves_, total + more


def _inserted(
    x: NDArray[np.generic],
    raw: NDArray[np.generic],
    y: NDArray[np.int64],
    rows: NDArray[np.generic],
    numbers: Sequence[int],
    seed: bytes,
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """The samples with more among them, each with the label of one of its class."""
    like = [int(np.flatnonzero(y == one)[0]) for one in numbers]
    places = generator(seed, "places").uniform(-1, len(x), size=len(rows))
    order = np.argsort(np.concatenate([np.arange(len(x)), places]), kind="stable")
    return np.concatenate([x, rows])[order], np.concatenate([raw, raw[like]])[order]


def npy(array: NDArray[np.generic]) -> bytes:
    """An array as numpy writes it."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _archive(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npy(array), zipfile.ZIP_DEFLATED)
    return file.getvalue()
