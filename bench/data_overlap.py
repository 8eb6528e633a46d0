"""Leakage between splits: copies planted into the test part, and alarms on official splits as they are.

Of each training part 2 % of the test part's size is drawn by a seed of three and put into the test part: as it is, or
changed a little: pictures stored as JPEG of quality 60, with noise of 8 of 255, brightened, mirrored; texts with two
letters exchanged, in capitals, without the last word; numbers of tables multiplied by 1 plus a thousandth of noise,
integers beyond 1,000 moved by at most 2. Found is a planted row that is told as equal or nearly so. Alarms are rows
told on the same split without anything planted; sms_spam has messages by one template on both sides, so that texts
are judged by movie_sentences. The control looks for equal rows alone, and takes the first of every ten for one.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ancile.data.leakage_compare import Overlap, overlap_of
from ancile.data.leakage_reading import Chosen
from bar import Bar

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("ANCILE_SHARED", HERE.parent.parent / "shared")) / "data"
SEEDS, SHARE, MOST = 3, 0.02, 4_000
TABLES = ("credit_default", "creditcard_fraud", "phishing_url", "spambase", "heloc")
FOUND, ALARMS = {"pictures": 0.9, "texts": 0.9, "tables": 0.8}, 0.002


def told(seen: Overlap, control: bool) -> set[int]:
    rows = {one.test_row for one in (*seen.exact, *(() if control else seen.near or ()))}
    return rows | ({int(one) for one in seen.sides.test.rows[::10]} if control else set())


def stored(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each picture changed in one of four ways."""
    made = []
    for at, one in enumerate(pixels):
        if at % 4 == 0:
            held = io.BytesIO()
            Image.fromarray(one).save(held, "JPEG", quality=60)
            made.append(np.asarray(Image.open(held)))
        elif at % 4 == 1:
            made.append(np.clip(one + rng.normal(0, 8, one.shape), 0, 255).astype(np.uint8))
        else:
            made.append((one * 0.75 + 15).astype(np.uint8) if at % 4 == 2 else one[:, ::-1])
    return np.stack(made)


def pictures(name: str, folder: Path, rng: np.random.Generator) -> tuple[Path, Path, Path]:
    held = np.load(SHARED / f"{name}.npz")
    train, test = held["x_train"][: 4 * MOST], held["x_test"][: MOST // 2]
    some = train[rng.choice(len(train), int(SHARE * len(test)), replace=False)]
    made = stored(some, rng)
    paths = folder / "train.npz", folder / "test.npz", folder / "planted.npz"
    for path, x in zip(paths, (train, test, np.concatenate([test, made])), strict=True):
        np.savez(path, x=x, y=np.arange(len(x)) % 2)
    return paths


def changed(text: str, at: int) -> str:
    if at % 3 == 0:
        place = len(text) // 2
        return text[:place] + text[place + 1 : place + 2] + text[place : place + 1] + text[place + 2 :]
    return text.upper() if at % 3 == 1 else " ".join(text.split()[:-1])


def table(name: str, folder: Path, rng: np.random.Generator) -> tuple[Path, Path, Path]:
    whole = pq.read_table(SHARED / f"{name}.parquet")
    split = np.array(whole["split"].to_pylist())
    whole = whole.drop(["split"])
    train, test = (whole.filter(pa.array(some)) for some in (split == "train", split != "train"))
    test = test.slice(0, MOST)
    some = train.take(pa.array(rng.choice(train.num_rows, int(SHARE * test.num_rows), replace=False)))
    planted = {name: disturbed(some[name].to_pylist(), rng) for name in some.column_names}
    paths = folder / "train.parquet", folder / "test.parquet", folder / "planted.parquet"
    both = pa.concat_tables([test, pa.table(planted, schema=test.schema)])
    for path, made in zip(paths, (train, test, both), strict=True):
        pq.write_table(made, path)
    return paths


def disturbed(values: list, rng: np.random.Generator) -> list:
    if isinstance(values[0], float):
        return [None if one is None else one * (1 + rng.normal(0, 1e-3)) for one in values]
    if isinstance(values[0], str) and statistics.mean(map(len, values)) > 40:
        return [changed(one, at) for at, one in enumerate(values)]
    if isinstance(values[0], int) and max(values) > 1_000:
        return [max(0, one + int(rng.integers(-2, 3))) if one > 0 else one for one in values]
    return values


def judged(kind: str, names: tuple[str, ...], make: object, control: bool) -> list[Bar]:
    found: list[float] = []
    alarms: list[float] = []
    for name in names:
        for seed in range(SEEDS):
            with TemporaryDirectory() as folder:
                train, test, planted = make(name, Path(folder), np.random.default_rng(seed))  # type: ignore[operator]
                seen = overlap_of(train, planted, Chosen())
                total = len(seen.sides.test.keys)
                first = round(total / (1 + SHARE))
                found.append(len({row for row in told(seen, control) if row >= first}) / (total - first))
                if seed == 0:
                    clean = overlap_of(train, test, Chosen())
                    alarms.append(len(told(clean, control)) / len(clean.sides.test.keys))
    middle, worst = statistics.median(found), max(alarms)
    return [
        Bar(
            claim=f"data: copies across a split are found though they were changed: {kind}",
            measured=f"median {middle:.0%}, worst {min(found):.0%}, of {len(found)} runs; "
            f"most alarms without any {worst:.2%} of rows",
            wanted=f"median at least {FOUND[kind]:.0%}, alarms at most {ALARMS:.1%}",
            met=middle >= FOUND[kind] and worst <= ALARMS,
            raw={"found": found, "alarms": alarms},
        )
    ]


def measure(control: bool = False) -> list[Bar]:
    return [
        *judged("pictures", ("mnist", "gtsrb"), pictures, control),
        *judged("texts", ("text/movie_sentences",), table, control),
        *judged("tables", tuple(f"tabular/{one}" for one in TABLES), table, control),
    ]


if __name__ == "__main__":
    for bar in measure(control="control" in sys.argv):
        print(bar)
