"""Real sets of pictures, tables and texts, a few thousand rows of them drawn by a seed. Imports nothing of ancile.

GTSRB has four frames of each track, which are near copies of each other: they stay in, as they are in real sets.
"""

from __future__ import annotations

import os
import zlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

SHARED = Path(os.environ.get("ANCILE_SHARED", Path(__file__).parent.parent.parent / "shared"))
SIZE = 4000
PICTURES = ("mnist", "gtsrb")
TABLES = {
    "creditcard_fraud": "fraud",
    "credit_default": "default",
    "adult": "income",
    "spambase": "spam",
    "phishing_url": "phishing",
    "heloc": "bad",
    "german_credit": "bad",
    "compas": "two_year_recid",
}
TEXTS = ("sms_spam", "movie_sentences")
SETS = (*PICTURES, *TABLES, *TEXTS)

Images: TypeAlias = NDArray[np.uint8]
Table: TypeAlias = dict[str, NDArray[np.generic]]
Content: TypeAlias = Images | Table | list[str]
Labels: TypeAlias = NDArray[np.int64]


class Drawn(NamedTuple):
    """Rows and their labels.

    content  pictures (n, height, width, channels); or columns by name, numbers or objects of str; or texts
    """

    content: Content
    labels: Labels


def drawn(name: str, seed: int, size: int = SIZE) -> Drawn:
    """Rows of a set without return, in an order that says nothing."""
    content, labels = whole(name)
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
    return Drawn(*taken(content, labels, rng.permutation(len(labels))[:size]))


def taken(content: Content, labels: Labels, places: NDArray[np.int64]) -> Drawn:
    """Copies of some rows."""
    some: Content
    if isinstance(content, np.ndarray):
        some = content[places]
    elif isinstance(content, dict):
        some = {name: column[places] for name, column in content.items()}
    else:
        some = [content[at] for at in places]
    return Drawn(some, labels[places])


@lru_cache(maxsize=4)
def whole(name: str) -> Drawn:
    """The part of a set that is meant for training; of tables and texts all."""
    if name in PICTURES:
        with np.load(SHARED / "data" / f"{name}.npz", allow_pickle=False) as archive:
            pixels, labels = archive["x_train"], archive["y_train"]
        return Drawn(pixels.reshape(*pixels.shape[:3], -1), labels.astype(np.int64))
    folder, target = ("tabular", TABLES[name]) if name in TABLES else ("text", "label")
    table = pq.read_table(SHARED / "data" / folder / f"{name}.parquet")
    columns = {one: table[one].to_numpy() for one in table.column_names if one != "split"}
    labels = columns.pop(target).astype(np.int64)
    return Drawn(list(columns["text"]) if name in TEXTS else columns, labels)
