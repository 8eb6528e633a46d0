"""Whether what a model is judged on was part of what it was trained on: rows on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ancile.core.check import Check, Remark, check, examine, fail, ok, skip, warn
from ancile.core.exhibit import Table
from ancile.core.finding import Location
from ancile.core.measure import Count, Estimate
from ancile.core.report import Parameters, Report
from ancile.core.subject import subject_of_parts
from ancile.data.leakage_compare import Overlap, Pair, Told, overlap_of
from ancile.data.leakage_near import SURE, excess
from ancile.data.leakage_reading import Chosen
from ancile.measure.intervals import clopper_pearson
from ancile.version import __version__
from ancile.work.clock import Clock

SHOWN = 20  # pairs of a kind that are findings; the rest is counted
LISTED = 500  # pairs in the table
PROVENANCE = ("AML.M0025 (ATLAS 5.6.0)",)


@check("data-overlap-exact", severity="high", refs=PROVENANCE)
def overlap_exact(facts: Overlap) -> Iterator[Remark]:
    """Rows that a model is judged on were part of what it was trained on.

    Why   A model that remembers gets those right without having learned anything: the figures are better than
          what users will see.
    Fix   Remove the rows from one side, and draw the split once more by whole groups of equal rows.

    FAIL where they are more than rows of the training side are equal to each other, which chance does not
    explain; else WARN.
    """
    count, total = len(facts.exact), len(facts.sides.test.keys)
    again, of = facts.repeated
    chance = excess(count, total, again, of)
    remark = fail if chance < SURE else warn
    if count:
        natural = f"of the training rows {again / of:.2%} have an equal among themselves"
        yield remark(f"{count} of {total} rows ({count / total:.2%}) are on both sides; {natural}")
    for pair in facts.exact[:SHOWN]:
        yield remark(f"equal to {pair.train} of the training side", where=_where(pair))
    if not count:
        yield ok()


@check("data-overlap-near", severity="medium", refs=PROVENANCE)
def overlap_near(facts: Overlap) -> Iterator[Remark]:
    """Rows that a model is judged on are nearly those that it was trained on.

    Why   A picture that was stored again, a text with a typing error, a rounded number: to a model it is the
          row that it knows.
    Fix   Look at the pairs. Where they are copies, keep all copies of a thing on one side.

    Things that are alike by nature are among them: messages by one template, frames of one film.
    """
    if facts.near is None:
        yield skip("rows of this kind are not compared for being nearly equal")
        return
    count, total = len(facts.near), facts.compared[1]
    if count:
        yield warn(
            f"{count} of {total} rows ({count / total:.2%}) are nearly on both sides; of training rows "
            f"{facts.near_share:.2%} are as near to another one"
        )
    for pair in facts.near[:SHOWN]:
        yield warn(f"nearly {pair.train} of the training side", where=_where(pair))
    if not count:
        yield ok()


@check("data-overlap-label", severity="medium", refs=PROVENANCE)
def overlap_label(facts: Overlap) -> Iterator[Remark]:
    """Equal rows have one label on the training side and another on the test side.

    Why   One of them is wrong, or the row does not say what the label depends on: no model can get both
          right.
    Fix   Look at the rows; correct the label, or leave them out.
    """
    for pair in facts.other[:SHOWN]:
        yield warn(f"{pair.train} of the training side is equal, and labelled otherwise", where=_where(pair))
    if len(facts.other) > SHOWN:
        yield warn(f"and {len(facts.other) - SHOWN} more")
    if not facts.other:
        yield ok()


@check("data-overlap-group", severity="high", refs=PROVENANCE)
def overlap_group(facts: Overlap) -> Iterator[Remark]:
    """Rows of one person, film or session are on both sides of a split.

    Why   Rows of a group are alike in what has nothing to do with the label: a model learns to know the
          group, and fails on the next one.
    Fix   Draw the split by groups: all rows of one on one side.
    """
    if facts.groups is None:
        yield skip("no column of groups was named")
        return
    for name in facts.groups[:SHOWN]:
        yield fail(f"{name} is on both sides")
    if len(facts.groups) > SHOWN:
        yield fail(f"and {len(facts.groups) - SHOWN} more")
    if not facts.groups:
        yield ok()


OVERLAP: tuple[Check[Overlap], ...] = (overlap_exact, overlap_near, overlap_label, overlap_group)


def _where(pair: Pair) -> Location:
    return Location(row=pair.test_row) if pair.test.startswith("row ") else Location(path=pair.test)


def overlap_report(
    train: Path,
    test: Path,
    chosen: Chosen,
    *,
    clock: Clock,
    told: Told | None = None,
) -> Report:
    """The report on a split."""
    started = clock.now()
    facts = overlap_of(train, test, chosen, told=told)
    one, other = facts.sides.train, facts.sides.test
    found = examine(OVERLAP, facts)
    parameters: Parameters = {name: value for name, value in chosen._asdict().items() if value}
    parameters |= {"train": one.subject.digest, "test": other.subject.digest}
    if facts.sides.notes:
        parameters["notes"] = list(facts.sides.notes)
    parts = {"train": one.subject.digest, "test": other.subject.digest}
    return Report(
        stage="data overlap",
        complete=True,
        subject=subject_of_parts("dataset", f"{one.subject.name} and {other.subject.name}"[:200], parts),
        parameters=parameters,
        measures=tuple(_measures(facts)),
        findings=found.findings,
        passed=found.passed,
        exhibits=tuple(_table(facts)),
        started=started,
        finished=clock.now(),
        version=__version__,
    )


def _measures(facts: Overlap) -> Iterator[Count | Estimate]:
    one, other = facts.sides.train, facts.sides.test
    for name, side in (("train", one), ("test", other)):
        yield Count(name=f"{name}_rows", value=side.total, unit="rows", method="counted")
        if len(side.keys) < side.total:  # pictures that memory would not hold
            yield Count(name=f"{name}_looked_at", value=len(side.keys), unit="rows", method="drawn at random")
    if facts.near is not None:
        yield Count(name="train_compared", value=facts.compared[0], unit="rows", method="drawn at random")
    for name, pairs, total in (
        ("equal_share", facts.exact, len(other.keys)),
        ("near_share", facts.near, facts.compared[1]),
    ):
        if pairs is not None:
            low, high = clopper_pearson(len(pairs), total)
            yield Estimate(
                name=name,
                value=len(pairs) / total,
                unit="rate",
                n=total,
                low=low,
                high=high,
                confidence=0.95,
                method="share of the test rows that were compared; Clopper-Pearson",
            )


def _table(facts: Overlap) -> Iterator[Table]:
    wrong = {pair.test_row for pair in facts.other}
    pairs = [
        pair._replace(kind="equal, another label") if pair.test_row in wrong else pair for pair in facts.exact
    ]
    pairs += facts.near or []
    if pairs:
        more = f"the first {LISTED} of {len(pairs)}" if len(pairs) > LISTED else ""
        yield Table(
            title="Rows on both sides",
            columns=("test", "train", "how"),
            rows=tuple((pair.test[:200], pair.train[:200], pair.kind) for pair in pairs[:LISTED]),
            note=more,
        )
