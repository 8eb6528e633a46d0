"""What a report says, in the order in which people need it: what to do, what is open, figures by slice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ancile.core.exhibit import Curve
from ancile.core.finding import SEVERITIES, Finding, Location
from ancile.core.measure import Measure
from ancile.core.report import Report
from ancile.render.phrases import scalar, slice_text

STATUSES = ("FAIL", "WARN")
MANY = 12  # classes that are all shown
WEAKEST = 10  # of more classes


class Seen(NamedTuple):
    """One place where a check concluded something, and what."""

    location: Location
    detail: str


class Action(NamedTuple):
    """One check that asks for something, with all places where it does."""

    first: Finding
    seen: tuple[Seen, ...]


class Group(NamedTuple):
    """Measures over the values of one slice key: a row a value, a column a name, None where absent."""

    key: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Measure | None, ...]], ...]


def actions(report: Report) -> tuple[Action, ...]:
    """What to do: the failures and warnings, each check once, the gravest first, failures before warnings."""
    wanted = [f for f in report.findings if f.status in STATUSES]
    wanted.sort(key=lambda f: (SEVERITIES.index(f.severity), STATUSES.index(f.status)))
    return _by_check(wanted)


def open_questions(report: Report) -> tuple[Action, ...]:
    """The errors: what was tried and came to no conclusion."""
    return _by_check(f for f in report.findings if f.status == "ERROR")


def not_examined(report: Report) -> tuple[Action, ...]:
    """The checks that did not apply or could not, with the reason."""
    return _by_check(f for f in report.findings if f.status == "SKIP")


def passed(report: Report) -> tuple[tuple[str, int], ...]:
    """The checks that looked and found nothing anywhere, with how often they looked."""
    found = {f.check for f in report.findings}
    return tuple((check, times) for check, times in report.passed.items() if check not in found)


def _by_check(findings: Iterable[Finding]) -> tuple[Action, ...]:
    places: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        places.setdefault((finding.check, finding.status), []).append(finding)
    return tuple(Action(all_[0], tuple(Seen(f.location, f.detail) for f in all_)) for all_ in places.values())


def whole(report: Report) -> tuple[Measure, ...]:
    """The measures that speak of the whole."""
    return tuple(m for m in report.measures if not m.slice)


def groups(report: Report) -> tuple[Group, ...]:
    """The measures of parts, one group for each set of slice keys, in the order of the report."""
    by_key: dict[str, list[Measure]] = {}
    for measure in report.measures:
        if measure.slice:
            by_key.setdefault(" and ".join(measure.slice), []).append(measure)
    return tuple(Group(key, *_columns(measures)) for key, measures in by_key.items())


def weakest(group: Group) -> Group:
    """Of many classes the weakest, weakest first; a group of few rows, or by another key, as it is."""
    if group.key != "class" or len(group.rows) <= MANY:
        return group
    place = group.names.index("robust_accuracy") if "robust_accuracy" in group.names else 0

    def standing(row: tuple[str, tuple[Measure | None, ...]]) -> float:
        found = row[1][place]
        return math.inf if found is None else found.value

    return Group(group.key, group.names, tuple(sorted(group.rows, key=standing)[:WEAKEST]))


def _columns(
    measures: list[Measure],
) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[Measure | None, ...]], ...]]:
    names = tuple(dict.fromkeys(m.name for m in measures))
    rows: dict[tuple[object, ...], dict[str, Measure]] = {}
    for measure in measures:
        rows.setdefault(tuple(measure.slice.items()), {})[measure.name] = measure
    return names, tuple(_row(names, found) for found in rows.values())


def _row(names: tuple[str, ...], found: dict[str, Measure]) -> tuple[str, tuple[Measure | None, ...]]:
    of = next(iter(found.values())).slice
    key = slice_text(of) if len(of) > 1 else scalar(next(iter(of.values())))
    return key, tuple(found.get(name) for name in names)


def drawn(report: Report) -> set[str]:
    """The slice keys over which a curve is drawn: its x label begins with the key ("eps (linf)")."""
    keys = {group.key for group in groups(report)}
    return {word for word in (c.x_label.partition(" ")[0] for c in curves(report)) if word in keys}


def curves(report: Report) -> tuple[Curve, ...]:
    """The curves among the exhibits."""
    return tuple(one for one in report.exhibits if isinstance(one, Curve))


def cited(report: Report) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each reference once, with the checks that cite it."""
    by_ref: dict[str, dict[str, None]] = {}
    for finding in report.findings:
        for ref in finding.refs:
            by_ref.setdefault(ref, {})[finding.check] = None
    for ref in sorted(by_ref):
        yield ref, tuple(by_ref[ref])
