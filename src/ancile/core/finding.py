"""What one check concluded."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["PASS", "WARN", "FAIL", "SKIP", "ERROR"]
Severity = Literal["critical", "high", "medium", "low", "info"]

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")


class Location(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where in the subject: any of file, member of a container, byte, row or sample, column or feature."""

    path: str | None = None
    member: str | None = None
    offset: int | None = None
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        named = (
            self.path,
            self.member and f"member {self.member}",
            None if self.offset is None else f"byte {self.offset}",
            None if self.row is None else f"row {self.row}",
            self.column and f"column {self.column}",
        )
        return ", ".join(part for part in named if part)


NOWHERE = Location()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One conclusion: FAIL and WARN say how to mend it, SKIP and ERROR why nothing was concluded.

    check   id of the check, which names the fault
    title   what the check looks for, one line
    detail  what was seen here; for SKIP and ERROR the reason
    fix     what to do
    refs    field identifiers, each with its edition ("CWE-502", "AML.T0043", "ML01:2023")
    """

    check: str
    status: Status
    severity: Severity
    location: Location = NOWHERE
    title: str
    detail: str = ""
    fix: str = ""
    refs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.check and self.title):
            raise ValueError("a finding names its check and has a title")
        if self.status in ("FAIL", "WARN") and not self.fix:
            raise ValueError(f"finding {self.check}: {self.status} without a fix")
        if self.status in ("SKIP", "ERROR") and not self.detail:
            raise ValueError(f"finding {self.check}: {self.status} without a reason")
        if self.status == "PASS":
            raise ValueError(f"finding {self.check}: a PASS is kept as a count in the report")
