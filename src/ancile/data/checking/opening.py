"""Data opened to be checked, whatever kind of file or folder it is in."""

from __future__ import annotations

import codecs
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.data.checking.arrays import Draw, open_idx, open_npz
from ancile.data.checking.contents import rows_of
from ancile.data.checking.folders import open_folder
from ancile.data.checking.opened import Opened
from ancile.data.checking.tables import Asked, Gone, go_through, tabular
from ancile.data.files import listed
from ancile.data.reading import opened
from ancile.inputs.batches import ARROW, Batches, open_batches
from ancile.inputs.idx import is_idx
from ancile.inputs.lines import open_json_lines, open_text_lines
from ancile.inputs.opener import CSV_SUFFIXES, REFUSED, ZIP
from ancile.inputs.tables import PARQUET
from ancile.work.listing import Entry

JSON_LINES = (".jsonl", ".ndjson", ".json")
TEXT = (".txt", ".text")
IDX_SUFFIXES = (".gz", "-ubyte", ".ubyte", ".idx")
BLOCK = 1 << 20

Told = Callable[[str, int, int], None]


class Both(NamedTuple):
    """The data and, where one was given, what it is compared with: rows numbered alike."""

    data: Opened
    reference: Opened | None


def open_both(
    path: Path, asked: Asked, draw: Draw, *, reference: Path | None = None, told: Told | None = None
) -> Both:
    """What is at ``path``, and the trusted data at ``reference``.

    told  is given what is being done, how much is done, of how much (0 where nobody knows)
    AncileError where either cannot be read.
    """
    entry = _alone(path)
    if entry is None or not is_table(entry):
        first = _other(path, entry, asked, draw, told)
        return Both(first, _other(reference, _alone(reference), asked, draw, told) if reference else None)
    gone = [_gone(entry, draw, told)]
    if reference is not None:
        other = _alone(reference)
        if other is None or not is_table(other):
            raise AncileError(
                "the reference is of another kind than the data",
                value=plain(str(reference)),
                remedy="give a table with the same columns",
            )
        gone.append(_gone(other, draw, told))
    # The reference is looked at as the data is, whatever its own columns look like
    tables = [tabular(one, asked) for one, _, _ in gone[:1]]
    tables += [
        tables[0]._replace(columns=one.columns, repeats=one.repeats, drawn=one.drawn.table)
        for one, _, _ in gone[1:]
    ]
    ready = rows_of(tables, [one.drawn.places for one, _, _ in gone])
    found = [
        Opened(
            subject=subject,
            kind="texts" if any(role == "text" for role in table.roles.values()) else "table",
            total=one.total,
            rows=some.rows,
            labels=some.labels,
            table=table,
            notes=notes,
        )
        for (one, subject, notes), table, some in zip(gone, tables, ready, strict=True)
    ]
    return Both(found[0], found[1] if reference is not None else None)


def _alone(path: Path) -> Entry | None:
    """The file; None for a folder."""
    if path.is_dir():
        return None
    return next(iter(listed(path).files.values()))


def head_of(entry: Entry) -> bytes:
    """The first bytes of a file."""
    with opened(entry) as descriptor:
        return os.pread(descriptor, 4096, 0)


def is_table(entry: Entry) -> bool:
    """Whether a file has rows that can be gone through one after the other."""
    head, name = head_of(entry), entry.path.name.lower()
    if not head:
        raise AncileError("data file is empty", value=plain(str(entry.path)), remedy="give a file with rows")
    if head.startswith((PARQUET, ARROW)):
        return True
    if head.startswith(ZIP) or (is_idx(head) and name.endswith(IDX_SUFFIXES)):
        return False
    for magic, what, remedy in REFUSED:
        if head.startswith(magic):
            raise AncileError(f"data file is {what}", value=plain(str(entry.path)), remedy=remedy)
    if not name.endswith((*CSV_SUFFIXES, *JSON_LINES, *TEXT)):
        raise AncileError(
            "data file is of no known kind",
            value=plain(str(entry.path)),
            remedy="give .csv, .tsv, .jsonl, .txt, Parquet, Arrow, .npz, idx, or a folder of pictures",
        )
    return True


def _gone(entry: Entry, draw: Draw, told: Told | None) -> tuple[Gone, Subject, tuple[str, ...]]:
    suffix = entry.path.suffix.lower()
    with opened(entry) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        is_text = not head_of(entry).startswith((PARQUET, ARROW))
        digest = _digest(file, entry.seen.size, is_text=is_text, told=told)
        file.seek(0)
        batches = batches_of(file, suffix)
        count = None if told is None else _as_rows(told)
        gone = go_through(batches, size=draw.size, seed=draw.seed, told=count)
    return gone, Subject(kind="dataset", name=plain(entry.path.name, 200), digest=digest), batches.notes


def _as_rows(told: Told) -> Callable[[int, int], None]:
    return lambda done, of: told("rows", done, of)


def batches_of(file: BinaryIO, suffix: str) -> Batches:
    """The rows of an open file."""
    if suffix in JSON_LINES:
        return open_json_lines(file)
    return open_text_lines(file) if suffix in TEXT else open_batches(file, suffix=suffix)


def _digest(file: BinaryIO, size: int, *, is_text: bool, told: Told | None) -> str:
    """SHA-256 of the file; AncileError for what should be UTF-8 and is not."""
    whole, reader, lines, done = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")(), 1, 0
    while data := file.read(BLOCK):
        whole.update(data)
        done += len(data)
        if told is not None:
            told("bytes", done, size)
        if is_text:
            lines = _decoded(reader, data, lines)
    if is_text:
        _decoded(reader, b"", lines, final=True)
    return f"sha256:{whole.hexdigest()}"


def _decoded(reader: codecs.IncrementalDecoder, data: bytes, lines: int, *, final: bool = False) -> int:
    """The number of the line that the next block begins in."""
    wrong = data.find(b"\x00")  # UTF-8, and in no text: UTF-16 is full of them
    try:
        reader.decode(data, final=final)
    except UnicodeDecodeError as reason:
        wrong = reason.start if wrong < 0 else min(wrong, reason.start)
    if wrong >= 0:
        near = lines + data.count(b"\n", 0, wrong)
        raise AncileError("file is not UTF-8", value=f"near line {near}", remedy="write it again as UTF-8")
    return lines + data.count(b"\n")


def _other(path: Path, entry: Entry | None, asked: Asked, draw: Draw, told: Told | None) -> Opened:
    """Pictures, arrays and folders of texts."""
    if asked.label or asked.source:
        raise AncileError(
            "option is for tables alone",
            value="--label" if asked.label else "--source",
            remedy="leave it out: arrays have labels of their own, the classes of a folder are those in it",
        )
    if entry is None:
        files = None if told is None else _as_files(told)
        return open_folder(path, listed(path), draw, files)
    if head_of(entry).startswith(ZIP):
        return open_npz(path, draw)
    return open_idx(path, draw)


def _as_files(told: Told) -> Callable[[int, int], None]:
    return lambda done, of: told("files", done, of)
