"""One file, looked at down to its last container: format, findings, packages, verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ancile.core.check import examine
from ancile.core.finding import Finding
from ancile.core.report import Verdict
from ancile.scan.archive_checks import ARCHIVE_CHECKS, ArchiveFacts
from ancile.scan.part import Formatted, Part, Spent
from ancile.scan.places import Place
from ancile.scan.table import rows_of

BLOCKING = ("critical", "high")  # severities of a FAIL that nobody should open; below, somebody has to look


class Examination(NamedTuple):
    """What was found in one file.

    format    of the file itself, not of what is in it
    licences  that it names, in one spelling
    keeps     names of files beside it of which it accounts for every byte
    """

    format: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    passed: dict[str, int]
    packages: tuple[str, ...]
    licences: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()


def examine_part(part: Part) -> Examination:
    """What a file holds, containers and all."""
    findings: list[Finding] = []
    passed: list[dict[str, int]] = []
    packages: set[str] = set()
    licences: set[str] = set()
    keeps: tuple[str, ...] = ()
    format_ = ""
    # Each part is examined before the next one is taken out, so that one of each depth is held at a time
    open_ = [_looked_at(part)]
    while open_:
        one = next(open_[-1], None)
        if one is None:
            open_.pop()
        elif isinstance(one, Part):
            open_.append(_looked_at(one))
        else:
            if len(open_) == 1:
                format_ = format_ or one.format
                keeps += tuple(sorted(one.keeps)) if one.keeps else ()
            if one.examined.findings:
                findings += one.examined.findings
            passed.append(one.examined.passed)
            if one.packages or one.licences:
                packages |= one.packages
                licences |= one.licences
    told = tuple(dict.fromkeys(findings)) if findings else ()
    verdict = verdict_of(told, packages=bool(packages))
    return Examination(
        format_, verdict, told, _sum(passed), tuple(sorted(packages)), tuple(sorted(licences)), keeps
    )


def _sum(passed: list[dict[str, int]]) -> dict[str, int]:
    """Passes of all parts: most parts share one result, which is taken once with its number."""
    shared: dict[int, int] = {}
    for one in passed:
        shared[id(one)] = shared.get(id(one), 0) + 1
    found: dict[str, int] = {}
    for one in passed:
        number = shared.pop(id(one), 0)
        if number:
            for check, times in one.items():
                found[check] = found.get(check, 0) + number * times
    return found


def _looked_at(part: Part) -> Iterator[Formatted | Part]:
    """What a part is and holds; what was found before a limit was reached stays."""
    try:
        for row in rows_of(part):
            yield from row.examine(part)
    except Spent as reason:
        facts = ArchiveFacts(part, unread=(Place(str(reason), 0),))
        yield Formatted("unread", examine(ARCHIVE_CHECKS, facts))


def verdict_of(findings: Sequence[Finding], *, packages: bool) -> Verdict:
    """What follows from findings: a warning changes nothing.

    packages  whether whoever opens the file needs packages that one should pin
    """
    failed = [one.severity for one in findings if one.status == "FAIL"]
    if any(severity in BLOCKING for severity in failed):
        return "block"
    if failed:
        return "review"
    if any(one.status == "ERROR" for one in findings):
        return "incomplete"
    return "named-classes" if packages else "data-only"
