"""The development corpus of labelled model files, and what ancile says of an entry; not a bar by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ancile.core.report import Verdict
from ancile.measure.intervals import clopper_pearson
from ancile.scan import names
from ancile.scan.files import find_files, scan_file
from project import SHARED

CORPUS = SHARED / "data" / "model_corpus"
WORST_FIRST: tuple[Verdict, ...] = ("block", "review", "incomplete", "named-classes", "data-only")
CAUGHT = ("block", "review")
CLEAN = ("named-classes", "data-only")


class Entry(NamedTuple):
    """A labelled file or folder.

    name       below the corpus
    label      malicious, malformed, benign or gray
    family     the technique without its variant
    technique  as the label has it
    block      whether the label asks for block, where it is malicious
    """

    name: str
    label: str
    family: str
    technique: str
    block: bool

    @property
    def path(self) -> Path:
        """Where it lies."""
        return CORPUS / self.name


def entries(*labels: str) -> list[Entry]:
    """Every entry with one of the labels, all without any, in the order of their names."""
    held = json.loads((CORPUS / "labels.json").read_text("utf-8"))
    return [
        Entry(name, one["label"], _family(one), one["technique"], "review or block" not in one["note"])
        for name, one in sorted(held.items())
        if not labels or one["label"] in labels
    ]


def _family(one: dict[str, str]) -> str:
    technique = one["technique"].removeprefix("malformed:").removeprefix("benign:")
    return technique.partition(":")[0]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of many."""
    return min(verdicts, key=WORST_FIRST.index)


def verdict_of(path: Path) -> Verdict:
    """What ancile says of a file, or of the worst file of a folder."""
    return worst(scan_file(one).found.verdict for one in find_files([path]))


def share(k: int, n: int) -> str:
    """A share, k of n, with its interval."""
    low, high = clopper_pearson(k, n)
    return f"{k}/{n} = {100 * k / max(1, n):.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def no_names() -> names.Lists:
    """Lists in which nothing is known: all that is called or looked up is strange."""
    return replace(names.lists(), names={}, packages={}, compiled=frozenset(), feared=frozenset())


@contextmanager
def lists(changed: names.Lists) -> Iterator[None]:
    """Judge by other lists of names."""
    kept = names.lists
    names.lists = lambda *_: changed
    try:
        yield
    finally:
        names.lists = kept
