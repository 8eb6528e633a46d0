"""Small data sets in every form that can be checked."""

from __future__ import annotations

import gzip
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pyarrow import feather

from ancile.data.checking.arrays import Draw
from ancile.data.checking.opened import Opened
from ancile.data.checking.opening import open_both
from ancile.data.checking.tables import Asked

WORDS = (
    "free prize now",
    "call me later",
    "see you at noon",
    "win cash today",
    "the meeting moved",
    "happy birthday",
)


def opened(path: Path, *, label: str = "", source: str = "", rows: int = 1000, seed: int = 0) -> Opened:
    return open_both(path, Asked(label=label, source=source), Draw(rows, seed)).data


def table(rows: int = 200, *, seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    return pa.table(
        {
            "age": rng.integers(18, 80, rows),
            "income": (rng.normal(size=rows) + y).round(3),
            "town": [("Rome", "Bern", "Oslo")[at] for at in rng.integers(0, 3, rows)],
            "label": y,
        }
    )


def texts(rows: int = 200, *, seed: int = 1) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    return [
        {"text": f"{WORDS[at]} number {rng.integers(1000)} again", "label": ("ham", "spam")[at % 2]}
        for at in rng.integers(0, len(WORDS), rows)
    ]


def write_table(folder: Path, form: str) -> Path:
    path, made = folder / f"set.{form}", table()
    if form == "parquet":
        pq.write_table(made, path, row_group_size=50)
    elif form == "feather":
        feather.write_feather(made, path)
    elif form in ("csv", "tsv"):
        _write_csv(made, path, form)
    else:
        path.write_text("".join(json.dumps(one) + "\n" for one in made.to_pylist()), "utf-8")
    return path


def _write_csv(made: pa.Table, path: Path, form: str) -> None:
    mark = "\t" if form == "tsv" else ","
    lines = [mark.join(made.column_names), *(mark.join(map(str, row.values())) for row in made.to_pylist())]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def write_lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    return path


def digits(
    rows: int = 60, *, size: int = 8, channels: int = 1, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    x = rng.integers(0, 60, (rows, size, size, channels))
    x[np.arange(rows), y * 2] += 150
    return x.astype(np.uint8), y.astype(np.uint8)


def png(pixels: np.ndarray, form: str = "PNG") -> bytes:
    target = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(target, form)
    return target.getvalue()


def write_pictures(folder: Path, rows: int = 60, *, channels: int = 1, form: str = "PNG") -> Path:
    x, y = digits(rows, channels=channels)
    for at, (pixels, label) in enumerate(zip(x, y, strict=True)):
        place = folder / f"class {label}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{at:04}.{form.lower()}").write_bytes(png(pixels, form))
    return folder


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, *, packed: bool) -> Path:
    x, y = digits()
    pack, end = (gzip.compress, ".gz") if packed else (bytes, "")
    (folder / f"train-labels-idx1-ubyte{end}").write_bytes(pack(idx(y)))
    path = folder / f"train-images-idx3-ubyte{end}"
    path.write_bytes(pack(idx(x[..., 0])))
    return path
