"""The report of a check of data: findings, measures, the rows worst first, and what people look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ancile.core.check import examine
from ancile.core.errors import AncileError
from ancile.core.measure import RATE, Count, Estimate
from ancile.core.report import MOST_REASONS, MOST_ROWS, REASON_LENGTH, Cost, Parameters, RankedRow, Report
from ancile.core.text import plain
from ancile.data.checking.arrays import Draw
from ancile.data.checking.comparison import COMPARISON
from ancile.data.checking.drifting import drift_between
from ancile.data.checking.exhibits import exhibits_of
from ancile.data.checking.expectations import Broken, Expectations, broken, inferred
from ancile.data.checking.facts import Against, Facts, Ranked, Searched, ranking
from ancile.data.checking.opened import Opened
from ancile.data.checking.opening import Both, Told, open_both
from ancile.data.checking.suspicion import SUSPICION
from ancile.data.checking.tables import Asked
from ancile.data.checking.validation import VALIDATION
from ancile.data.poison.combine import FINDING
from ancile.data.poison.search import search
from ancile.data.spots import redacted
from ancile.measure.intervals import clopper_pearson
from ancile.version import __version__
from ancile.work.clock import Clock

CONFIDENCE = 0.95
MOST_SLICES = 100  # columns and classes of which a measure speaks
CHECKS = (*VALIDATION, *COMPARISON, *SUSPICION)


class Compared(NamedTuple):
    """Another version: how it is called, and where it lies."""

    name: str
    path: Path


class Order(NamedTuple):
    """What is to be checked.

    rows       at most so many are searched, drawn by ``seed``
    reference  trusted rows
    against    another version, to be compared with
    expected   what the data has to keep to
    """

    path: Path
    asked: Asked
    rows: int
    seed: int
    reference: Path | None = None
    against: Compared | None = None
    expected: Expectations | None = None


class Checked(NamedTuple):
    """The report, and what the data keeps to, to be frozen."""

    report: Report
    keeps_to: Expectations


def check_data(order: Order, *, clock: Clock, told: Told | None = None) -> Checked:
    """Everything that is known about the data at a path.

    told  is given what is being done, how much is done, of how much
    AncileError where it cannot be read.
    """
    started, wall, cpu = clock.now(), clock.wall(), clock.cpu()
    both = open_both(
        order.path, order.asked, Draw(order.rows, order.seed), reference=order.reference, told=told
    )
    searched = tuple(_searched(both.data, both.reference, order, told))
    facts = Facts(both.data, searched, _against(order, both, told), _broken(order, both.data))
    found = examine(CHECKS, facts)
    rows = tuple(_row(one) for one in ranking(facts, MOST_ROWS))
    report = Report(
        stage="data check",
        complete=True,
        subject=both.data.subject,
        parameters=_parameters(order, both.data, both.reference, searched),
        measures=tuple(_measures(facts)),
        findings=found.findings,
        passed=found.passed,
        exhibits=exhibits_of(facts, both.reference.rows if both.reference else (), seed=order.seed),
        rows=rows,
        cost=Cost(
            cpu_seconds=clock.cpu() - cpu,
            wall_seconds=clock.wall() - wall,
            peak_memory_bytes=clock.memory(),
        ),
        started=started,
        finished=clock.now(),
        version=__version__,
    )
    return Checked(report, inferred(both.data))


def _against(order: Order, both: Both, told: Told | None) -> Against | None:
    """How the data differs from the version that was named, else from the trusted rows."""
    if order.against is not None:
        draw = Draw(order.rows, order.seed)
        other = open_both(order.against.path, order.asked, draw, told=told).data
        return Against(order.against.name, tuple(drift_between(other, both.data)))
    if both.reference is not None:
        return Against(both.reference.subject.name, tuple(drift_between(both.reference, both.data)))
    return None


def _broken(order: Order, data: Opened) -> tuple[Broken, ...] | None:
    return None if order.expected is None else tuple(broken(order.expected, data))


def _searched(data: Opened, reference: Opened | None, order: Order, told: Told | None) -> Iterator[Searched]:
    trusted = reference.rows if reference else ()
    for rows in data.rows:
        beside = next((one for one in trusted if type(one.content) is type(rows.content)), None)
        if reference is not None and beside is None:
            raise AncileError(
                "the reference is of another kind than the data",
                value=reference.subject.name,
                remedy="give rows of the same kind, with the same columns",
            )
        words = None if told is None else _as_words(told)
        yield Searched(rows, search(rows, seed=order.seed, reference=beside, told=words))


def _as_words(told: Told) -> Callable[[str], None]:
    return lambda words: told(words, 0, 0)


def _row(one: Ranked) -> RankedRow:
    rows, found = one.searched.rows, one.searched.found
    label = rows.classes[int(rows.y[one.at])] if rows.y is not None else ""
    return RankedRow(
        row=one.place,
        score=round(one.score, 4),
        reasons=tuple(
            plain(redacted(why).text, REASON_LENGTH - 50) for why in found.reasons(one.at)[:MOST_REASONS]
        ),
        path=rows.names[one.place] if rows.names else "",
        label=plain(label, 100),
    )


def _parameters(
    order: Order, data: Opened, reference: Opened | None, searched: tuple[Searched, ...]
) -> Parameters:
    said: Parameters = {
        "kind": data.kind,
        "seed": order.seed,
        "rows": data.total,
        "searched": max((len(one.rows) for one in searched), default=0),
    }
    if data.labels.column:
        said["label"] = plain(data.labels.column, 100)
    if order.asked.source:
        said["source"] = plain(order.asked.source, 100)
    if reference is not None:
        said["reference"] = reference.subject.digest
    if order.against is not None:
        said["against"] = plain(order.against.name, 200)
    if order.expected is not None:
        said["expectations"] = len(order.expected.columns)
    if data.notes:
        said["notes"] = [plain(one, 300) for one in data.notes]
    return said


def _measures(facts: Facts) -> Iterator[Count | Estimate]:
    data = facts.opened
    yield Count(name="rows", value=data.total, unit="rows", method="counted")
    looked = max((len(one.rows) for one in facts.searched), default=0)
    yield Count(name="rows_searched", value=looked, unit="rows", method="counted")
    for (name, count), _ in zip(data.labels.counts.items(), range(MOST_SLICES), strict=False):
        yield Count(name="rows_searched", slice={"class": name}, value=count, unit="rows", method="counted")
    if looked:
        some = {one.place for one in ranking(facts, looked) if one.score >= FINDING}
        yield _rate(
            "suspect_rows", len(some), looked, "rows with a score of 3 or more; Clopper-Pearson interval"
        )
        grouped = {int(one.rows.places[at]) for one in facts.groups for at in one.group.rows}
        yield _rate(
            "rows_in_groups",
            len(grouped),
            looked,
            "rows of groups that are findings; Clopper-Pearson interval",
        )
    for drifted in facts.against.drift[:MOST_SLICES] if facts.against else ():
        yield Estimate(
            name="population_stability_index",
            slice={"column": plain(drifted.column, 80)},
            value=drifted.drift.stability,
            unit="1",
            n=drifted.n,
            method="tenths of the older data, or its categories",
        )
    if data.table is not None:
        found = data.table.repeats
        method = "rows that repeat an earlier one; Clopper-Pearson interval"
        yield _rate("repeated_rows", found.repeats, found.looked, method)
        empty = [one for one in data.table.columns if one.missing]
        for one in sorted(empty, key=lambda one: -one.missing)[:MOST_SLICES]:
            method = "empty cells; Clopper-Pearson interval"
            yield _rate("missing_cells", one.missing, one.rows, method, column=plain(one.name, 80))


def _rate(name: str, count: int, n: int, method: str, **of: str) -> Estimate:
    low, high = clopper_pearson(count, n, confidence=CONFIDENCE)
    value = count / n
    return Estimate(
        name=name,
        slice=dict(of),
        value=value,
        unit=RATE,
        n=n,
        low=min(low, value),
        high=max(high, value),
        confidence=CONFIDENCE,
        method=method,
    )
