"""A data set from what a user names: a file, or one of the named sets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.formats.source import Source
from ancile.inputs.arrays import read_npz
from ancile.inputs.catalogue import catalogue
from ancile.inputs.columns import Wanted
from ancile.inputs.dataset import Dataset, assemble
from ancile.inputs.fetch import Ask
from ancile.inputs.named import Choice, from_table, named_set
from ancile.inputs.source import LIMIT_BYTES, read_once
from ancile.inputs.tables import PARQUET
from ancile.inputs.values import Bounds, bounds_of

ZIP = b"PK"
CSV_SUFFIXES = (".csv", ".tsv")

# What a first few bytes say of files that are not read, and what to do about them.
REFUSED = (
    (b"\x93NUMPY", "a single array", "save inputs and labels together: numpy.savez(FILE, x=…, y=…)"),
    (b"\x80", "a pickle, which runs code when it is read", "save arrays with numpy.savez, tables as Parquet"),
    (b"\x1f\x8b", "gzipped", "unpack it first"),
    (b"\x89HDF", "HDF5", "save arrays with numpy.savez, tables as Parquet"),
)


def open_data(
    reference: str,
    *,
    label: str | None = None,
    drop: Sequence[str] = (),
    where: str | None = None,
    bounds: str | None = None,
    limit_bytes: int = LIMIT_BYTES,
    ask: Ask | None = None,
    base: Path | None = None,
    cache: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Dataset:
    """The data set that ``reference`` names: a .npz, .csv or .parquet file, or the name of a known set.

    A known name goes before a file of that name; ``./NAME`` is always the file. Files are known by their
    content, a CSV by its suffix.

    label   the column of the labels, for a table
    drop    columns of a table to leave out
    where   "column=value": the rows of a table to keep, for example "split=test"
    bounds  "LOW,HIGH" of every input value; without it they follow from the data (``values``)
    ask     asked before the network is used; None: it is not used
    base    folder from which relative paths count; the current one
    cache   folder of fetched sets; that of the project around ``base``, or the user's
    """
    limits = bounds_of(bounds) if bounds else None
    folder = base or Path.cwd()
    if reference in catalogue():
        choice = Choice(bounds=limits, label=label or "", where=where or "", drop=tuple(drop))
        return named_set(reference, choice=choice, base=folder, cache=cache, environ=environ, ask=ask)
    source = read_once(
        folder / reference,
        limit_bytes=limit_bytes,
        missing=f"give a .npz, .csv or .parquet file, or one of: {', '.join(catalogue())}",
    )
    subject = Subject(kind="dataset", name=source.name, digest=source.digest)
    if source.data.startswith(ZIP):
        unused = [name for name, given in (("--label", label), ("--drop", drop), ("--where", where)) if given]
        if unused:
            raise AncileError(
                "option is for tables alone", value=", ".join(unused), remedy="leave it out for a .npz file"
            )
        return _from_npz(source, subject, limits, limit_bytes=limit_bytes)
    wanted = Wanted(label=label or "", drop=tuple(drop), where=where or "")
    kind = "parquet" if source.data.startswith(PARQUET) else _csv(source, reference)
    return from_table(source.data, kind, subject, wanted=wanted, bounds=limits, limit_bytes=limit_bytes)


def _from_npz(source: Source, subject: Subject, bounds: Bounds | None, *, limit_bytes: int) -> Dataset:
    found = read_npz(source.data, limit_bytes=limit_bytes)
    return assemble(subject, x=found.x, y=found.y, bounds=bounds, classes=found.classes, notes=found.notes)


def _csv(source: Source, reference: str) -> str:
    """``csv``, or the error that says what the file is instead."""
    if not source.data:
        raise AncileError("data file is empty", value=source.name, remedy="give a file with samples")
    for head, what, remedy in REFUSED:
        if source.data.startswith(head):
            raise AncileError(f"data file is {what}", value=source.name, remedy=remedy)
    if not reference.lower().endswith(CSV_SUFFIXES):
        raise AncileError(
            "data file is of no known kind",
            value=source.name,
            remedy="give a .npz or .parquet file, or a table whose name ends in .csv",
        )
    return "csv"
