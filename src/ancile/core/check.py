"""Checks: plain generators that yield remarks, and the page that each carries as its docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from ancile.core.finding import NOWHERE, Finding, Location, Severity, Status

ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")

Facts = TypeVar("Facts")


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What a check saw in one place; with the check's page it becomes a finding, or a counted pass.

    mend  whether what the page says under Fix is the remedy
    """

    status: Status
    detail: str = ""
    where: Location = NOWHERE
    severity: Severity | None = None
    mend: bool = False


PASSED = Remark(status="PASS")
NOTHING = Remark(status="ERROR", detail="the check came to no conclusion and gave no reason")


def ok() -> Remark:
    """The check looked here and found nothing."""
    return PASSED


def warn(detail: str, *, where: Location = NOWHERE, severity: Severity | None = None) -> Remark:
    """Something to mend that does not refuse by itself."""
    return Remark(status="WARN", detail=detail, where=where, severity=severity, mend=True)


def fail(detail: str, *, where: Location = NOWHERE, severity: Severity | None = None) -> Remark:
    """The fault that the check is named after."""
    return Remark(status="FAIL", detail=detail, where=where, severity=severity, mend=True)


def skip(reason: str, *, where: Location = NOWHERE) -> Remark:
    """The check did not apply, or could not."""
    return Remark(status="SKIP", detail=reason, where=where)


def error(reason: str, *, where: Location = NOWHERE) -> Remark:
    """The check tried and failed: without conclusion."""
    return Remark(status="ERROR", detail=reason, where=where)


def undermined(reason: str, *, where: Location = NOWHERE) -> Remark:
    """The fault is there, and takes the ground from other conclusions: an error that can be mended."""
    return Remark(status="ERROR", detail=reason, where=where, mend=True)


class Page(NamedTuple):
    """A check's docstring, taken apart: what it looks for, why that matters, how to mend it, the rest."""

    title: str
    why: str
    fix: str
    more: str


@dataclass(frozen=True, kw_only=True)
class Check(Generic[Facts]):
    """A check with its data: call ``run`` with the facts, read ``page`` for the words."""

    id: str
    severity: Severity
    refs: tuple[str, ...]
    page: Page
    run: Callable[[Facts], Iterable[Remark]]

    def finding(self, remark: Remark) -> Finding:
        """A remark in the words of this check."""
        return Finding(
            check=self.id,
            status=remark.status,
            severity=remark.severity or self.severity,
            location=remark.where,
            title=self.page.title,
            detail=remark.detail,
            fix=self.page.fix if remark.mend else "",
            refs=self.refs,
        )


def check(
    id_: str, *, severity: Severity, refs: Sequence[str] = ()
) -> Callable[[Callable[[Facts], Iterable[Remark]]], Check[Facts]]:
    """Declare a generator of remarks as the check ``id_``; its docstring is the page (``Why``, ``Fix``)."""
    if not ID.fullmatch(id_):
        raise ValueError(f"check id {id_!r} is not words joined by hyphens")

    def declare(function: Callable[[Facts], Iterable[Remark]]) -> Check[Facts]:
        page = page_of(inspect.getdoc(function) or "")
        return Check(id=id_, severity=severity, refs=tuple(refs), page=page, run=function)

    return declare


def page_of(doc: str) -> Page:
    """The parts of a check's docstring: first line, a ``Why`` and a ``Fix`` paragraph, anything else."""
    title, _, rest = doc.partition("\n")
    paragraphs = [_joined(p) for p in re.split(r"\n(?=Why\s|Fix\s|\n)", rest) if p.strip()]
    named = {p[:3]: p[3:].strip() for p in paragraphs if p[:4] in ("Why ", "Fix ")}
    if not (title and named.get("Why") and named.get("Fix")):
        raise ValueError(f"the page of a check has a title, a Why and a Fix: {title!r}")
    more = "\n\n".join(p for p in paragraphs if p[:4] not in ("Why ", "Fix "))
    return Page(title.rstrip("."), named["Why"], named["Fix"], more)


def _joined(paragraph: str) -> str:
    return " ".join(line.strip() for line in paragraph.strip().splitlines())


class Examined(NamedTuple):
    """Findings in the order of the checks, and passes counted per check."""

    findings: tuple[Finding, ...]
    passed: dict[str, int]


def examine(checks: Sequence[Check[Facts]], facts: Facts) -> Examined:
    """What the checks say of the facts; a check that yields nothing has not looked and is an ERROR."""
    findings: list[Finding] = []
    passed: dict[str, int] = {}
    for one in checks:
        remark = NOTHING
        for remark in one.run(facts):
            if remark.status == "PASS":
                passed[one.id] = passed.get(one.id, 0) + 1
            else:
                findings.append(one.finding(remark))
        if remark is NOTHING:
            findings.append(one.finding(NOTHING))
    return Examined(tuple(findings), passed)
