"""The report on how well a table hides its people."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, fail, ok, warn
from ancile.core.errors import AncileError
from ancile.core.exhibit import Table
from ancile.core.measure import Count
from ancile.core.report import Parameters, Report
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.data.anonymity import SIZES, Classes, Suggested, classes_of, suggest
from ancile.data.files import listed
from ancile.data.reading import opened
from ancile.inputs.batches import open_batches
from ancile.inputs.lines import open_json_lines
from ancile.version import __version__
from ancile.work.clock import Clock

REFS = ("CWE-359",)
LEAST_K, LEAST_L = 5, 2  # unless others are asked for; five is what statistical offices ask of cells


class Hidden(NamedTuple):
    """Classes of a table, and what is asked of them; whether by the user, so that less is a failure."""

    classes: Classes
    least_k: int
    least_l: int
    asked: bool


@check("data-people-single", severity="high", refs=REFS)
def people_single(facts: Hidden) -> Iterator[Remark]:
    """Rows of a table share what others may know with too few.

    Why   Who knows such values of somebody finds the row, and with it all that the row says.
    Fix   Take out or coarsen quasi-identifiers (years for days, regions for places), or leave those rows out.
    """
    sizes = facts.classes.sizes
    below = int(sizes[sizes < facts.least_k].sum())
    if not below:
        yield ok()
        return
    of = f"{below:,} of {int(sizes.sum()):,} rows"
    said = f"{of} are in classes of fewer than {facts.least_k}; k is {sizes.min()}"
    yield fail(said) if facts.asked else warn(said)


@check("data-people-alike", severity="high", refs=REFS)
def people_alike(facts: Hidden) -> Iterator[Remark]:
    """All of a class have the same sensitive value, or too few different ones.

    Why   Who is known to be in the class has the value, whichever row is theirs.
    Fix   Coarsen quasi-identifiers until classes mix, or leave the sensitive column out.
    """
    classes = facts.classes
    low = classes.diverse < facts.least_l
    below = int(classes.sizes[low].sum()) if len(classes.diverse) else 0
    if not below:
        yield ok()
        return
    of = f"{below:,} of {int(classes.sizes.sum()):,} rows"
    said = f"{of} are in classes with fewer than {facts.least_l} sensitive values"
    yield fail(said) if facts.asked else warn(said)


HIDDEN: tuple[Check[Hidden], ...] = (people_single, people_alike)


class Wanted(NamedTuple):
    """What is asked of a table; ``quasi`` empty for those that are suggested."""

    quasi: tuple[str, ...]
    sensitive: tuple[str, ...]
    least_k: int | None
    least_l: int | None


def risk_report(path: Path, wanted: Wanted, *, clock: Clock) -> Report:
    """How many share what may be known of them in the table at ``path``: CSV, JSON lines, Parquet, Arrow."""
    started, listing = clock.now(), listed(path)
    if not listing.alone:
        raise AncileError("a folder is no table", value=plain(str(path)), remedy="name one file")
    (entry,) = listing.files.values()
    with opened(entry) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        file.seek(0)
        is_lines = path.suffix.lower() in (".jsonl", ".ndjson")
        table = open_json_lines(file) if is_lines else open_batches(file, suffix=path.suffix.lower())
        found = suggest(table, wanted.sensitive)
        quasi = wanted.quasi or _enough(found)
        classes = classes_of(table, quasi, wanted.sensitive)
    facts = Hidden(
        classes,
        wanted.least_k or LEAST_K,
        wanted.least_l or LEAST_L,
        asked=wanted.least_k is not None or wanted.least_l is not None,
    )
    examined = examine(HIDDEN, facts)
    said: Parameters = {"quasi": list(quasi), "sensitive": list(wanted.sensitive)}
    return Report(
        stage="data risk",
        complete=True,
        subject=Subject(kind="dataset", name=plain(path.name, 200), digest=digest),
        parameters={key: value for key, value in said.items() if value},
        measures=tuple(_measures(classes)),
        findings=examined.findings,
        passed=examined.passed,
        exhibits=tuple(_tables(classes, found)),
        started=started,
        finished=clock.now(),
        version=__version__,
    )


def _enough(found: Suggested) -> tuple[str, ...]:
    quasi = tuple(one.column for one in found.steps)
    if not quasi:
        raise AncileError(
            "nothing in this table singles people out",
            value="no column of texts, whole numbers or days with different values in different rows",
            remedy="name the columns that others may know: --quasi a,b",
        )
    return quasi


def _measures(classes: Classes) -> Iterator[Count]:
    sizes = classes.sizes
    rows, how = int(sizes.sum()), "counted over all rows"
    yield Count(name="rows", value=rows, unit="rows", method=how)
    yield Count(name="classes", value=len(sizes), unit="classes", method=how)
    yield Count(name="k_anonymity", value=int(sizes.min()), unit="rows", method="size of the smallest class")
    risk = "one over the size of the class, of the prosecutor"
    yield Count(name="reidentification_risk_worst", value=float(1 / sizes.min()), unit="chance", method=risk)
    yield Count(
        name="reidentification_risk_mean",
        value=len(sizes) / rows,
        unit="chance",
        method=f"{risk}; mean over rows",
    )
    if len(classes.diverse):
        yield Count(
            name="l_diversity",
            value=int(classes.diverse.min()),
            unit="values",
            method="least number in a class",
        )
        yield Count(
            name="l_diversity_entropy",
            value=max(1.0, float(classes.entropy.min())),
            unit="values",
            method="exp of the least entropy of a class",
        )


def _tables(classes: Classes, found: Suggested) -> Iterator[Table]:
    sizes = classes.sizes
    rows = int(sizes.sum())
    counted = [(size, int(sizes[sizes < size].sum())) for size in SIZES]
    yield Table(
        title="Rows in small classes",
        columns=("fewer than", "rows", "share"),
        rows=tuple((size, count, round(count / rows, 6)) for size, count in counted),
    )
    steps: Sequence[tuple[str, str, float]] = [
        *((plain(one, 100), "names people by itself", 1.0) for one in found.identifiers[:50]),
        *((plain(one.column, 100), "with those above", round(one.single, 6)) for one in found.steps),
    ]
    if steps:
        yield Table(
            title="What singles rows out", columns=("column", "how", "share of rows alone"), rows=tuple(steps)
        )
