"""A folder of pictures or of texts as rows, one file a row; the class is the folder that a file lies in."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.subject import Subject, subject_of_parts
from ancile.core.text import plain
from ancile.data.checking.arrays import BUDGET_BYTES, Draw, drawn
from ancile.data.checking.contents import rows_of
from ancile.data.checking.opened import FileFault, Labels, Opened, Tabular
from ancile.data.checking.tables import go_through
from ancile.data.reading import opened
from ancile.data.rows import Integers, Pictures, Rows
from ancile.data.version import path_of
from ancile.formats.hidden_programs import stands_in
from ancile.formats.media import kind_of, read_media
from ancile.inputs.batches import Batches
from ancile.inputs.pictures import SUFFIXES, TOO_LARGE, Head, is_picture, picture_head, pixels_of
from ancile.numeric import NDArray, np
from ancile.work.listing import Entry, Listing

if TYPE_CHECKING:
    import pyarrow as pa

FILE_BYTES = 256 << 20  # of one file of a folder
TEXT_SUFFIXES = (".txt", ".text", ".md")
TEXT_BYTES = 1 << 20  # of one text that is looked at
BEHIND_FREE = 64  # bytes behind the end of a picture that some cameras leave
LARGEST_SIDE = 128  # to which pictures of several sizes are brought at most

Progress = Callable[[int, int], None]


class Seen(NamedTuple):
    """What a pass over the files of a folder found: their digests, the heads of pictures, faults."""

    digests: dict[str, str]
    heads: dict[str, Head]
    faults: list[FileFault]


def open_folder(path: Path, listing: Listing, draw: Draw, told: Progress | None = None) -> Opened:
    """The files of a folder; AncileError where they are neither pictures nor texts for the most part."""
    names = list(listing.files)
    texts = [one for one in names if _suffix(one) in TEXT_SUFFIXES]
    if len(texts) * 2 > len(names):
        return _texts(path, listing.files, texts, draw, told)
    seen = _look(listing.files, told)
    if not seen.heads:
        kinds = Counter(_suffix(one) or "no suffix" for one in names)
        raise AncileError(
            "folder holds neither pictures nor texts",
            value=", ".join(f"{count} {plain(kind, 20)}" for kind, count in kinds.most_common(3)),
            remedy="give the one file that holds the data, or a folder with a folder of files for each class",
        )
    subject = subject_of_parts("dataset", plain(str(path), 200), seen.digests)
    return _pictures(subject, listing.files, seen, draw)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - of a percent-encoded name, not of a path


def _read(entry: Entry) -> bytes:
    if entry.seen.size > FILE_BYTES:
        raise AncileError(
            "a file of the folder is too large",
            value=f"{plain(str(entry.path), 120)}: {entry.seen.size} bytes",
            remedy=f"at most {FILE_BYTES} bytes are read of each",
        )
    with opened(entry) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()


def _look(files: Mapping[str, Entry], told: Progress | None) -> Seen:
    """Digests of all files, the heads of those that are pictures, and what is wrong with them."""
    found = Seen({}, {}, [])
    for number, (name, entry) in enumerate(files.items()):
        data = _read(entry)
        found.digests[name] = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if is_picture(data[:16]) or _suffix(name) in SUFFIXES:
            _judge(name, data, found)
        if told is not None:
            told(number + 1, len(files))
    return found


def _judge(name: str, data: bytes, found: Seen) -> None:
    try:
        found.heads[name] = picture_head(data)
    except AncileError as reason:
        if reason.what.endswith("is not installed"):
            raise
        kind = "bomb" if reason.what == TOO_LARGE else "broken"
        found.faults.append(FileFault(name, kind, f"{reason.what}: {reason.value}"))
        return
    if kind_of(data[:16]) not in ("PNG", "JPEG"):
        return
    media = read_media(data)
    behind = data[media.stop :]
    program = stands_in(data[media.stop :])
    if program is not None:
        what = f"a {program.what} {program.offset} bytes behind the end of the {media.kind}"
        found.faults.append(FileFault(name, "polyglot", what))
    elif len(behind.rstrip(b"\0")) > BEHIND_FREE:
        found.faults.append(
            FileFault(name, "behind", f"{len(behind)} bytes behind the end of the {media.kind}")
        )


def _pictures(subject: Subject, files: Mapping[str, Entry], seen: Seen, draw: Draw) -> Opened:
    names = list(seen.heads)
    sizes = Counter((one.width, one.height) for one in seen.heads.values())
    (width, height) = size = _common(sizes)
    channels = 3 if any(one.channels == 3 for one in seen.heads.values()) else 1
    fit = max(1, BUDGET_BYTES // (width * height * channels))
    some = drawn(len(names), min(draw.size, fit), seed=draw.seed)
    pixels, kept = [], []
    for at in some.tolist():
        try:
            pixels.append(pixels_of(_read(files[names[at]]), size=size, channels=channels))
            kept.append(at)
        except AncileError as reason:
            seen.faults.append(FileFault(names[at], "broken", f"{reason.what}: {reason.value}"))
    if not pixels:
        raise AncileError("no picture can be read", value=seen.faults[0].detail, remedy="mend the files")
    whole = np.stack(pixels) if pixels else np.zeros((0, height, width, channels), np.uint8)
    return _opened(
        subject, "pictures", names, np.array(kept, dtype=np.int64), Pictures(pixels=whole)
    )._replace(faults=tuple(seen.faults), sizes=dict(sizes))


def _common(sizes: Mapping[tuple[int, int], int]) -> tuple[int, int]:
    """The one size; of several the most frequent if most have it, else their median, within bounds."""
    size, count = max(sizes.items(), key=lambda one: (one[1], one[0]))
    if count * 2 > sum(sizes.values()):
        return size
    every = np.array([one for one, times in sizes.items() for _ in range(times)])
    width, height = (min(LARGEST_SIDE, int(side)) for side in np.median(every, axis=0))
    return max(1, width), max(1, height)


def _texts(
    path: Path, files: Mapping[str, Entry], names: list[str], draw: Draw, told: Progress | None
) -> Opened:
    """Texts and the folders that they lie in as the two columns of a table."""
    arrow = needs("pyarrow", "tables")
    classes = [_class(name) for name in names]
    digests: dict[str, str] = {}

    def read() -> Iterator[pa.RecordBatch]:
        text = arrow.large_string()
        for number, (name, entry) in enumerate(files.items()):
            data = _read(entry)
            digests[name] = f"sha256:{hashlib.sha256(data).hexdigest()}"
            if told is not None:
                told(number + 1, len(files))
            if name in wanted:
                said = data[:TEXT_BYTES].decode("utf-8", "replace")
                cells = [arrow.array([said], text), arrow.array([_class(name)], text)]
                yield arrow.record_batch(cells, names=["text", "folder"])

    wanted, kind = frozenset(names), arrow.large_string()
    gone = go_through(
        Batches(("text", "folder"), (kind, kind), len(names), read), size=draw.size, seed=draw.seed
    )
    role = "label" if len(set(classes)) > 1 else "left out: one folder"
    table = Tabular(gone.columns, gone.repeats, gone.drawn.table, {"text": "text", "folder": role})
    (ready,) = rows_of([table], [gone.drawn.places])
    return Opened(
        subject=subject_of_parts("dataset", plain(str(path), 200), digests),
        kind="texts",
        total=len(names),
        rows=tuple(replace(one, names=tuple(names)) for one in ready.rows),
        labels=ready.labels,
        table=table,
    )


def _class(name: str) -> str:
    """The folder that a file lies in."""
    return plain(path_of(name.rpartition("/")[0]), 100)


def _opened(subject: Subject, kind: str, names: list[str], some: Integers, content: Pictures) -> Opened:
    """Rows of files: ``names`` of all of them, ``some`` that were drawn."""
    above = [_class(name) for name in names]
    classes = tuple(sorted(set(above)))
    y: NDArray[np.int64] | None = None
    counts: dict[str, int] = {}
    if len(classes) > 1:
        place = {name: at for at, name in enumerate(classes)}
        y = np.array([place[above[at]] for at in some.tolist()], dtype=np.int64)
        counts = dict(zip(classes, np.bincount(y, minlength=len(classes)).tolist(), strict=True))
    rows = Rows(
        content=content, y=y, classes=classes if y is not None else (), places=some, names=tuple(names)
    )
    labels = Labels("folder" if y is not None else "", counts)
    return Opened(subject=subject, kind=kind, total=len(names), rows=(rows,), labels=labels)
