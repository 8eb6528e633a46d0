"""The report of a scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ancile.core.exhibit import Exhibit
from ancile.core.finding import SEVERITIES, Finding
from ancile.core.measure import Count
from ancile.core.report import Cost, Parameters, Report, ScannedFile
from ancile.core.subject import Subject, digest_of, percent_encoded, subject_of_parts
from ancile.scan.again import Before, changes
from ancile.scan.baseline import Baseline, Entry, apply_baseline
from ancile.scan.exhibits import ORDER, accepted_table, changes_table, files_table
from ancile.scan.files import Found, Scanned, find_files, scan_files
from ancile.scan.kept import settled
from ancile.scan.licence import disagreements
from ancile.scan.names import lists_digest
from ancile.scan.policy import Policy, stricter
from ancile.version import __version__
from ancile.work.clock import Clock

FINDINGS = 5000  # of one report, the gravest; the counts below tell of all
NO_FILES = digest_of(b"{}")
GRAVER = ("FAIL", "ERROR", "WARN", "SKIP")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a scan is made and judged.

    digest    whether files get their digest; without it nothing can be found again
    baseline  accepted findings
    base      folder that the paths of files are relative to, as the report names it
    before    of a second scan, what was known of each file, by the path that is shown
    """

    policy: Policy = "standard"
    digest: bool = True
    baseline: Baseline | None = None
    base: str | None = None
    before: Mapping[str, Before] | None = None
    workers: int | None = None

    def parameters(self) -> Parameters:
        """What a report says of them."""
        said: Parameters = {"lists_digest": lists_digest(), "policy": self.policy}
        if self.baseline is not None:
            said["baseline_digest"] = self.baseline.digest
        if self.base is not None:
            said["base"] = self.base
        if self.before is not None:
            said["again"] = True
        return said


STANDARD = Terms()


@dataclass
class Looked:
    """Files that were scanned under the terms, and the entries of the baseline that counted."""

    scanned: list[Scanned] = field(default_factory=list)
    accepted: list[tuple[str, Entry]] = field(default_factory=list)


def files_of(paths: Sequence[Path]) -> list[Found]:
    """Every file of the paths, each under a path of its own: below the one folder, else as given."""
    if len(paths) == 1:
        return find_files(paths)
    whole = (Found(one.path, percent_encoded(one.path)) for one in find_files(paths))
    return list({one.shown: one for one in whole}.values())


def scan(
    name: str,
    files: Sequence[Found],
    *,
    clock: Clock,
    terms: Terms = STANDARD,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """What is in the files: a report with a verdict for each.

    name  what the user calls them all
    """
    started, cpu, wall = clock.now(), clock.cpu(), clock.wall()
    looked = Looked()
    every = scan_files(files, digest=terms.digest, workers=terms.workers, progress=progress)
    for file, one in zip(files, settled(list(every)), strict=True):
        _look(looked, one, file.path, terms, today=started.date())
    scanned = looked.scanned
    findings = [finding for one in scanned for finding in one.found.findings]
    findings += disagreements((one.shown, one.found.licences) for one in scanned)
    passed: Counter[str] = Counter()
    for one in scanned:
        passed.update(one.found.passed)
    return Report(
        stage="scan",
        complete=len(findings) <= FINDINGS,
        subject=_subject(name, scanned),
        parameters=terms.parameters(),
        measures=(*_counts(looked), *_changed(scanned, terms.before)),
        findings=_gravest(findings),
        passed=dict(passed),
        exhibits=_exhibits(looked, terms.before),
        files=tuple(_file(one) for one in scanned),
        cost=Cost(cpu_seconds=clock.cpu() - cpu, wall_seconds=clock.wall() - wall),
        started=started,
        finished=clock.now(),
        version=__version__,
    )


def _look(looked: Looked, one: Scanned, path: Path, terms: Terms, *, today: date) -> None:
    if terms.baseline is not None:
        one, accepted = apply_baseline(terms.baseline, one, path, today=today)
        looked.accepted += ((one.shown, entry) for entry in accepted)
    looked.scanned.append(stricter(one) if terms.policy == "strict" else one)


def _gravest(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """All of them in their order; where they are too many, those that matter most."""
    if len(findings) <= FINDINGS:
        return tuple(findings)
    order = sorted(findings, key=lambda one: (GRAVER.index(one.status), SEVERITIES.index(one.severity)))
    return tuple(order[:FINDINGS])


def _file(one: Scanned) -> ScannedFile:
    return ScannedFile(
        path=one.shown,
        format=one.found.format,
        digest=one.digest,
        verdict=one.found.verdict,
        packages=one.found.packages,
    )


def _subject(name: str, scanned: Sequence[Scanned]) -> Subject:
    parts = {one.shown: one.digest for one in scanned if one.digest}
    if not parts:
        return Subject(kind="files", name=name, digest=NO_FILES)
    return subject_of_parts("files", name, parts)


def _counts(looked: Looked) -> Iterable[Count]:
    yield _count("files", len(looked.scanned))
    if looked.accepted:
        yield Count(
            name="accepted_findings",
            value=len(looked.accepted),
            unit="findings",
            method="named in the baseline",
        )
    verdicts = Counter(one.found.verdict for one in looked.scanned)
    for verdict in ORDER:
        if n := verdicts[verdict]:
            yield _count("files", n, verdict=verdict)
    licences = Counter(licence for one in looked.scanned for licence in one.found.licences)
    for licence, n in sorted(licences.items()):
        yield _count("files", n, licence=licence)


def _changed(scanned: Sequence[Scanned], before: Mapping[str, Before] | None) -> Iterable[Count]:
    if before is not None:
        counted = Counter(one.change for one in changes(before, scanned))
        yield from (_count("files", n, change=change) for change, n in sorted(counted.items()))


def _count(name: str, n: int, **slice_: str) -> Count:
    return Count(name=name, slice=dict(slice_), value=n, unit="files", method="counted")


def _exhibits(looked: Looked, before: Mapping[str, Before] | None) -> tuple[Exhibit, ...]:
    tables = (
        changes_table(changes(before, looked.scanned)) if before is not None else None,
        files_table(looked.scanned),
        accepted_table(looked.accepted),
    )
    return tuple(one for one in tables if one is not None)
