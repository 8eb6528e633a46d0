"""Wrong labels that people confirmed: the average precision of our ranking beside cleanlab's.

Test sets with errors that reviewers confirmed (Northcutt 2021, arXiv:2103.14749), where both sides get the same
probabilities; pictures with labels by people in a hurry (CIFAR-10N, Wei 2022, arXiv:2110.12088), where both get the
same probabilities, then pictures alone, and so of MNIST's test set. Of the reviewed sets a row that nobody
looked at counts as right. The control ranks by a die.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from ancile.data.poison.labels import unexpected_labels
from ancile.data.poison.search import search
from ancile.data.poison.shared import Shared
from ancile.data.rows import Rows
from bar import Bar
from environments import environment
from poison_ours import as_rows
from poison_sets import SHARED, Images, Labels

HERE = Path(__file__).parent
REVIEWED = ("mnist_test", "news20_test", "imdb_test")
CONFIRMED = 3  # of five people for the given label

Reals = NDArray[np.float64]


class Known(NamedTuple):
    """Labels, which of them are wrong, and what both sides get: probabilities or pictures."""

    y: Labels
    wrong: NDArray[np.bool_]
    given: dict[str, NDArray[np.generic]]


def arrays(name: str) -> dict[str, NDArray[np.generic]]:
    with np.load(SHARED / "data" / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def known() -> dict[str, Known]:
    """By name."""
    found = {}
    for name in REVIEWED:
        file = arrays(f"label_errors/{name}")
        wrong = np.zeros(len(file["given"]), bool)
        wrong[file["flagged_index"][file["flagged_votes"][:, 0] < CONFIRMED]] = True
        y = file["given"].astype(np.int64)
        found[name] = Known(y, wrong, {"probabilities": file["probabilities"]})
        if name == "mnist_test":
            found[f"{name}, pictures alone"] = Known(y, wrong, {"x": arrays("mnist")["x_test"][..., None]})
    file = arrays("cifar10n")
    for label in ("aggregate", "random1", "worst"):
        y = file[f"y_{label}"].astype(np.int64)
        wrong = y != file["y_clean"]
        if f"prob_{label}" in file:
            found[f"cifar10n {label}"] = Known(y, wrong, {"probabilities": file[f"prob_{label}"]})
        found[f"cifar10n {label}, pictures alone"] = Known(y, wrong, {"x": file["x"]})
    return found


def ours(one: Known) -> Reals:
    """The higher the worse; probabilities that are given stand for those that the search would reckon."""
    if "x" in one.given:
        pixels: Images = one.given["x"].astype(np.uint8)
        order = search(as_rows(pixels, one.y), seed=0).order
        return -np.argsort(order).astype(float)
    rows: Rows = as_rows([""] * len(one.y), one.y)
    shared = Shared(rows)
    vars(shared)["probabilities"] = one.given["probabilities"].astype(float)
    return unexpected_labels(rows, shared).score


def cleanlabs(one: Known) -> Reals:
    with TemporaryDirectory() as folder:
        given, out = Path(folder) / "given.npz", Path(folder) / "out.npy"
        np.savez(given, y=one.y, **one.given)  # type: ignore[arg-type]  # names of arrays are its keywords
        python = str(environment("poison") / "python")
        subprocess.run(
            [python, str(HERE / "poison_labels_side.py"), str(given), str(out)], check=True, cwd=HERE
        )
        return -np.load(out)


def measure(control: bool = False) -> list[Bar]:
    """One bar a set."""
    bars = []
    for name, one in known().items():
        mine = np.random.default_rng(0).random(len(one.y)) if control else ours(one)
        here, there = (float(average_precision_score(one.wrong, score)) for score in (mine, cleanlabs(one)))
        bars.append(
            Bar(
                claim=f"poison: known wrong labels of {name} ranked as well as by cleanlab",
                measured=f"average precision {here:.4f} against {there:.4f}; {one.wrong.sum()} of {len(one.y)} wrong",
                wanted="at least as high",
                met=here >= there - 1e-9,
                raw={"ours": [here], "cleanlab": [there]},
            )
        )
    return bars


if __name__ == "__main__":
    for bar in measure(control="control" in sys.argv):
        print(bar, flush=True)
