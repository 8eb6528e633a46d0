"""Secrets in data: how many are found, and how many of what is found are none.

On the cases and files of another scanner (detect-secrets of Yelp, as ``shared/data/INDEX.md`` says: it finds 238 of
the 269 cases itself, with 27 false alarms; public addresses of the net, five of them, are personal and no secrets to
us, and count as missed), and on drawn lines of ``secrets_made.py``, as many with a secret as without, five seeds. A
line counts as found where anything in it is called a secret. The control looks for the strict forms alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bar import Bar
from secrets_made import lines

HERE = Path(__file__).parent
SEEDS, COUNT = 5, 400
RECALL, PRECISION = 0.9, 0.75

Find = Callable[[str], list[int]]


def finder(*, control: bool) -> Find:
    """What says at which places of a text secrets begin."""
    from ancile.data.spots import spots
    from ancile.patterns.secrets import find_secrets

    if control:
        return lambda text: [one.offset for one in find_secrets(text)]
    return lambda text: [one.start for one in spots(text) if one.secret]


def measure(control: bool = False) -> list[Bar]:
    """Recall and precision of two sets."""
    find = finder(control=control)
    made = [
        of_lines([(one.text, one.is_secret) for one in lines(seed, COUNT)], find) for seed in range(SEEDS)
    ]
    return [
        of_scanner(find),
        bar(f"drawn lines, {SEEDS} seeds", made),
    ]


def of_scanner(find: Find) -> Bar:
    """Its cases and its files together."""
    cases, files = of_lines(known(), find), of_files(find)
    both = bar(
        "another scanner's cases and files", [(cases[0] + files[0], cases[1] + files[1], cases[2] + files[2])]
    )
    said = f"; {cases[0]} of {cases[2]} cases, {files[0]} of {files[2]} lines of files"
    return replace(both, measured=both.measured + said)


def bar(what: str, runs: list[tuple[int, int, int]]) -> Bar:
    """From right, told and wanted of each run: the worst of them counts."""
    recall = [right / wanted for right, _, wanted in runs]
    precision = [right / max(1, told) for right, told, _ in runs]
    right, told, wanted = (sum(one) for one in zip(*runs, strict=True))
    worst = f", worst {min(recall):.3f} and {min(precision):.3f}" if len(runs) > 1 else ""
    return Bar(
        claim=f"secrets: found in {what}",
        measured=f"{right} of {wanted}: recall {right / wanted:.3f}, precision {right / max(1, told):.3f}{worst}",
        wanted=f"recall at least {RECALL:g}, precision above {PRECISION:g}",
        met=min(recall) >= RECALL and min(precision) > PRECISION,
        raw={"recall": recall, "precision": precision},
    )


def of_lines(texts: list[tuple[str, bool]], find: Find) -> tuple[int, int, int]:
    """Right, told, wanted; of texts that are one case each."""
    found = [(bool(find(text)), wanted) for text, wanted in texts]
    return sum(a and b for a, b in found), sum(a for a, _ in found), sum(b for _, b in found)


def of_files(find: Find) -> tuple[int, int, int]:
    """The same of lines of files, beside those in which the scanner itself finds something."""
    right = told = wanted = 0
    for row in rows("detect_secrets_files"):
        text = str(row["content"])
        theirs = {int(one["line"]) for one in json.loads(str(row["findings"]))}
        ours = {text.count("\n", 0, at) + 1 for at in find(text)}
        right, told, wanted = right + len(ours & theirs), told + len(ours), wanted + len(theirs)
    return right, told, wanted


def known() -> list[tuple[str, bool]]:
    """Cases with what they are meant to be."""
    return [(str(row["text"]), bool(row["is_secret"])) for row in rows("detect_secrets_lines")]


def rows(name: str) -> list[dict[str, object]]:
    """Of a shared table."""
    from pyarrow.parquet import read_table

    shared = Path(os.environ.get("ANCILE_SHARED", HERE.parent.parent / "shared"))
    found: list[dict[str, object]] = read_table(shared / "data" / "secrets" / f"{name}.parquet").to_pylist()
    return found


if __name__ == "__main__":
    for one in measure(control="control" in sys.argv):
        print(one)
