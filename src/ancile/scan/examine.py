"""One file, looked at down to its last container: format, findings, packages, verdict."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from ancile.core.check import examine
from ancile.core.finding import Finding
from ancile.core.report import Verdict
from ancile.scan.archive_checks import ARCHIVE_CHECKS, ArchiveFacts
from ancile.scan.part import Formatted, Part, Spent
from ancile.scan.places import Place
from ancile.scan.table import row_of

BLOCKING = ("critical", "high")  # severities of a FAIL that nobody should open; below, somebody has to look


class Examination(NamedTuple):
    """What was found in one file.

    format  of the file itself, not of what is in it
    """

    format: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    passed: dict[str, int]
    packages: tuple[str, ...]


def examine_part(part: Part) -> Examination:
    """What a file holds, containers and all."""
    findings: list[Finding] = []
    passed: Counter[str] = Counter()
    packages: set[str] = set()
    format_ = ""
    waiting = deque([part])
    while waiting:
        for one in _looked_at(waiting.popleft()):
            if isinstance(one, Part):
                waiting.append(one)
                continue
            format_ = format_ or one.format
            findings += one.examined.findings
            passed.update(one.examined.passed)
            packages |= one.packages
    told = tuple(dict.fromkeys(findings))
    return Examination(
        format_, verdict_of(told, packages=bool(packages)), told, dict(passed), tuple(sorted(packages))
    )


def _looked_at(part: Part) -> Sequence[Formatted | Part]:
    """What a part is and holds; what was found before a limit was reached stays."""
    found: list[Formatted | Part] = []
    try:
        for one in row_of(part).examine(part):
            found.append(one)  # noqa: PERF402 - what came before Spent is kept
    except Spent as reason:
        facts = ArchiveFacts(part, unread=(Place(str(reason), 0),))
        found.append(Formatted("unread", examine(ARCHIVE_CHECKS, facts)))
    return found


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
