"""Named data sets: a loader with pinned digests that asks before it uses the network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.subject import Subject, digest_of, percent_encoded, subject_of_parts
from ancile.core.text import plain
from ancile.formats.source import Source
from ancile.inputs.arrays import PAIRS, TRAINING, read_npz
from ancile.inputs.catalogue import Form, Found, NamedSet, Part, PinnedFile, catalogue, data_folders, find
from ancile.inputs.columns import Wanted, rows_of
from ancile.inputs.dataset import Dataset, assemble
from ancile.inputs.fetch import Ask, fetch
from ancile.inputs.idx import read_idx
from ancile.inputs.source import LIMIT_BYTES, read_once
from ancile.inputs.tables import open_csv, open_parquet
from ancile.inputs.values import Bounds
from ancile.numeric import NDArray, np


class Choice(NamedTuple):
    """What a user may decide about a named set."""

    part: Part = "held-out"
    bounds: Bounds | None = None
    label: str = ""
    where: str = ""
    drop: tuple[str, ...] = ()


HELD_OUT = Choice()


def named_set(
    name: str,
    *,
    choice: Choice = HELD_OUT,
    base: Path | None = None,
    cache: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    ask: Ask | None = None,
    sets: Mapping[str, NamedSet] | None = None,
) -> Dataset:
    """The held-out part of a named set, or its training part.

    Looked for in the folder ANCILE_DATA, then in the cache; then ``ask`` is asked whether the network may be
    used, and without it the error says what to fetch by hand. The digest of the subject is that of the whole
    set, whichever part is read.
    """
    known = catalogue() if sets is None else sets
    if name not in known:
        raise AncileError("no such data set", value=plain(name), remedy=f"named sets: {', '.join(known)}")
    one = known[name]
    if one.loader:
        return _from_sklearn(name, one, choice)
    folders = data_folders(base=base or Path.cwd(), environ=environ, cache_folder=cache)
    found = find(one.forms, part=choice.part, folders=folders)
    if not found:
        found = _fetched(name, one, choice.part, folders=folders, ask=ask)
    sources = [
        _checked(path, file) for path, file in zip(found.paths, found.form.of(choice.part), strict=True)
    ]
    if found.form.kind == "parquet":
        subject = Subject(kind="dataset", name=name, digest=sources[0].digest)
        where = one.where if choice.part == "held-out" else one.training_where
        wanted = Wanted(label=choice.label or one.label, drop=choice.drop, where=choice.where or where)
        return from_table(sources[0].data, "parquet", subject, wanted=wanted, bounds=choice.bounds)
    return _from_arrays(name, found.form, sources, choice)


def _from_sklearn(name: str, one: NamedSet, choice: Choice) -> Dataset:
    """A set that comes with scikit-learn, whose arrays are checked against the pinned digest."""
    bunch = getattr(needs("sklearn.datasets", "sklearn"), one.loader)()
    x, y = np.asarray(bunch.data, dtype="<f8"), np.asarray(bunch.target, dtype="<i8")
    subject = subject_of_parts("dataset", name, {"x": digest_of(x.tobytes()), "y": digest_of(y.tobytes())})
    if subject.digest != one.digest:
        raise AncileError(
            "data set is not the pinned one",
            value=f"{name}: {subject.digest}, not {one.digest}",
            remedy="install scikit-learn once more",
        )
    rows = _rows(len(y), one, choice.part)
    x = x[rows] / one.largest
    note = f"{len(rows)} of {len(y)} rows, the {choice.part} part; held out are rows {_words(one)}"
    return assemble(
        subject,
        x=x.reshape(len(rows), *one.shape) if one.shape else x,
        y=y[rows],
        bounds=choice.bounds,
        kind=None if one.shape else "table",
        rows=rows,
        features=None if one.shape else tuple(str(f) for f in bunch.feature_names),
        classes=tuple(str(c) for c in bunch.target_names),
        notes=(note,),
    )


def _rows(size: int, one: NamedSet, part: Part) -> NDArray[np.int64]:
    held_out = np.zeros(size, dtype=np.bool_)
    held_out[one.held_out_start :: one.held_out_step] = True
    return np.flatnonzero(held_out if part == "held-out" else ~held_out).astype(np.int64)


def _words(one: NamedSet) -> str:
    step = "" if one.held_out_step == 1 else f", every {one.held_out_step}th"
    return f"from {one.held_out_start}{step}"


def _checked(path: Path, file: PinnedFile) -> Source:
    source = read_once(path, limit_bytes=LIMIT_BYTES)
    if source.digest != f"sha256:{file.sha256}":
        raise AncileError(
            "file of a named set is not the pinned one",
            value=f"{plain(str(path))}: {source.digest}, not sha256:{file.sha256}",
            remedy="take it from its source once more, or give your own file by its path (./FILE)",
        )
    return source


def _from_arrays(name: str, form: Form, sources: Sequence[Source], choice: Choice) -> Dataset:
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    x: NDArray[np.generic]
    y: NDArray[np.generic]
    if form.kind == "npz":
        pairs = PAIRS if choice.part == "held-out" else TRAINING
        x, y, classes, notes = read_npz(sources[0].data, limit_bytes=LIMIT_BYTES, pairs=pairs)
        subject = Subject(kind="dataset", name=name, digest=sources[0].digest)
    else:
        x, y = (read_idx(source.data, name=source.name, limit_bytes=LIMIT_BYTES) for source in sources)
        subject = subject_of_parts("dataset", name, {percent_encoded(s.name): s.digest for s in sources})
    return assemble(subject, x=x, y=y, bounds=choice.bounds, classes=classes, notes=notes)


def from_table(
    data: bytes,
    kind: str,
    subject: Subject,
    *,
    wanted: Wanted,
    bounds: Bounds | None,
    limit_bytes: int = LIMIT_BYTES,
) -> Dataset:
    """The data set in the bytes of a table, ``csv`` or ``parquet``."""
    opened = (open_parquet if kind == "parquet" else open_csv)(data, limit_bytes=limit_bytes)
    x, y, rows, features, notes = rows_of(opened, wanted)
    return assemble(subject, x=x, y=y, bounds=bounds, kind="table", rows=rows, features=features, notes=notes)


def _fetched(name: str, one: NamedSet, part: Part, *, folders: Sequence[Path], ask: Ask | None) -> Found:
    """The first form that can be fetched, once ``ask`` has agreed."""
    form = next((f for f in one.forms if all(file.url for file in f.of(part))), None)
    into = folders[-1]
    if form and ask and ask(_question(name, one, form.of(part), into)):
        return Found(form, tuple(fetch(file, into) for file in form.of(part)))
    wanted = form or one.forms[0]
    files = "; ".join(f"{file.url or file.path} (SHA-256 {file.sha256})" for file in wanted.of(part))
    verb = "fetch" if form else f"{one.source}: obtain"
    raise AncileError(
        f"data set {name} is not on this machine",
        value=f"looked in {', '.join(plain(str(folder)) for folder in folders)}",
        remedy=f"{verb} {files} and put it into {plain(str(into))} or a folder named in ANCILE_DATA",
    )


def _question(name: str, one: NamedSet, files: Sequence[PinnedFile], into: Path) -> str:
    hosts = ", ".join(sorted({urlsplit(file.url).netloc for file in files}))
    size = sum(file.bytes for file in files)
    return (
        f"{name} is not on this machine. Fetch {len(files)} files, {size} bytes, from {hosts} "
        f"into {plain(str(into))}? Licence: {one.licence}"
    )
