"""Everything that one run of one stage found, with an outcome that follows from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Literal

import msgspec

from ancile.core.exhibit import Exhibit
from ancile.core.finding import Finding
from ancile.core.measure import Bound, Count, Estimate, Scalar
from ancile.core.subject import Subject

Outcome = Literal["pass", "fail", "no_conclusion"]
Verdict = Literal["data-only", "named-classes", "review", "block", "incomplete"]
EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "no_conclusion": 2}

MOST_ROWS = 10_000  # a few megabytes: more than anybody looks at
MOST_REASONS, REASON_LENGTH = 5, 300
EXACT = 1 << 53  # RFC 8785 knows numbers as doubles: larger integers travel as strings

Parameters = dict[str, Scalar | list[Scalar]]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one part of a run took; forwards, backwards and queries count samples, not batches."""

    forwards: int = 0
    backwards: int = 0
    queries: int = 0
    cpu_seconds: float = 0.0

    def __post_init__(self) -> None:
        numbers = (v for v in msgspec.structs.astuple(self) if isinstance(v, int | float))
        if not all(0 <= v < math.inf for v in numbers):
            raise ValueError("a cost is finite and not negative")


class Cost(Part, frozen=True, kw_only=True):
    """What a run took in all.

    parts  name of a part of the run to what it took, where a run has parts
    """

    wall_seconds: float = 0.0
    peak_memory_bytes: int = 0
    parts: dict[str, Part] = {}


class ScannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was scanned; its findings are those of the report with its path.

    path      as it was given, or below the given folder
    format    by its content
    digest    SHA-256 of its bytes; empty where none was asked for, or it could not be read
    packages  that whoever opens it needs, to be pinned
    """

    path: str
    format: str
    digest: str
    verdict: Verdict
    packages: tuple[str, ...] = ()


class RankedRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of a data set that somebody should look at.

    row      of the file from 0, without a header line; of files that are a row each the place in their order
    score    0 or more: -log10 of the share of sound rows among those that look as bad or worse
    reasons  why, the strongest first
    path     of a row that is a file of its own
    label    the class that the row is given
    """

    row: int
    score: float
    reasons: tuple[str, ...]
    path: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        if self.row < 0 or not 0 <= self.score < math.inf:
            raise ValueError("a ranked row has a place, and a score that is finite and not negative")
        if len(self.reasons) > MOST_REASONS or any(len(one) > REASON_LENGTH for one in self.reasons):
            raise ValueError(f"at most {MOST_REASONS} reasons of {REASON_LENGTH} characters for a row")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one stage on one subject.

    passed    check id to how often it looked and found nothing
    files     of a scan, what was found of each file
    rows      of a check of data, what to look at, worst first; at most 10,000
    complete  False: a budget, an interrupt or an error left work undone
    outcome   computed, never set: a stored ``pass`` or ``fail`` that does not follow is refused
    """

    schema: Literal["ancile/report/v1"] = "ancile/report/v1"
    stage: str
    outcome: Outcome = "no_conclusion"
    complete: bool
    subject: Subject
    parameters: Parameters = {}
    measures: tuple[Estimate | Bound | Count, ...] = ()
    findings: tuple[Finding, ...] = ()
    passed: dict[str, int] = {}
    exhibits: tuple[Exhibit, ...] = ()
    files: tuple[ScannedFile, ...] | msgspec.UnsetType = msgspec.UNSET
    rows: tuple[RankedRow, ...] | msgspec.UnsetType = msgspec.UNSET
    cost: Cost = Cost()
    started: datetime
    finished: datetime
    version: str

    def __post_init__(self) -> None:
        if self.started.tzinfo is None or self.finished.tzinfo is None:
            raise ValueError("times of a report are aware")
        given = [v if isinstance(v, list) else [v] for v in self.parameters.values()]
        numbers = [v for values in given for v in values if isinstance(v, int | float)]
        if not all(math.isfinite(v) if isinstance(v, float) else abs(v) < EXACT for v in numbers):
            raise ValueError("a parameter of a report is not finite, or an integer beyond 2**53")
        if any(n < 1 for n in self.passed.values()):
            raise ValueError("a count of passes is at least 1")
        if isinstance(self.rows, tuple) and len(self.rows) > MOST_ROWS:
            raise ValueError(f"a report names at most {MOST_ROWS} rows")
        names = [(m.name, tuple(sorted(m.slice.items()))) for m in self.measures]
        if len(names) != len(set(names)):
            raise ValueError("two measures of one name and slice")
        follows = outcome_of(self.findings, self.passed, complete=self.complete)
        if self.outcome not in ("no_conclusion", follows):
            raise ValueError(f"outcome {self.outcome} does not follow from the findings: {follows}")
        msgspec.structs.force_setattr(self, "outcome", follows)

    def measure(self, name: str, /, **slice_: str | float) -> Estimate | Bound | Count | None:
        """The measure of this name and slice, or None."""
        return next((m for m in self.measures if m.name == name and m.slice == slice_), None)

    def _repr_html_(self) -> str:
        # A notebook asks for this; core stands below render, so the way there is by name.
        render: Callable[[Record], str] = import_module("ancile.render.html").render
        return render(Record(report=self))


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Where in which ledger a report stands.

    index             of its entry
    statement_digest  of the signed statement's exact bytes
    checkpoint        signed note of the log, C2SP tlog-checkpoint, that covers the entry
    """

    index: int
    statement_digest: str
    checkpoint: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A report with its evidence, None where it was not recorded: what a renderer gets."""

    report: Report
    evidence: Evidence | None = None


def outcome_of(findings: Sequence[Finding], passed: Mapping[str, int], *, complete: bool) -> Outcome:
    """What follows from findings: any FAIL fails, also when incomplete; a pass needs something examined."""
    statuses = {f.status for f in findings}
    if "FAIL" in statuses:
        return "fail"
    examined = bool(passed) or "WARN" in statuses
    return "pass" if examined and complete and "ERROR" not in statuses else "no_conclusion"


def exit_code(report: Report, *, strict: bool = False) -> int:
    """0, 1 or 2 for a report; ``strict`` turns a WARN into 1."""
    if strict and report.outcome == "pass" and any(f.status == "WARN" for f in report.findings):
        return 1
    return EXIT_CODES[report.outcome]
