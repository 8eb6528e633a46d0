"""Arrays and idx files as rows: pictures, numbers or texts, with their labels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import Subject, percent_encoded, subject_of_parts
from ancile.core.text import plain
from ancile.data.checking.opened import Labels, Opened
from ancile.data.rows import Cells, Content, Integers, Pictures, Rows, Texts
from ancile.inputs.arrays import PAIRS, TRAINING, read_npz
from ancile.inputs.faults import raise_faults
from ancile.inputs.idx import read_idx
from ancile.inputs.labels import labels
from ancile.inputs.source import LIMIT_BYTES, read_once
from ancile.numeric import NDArray, np

# Both parts of a set stand in one archive: what is trained on is what is to be checked
ORDER = (*TRAINING, *PAIRS)
REMEDY = "mend these in the file"
IDX_NAMES = (("images-idx3", "labels-idx1"), ("images.idx3", "labels.idx1"))
BUDGET_BYTES = 256 << 20  # of the pictures that are looked at together


class Draw(NamedTuple):
    """How many rows at most, and by which seed."""

    size: int
    seed: int


def open_npz(path: Path, draw: Draw) -> Opened:
    """The rows of an archive of arrays; where it has training and test part, the training part."""
    source = read_once(path)
    found = read_npz(source.data, limit_bytes=LIMIT_BYTES, pairs=ORDER)
    subject = Subject(kind="dataset", name=source.name, digest=source.digest)
    return from_arrays(subject, found.x, found.y, draw, classes=found.classes, notes=found.notes)


def open_idx(path: Path, draw: Draw) -> Opened:
    """The pictures of an idx file, with the labels of the file beside it that is named alike."""
    source = read_once(path)
    x = read_idx(source.data, name=source.name, limit_bytes=LIMIT_BYTES)
    beside = labels_beside(path)
    if beside is None:
        subject = Subject(kind="dataset", name=source.name, digest=source.digest)
        return from_arrays(subject, x, None, draw)
    of_labels = read_once(beside)
    y = read_idx(of_labels.data, name=of_labels.name, limit_bytes=LIMIT_BYTES)
    parts = {percent_encoded(one.name): one.digest for one in (source, of_labels)}
    subject = subject_of_parts("dataset", source.name, parts)
    return from_arrays(subject, x, y, draw, notes=(f"labels are those of {plain(beside.name, 80)}",))


def labels_beside(path: Path) -> Path | None:
    """The file of labels that belongs to one of pictures by its name; None where there is none."""
    names = (path.name.replace(one, other) for one, other in IDX_NAMES if one in path.name)
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


def from_arrays(
    subject: Subject,
    x: NDArray[np.generic],
    y: NDArray[np.generic] | None,
    draw: Draw,
    *,
    classes: tuple[str, ...] | None = None,
    notes: tuple[str, ...] = (),
) -> Opened:
    """Rows of inputs (n, …) and labels (n,), as many of them as are to be looked at."""
    if not (x.ndim and len(x)):
        raise AncileError("data set is empty", value=f"x of shape {x.shape}", remedy="give at least one row")
    truth = None if y is None else labels(y)
    faults = list(truth.faults) if truth else []
    if truth and not faults and len(truth.y) != len(x):
        faults.append(f"x has {len(x)} rows, y has {len(truth.y)}")
    raise_faults(faults, remedy=REMEDY)
    some = drawn(len(x), min(draw.size, max(1, BUDGET_BYTES // max(1, x[0].size))), seed=draw.seed)
    content = _content(x[some])
    numbers = None if truth is None else truth.y[some]
    names = _names(truth.classes or classes, truth.y) if truth else ()
    counts = {} if numbers is None else np.bincount(numbers, minlength=len(names)).tolist()
    return Opened(
        subject=subject,
        kind="pictures"
        if isinstance(content, Pictures)
        else "texts"
        if isinstance(content, Texts)
        else "table",
        total=len(x),
        rows=(Rows(content=content, y=numbers, classes=names, places=some),),
        labels=Labels("y" if truth else "", dict(zip(names, counts, strict=True)) if truth else {}),
        notes=(*notes, *(truth.notes if truth else ())),
    )


def drawn(rows: int, size: int, *, seed: int) -> Integers:
    """``size`` places of ``rows``, in order; all of them where there are no more."""
    if rows <= size:
        return np.arange(rows, dtype=np.int64)
    words = np.random.Philox(key=seed % (1 << 128)).random_raw(rows)
    return np.sort(np.argsort(words, kind="stable")[:size]).astype(np.int64)


def _names(given: tuple[str, ...] | None, y: Integers) -> tuple[str, ...]:
    """A name for each class; its number where it has none."""
    known = list(given or ())
    return tuple(known + [str(at) for at in range(len(known), int(y.max()) + 1)])


def _content(x: NDArray[np.generic]) -> Content:
    if x.dtype.kind == "U" and x.ndim == 1:
        return Texts(texts=tuple(str(one) for one in x.tolist()))
    if x.dtype.kind not in "biuf" or x.ndim < 2:
        raise AncileError(
            "x is neither pictures, rows of numbers nor texts",
            value=f"type {x.dtype}, shape {x.shape}",
            remedy="give (n, height, width[, channels]), (n, features) or (n,) texts",
        )
    if x.ndim == 3 or (x.ndim == 4 and (x.shape[3] in (1, 3) or x.shape[1] in (1, 3))):
        return Pictures(pixels=_pixels(x))
    flat = x.reshape(len(x), -1).astype(np.float64)
    flat[~np.isfinite(flat)] = np.nan
    names = tuple(f"feature {at}" for at in range(flat.shape[1]))
    none = np.zeros((len(x), 0), dtype=np.int64)
    return Cells(numbers=flat, codes=none, number_names=names, code_names=(), values=())


def _pixels(x: NDArray[np.generic]) -> NDArray[np.uint8]:
    """(n, height, width, channels) in 0 to 255, from any layout and range."""
    if x.ndim == 3:
        x = x[..., None]
    elif x.shape[3] not in (1, 3):
        x = np.moveaxis(x, 1, 3)
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    with np.errstate(over="ignore"):  # beyond what 32 bits hold is infinite, and then 0
        real = np.nan_to_num(x.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(real.min()), float(real.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    span = (high - low) or 1.0
    scaled: NDArray[np.uint8] = np.rint((real - low) * (255 / span)).astype(np.uint8)
    return scaled
