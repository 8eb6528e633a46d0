"""Arrays, idx files and folders without some of their rows."""

from __future__ import annotations

import gzip
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ancile.core.errors import AncileError
from ancile.data.checking.arrays import ORDER, labels_beside
from ancile.data.cutting import sizes_of
from ancile.data.reading import Chunk, read_chunks
from ancile.data.version import path_of
from ancile.inputs.arrays import pair_of
from ancile.inputs.idx import GZIP_HEAD, HEAD, read_idx
from ancile.inputs.members import check_sizes, members, unpack
from ancile.inputs.npy import Array, read_array
from ancile.inputs.source import LIMIT_BYTES, read_once
from ancile.numeric import NDArray, np
from ancile.work.listing import Listing

MEAN = 1 << 20  # bytes copied at once, about


def clean_npz(path: Path, rows: Collection[int], target: Path) -> tuple[int, int]:
    """An archive in which inputs and labels, and what has one value for each of them, lack the rows."""
    data = read_once(path).data
    found = members(data)
    x_name, _ = pair_of(found, ORDER)
    check_sizes(found, limit_bytes=LIMIT_BYTES)
    arrays = {name: read_array(unpack(data, one), name=name) for name, one in found.items()}
    size = len(arrays[x_name])
    others = _of_other_parts(arrays, x_name)
    stays = _stays(size, rows)
    kept = {
        name: one[stays] if one.ndim and len(one) == size and name not in others else one
        for name, one in arrays.items()
    }
    with target.open("xb") as file:
        np.savez_compressed(file, allow_pickle=False, **kept)
    return int(size - stays.sum()), int(stays.sum())


def _of_other_parts(arrays: Collection[str], chosen: str) -> set[str]:
    """Arrays of the other parts of the set, by the names of inputs and labels, and names of classes."""
    pair = next(one for one in ORDER if one[0] == chosen.lower())
    known = {name for one in ORDER if one != pair for name in one} - set(pair)
    return {name for name in arrays if name.lower() in known or name == "class_names"}


def clean_idx(path: Path, rows: Collection[int], target: Path) -> tuple[int, int]:
    """A folder with the pictures, and the labels beside them, without the rows."""
    beside = labels_beside(path)
    target.mkdir()
    stays: NDArray[np.bool_] | None = None
    for one in (path, beside):
        if one is None:
            continue
        source = read_once(one)
        array = read_idx(source.data, name=source.name, limit_bytes=LIMIT_BYTES)
        stays = _stays(len(array), rows) if stays is None else stays
        if len(stays) != len(array):
            raise AncileError(
                "pictures and labels are not as many",
                value=f"{len(stays)} and {len(array)}",
                remedy="give the files of one set",
            )
        packed = source.data.startswith(GZIP_HEAD)
        content = _idx(array[stays])
        (target / one.name).write_bytes(gzip.compress(content, mtime=0) if packed else content)
    if stays is None:
        return 0, 0
    return int(len(stays) - stays.sum()), int(stays.sum())


def _idx(array: Array) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return HEAD + bytes([array.ndim]) + sizes + np.ascontiguousarray(array).tobytes()


def _stays(size: int, rows: Collection[int]) -> NDArray[np.bool_]:
    stays = np.ones(size, dtype=np.bool_)
    stays[[one for one in rows if one < size]] = False
    return stays


def clean_folder(listing: Listing, paths: Collection[str], target: Path) -> tuple[int, int]:
    """The files of a folder without some; ``paths`` are percent-encoded, as a report has them."""
    if not paths:
        raise AncileError(
            "rows of a folder are files",
            value="no file is named",
            remedy="give the report of its check: `ancile data clean PATH --from REPORT.json`",
        )
    gone = left = 0
    target.mkdir()
    for name, entry in listing.files.items():
        if name in paths:
            gone += 1
            continue
        left += 1
        place = target / path_of(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            read_chunks(entry, sizes_of(MEAN), partial(_write, file))
    return gone, left


def _write(file: BinaryIO, chunk: Chunk) -> None:
    file.write(chunk.data)
