"""The report of a scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ancile.core.measure import Count
from ancile.core.report import Cost, Report, ScannedFile
from ancile.core.subject import Subject, digest_of, subject_of_parts
from ancile.scan.files import Found, Scanned, scan_file
from ancile.scan.names import lists_digest
from ancile.version import __version__
from ancile.work.clock import Clock

FINDINGS = 5000  # of one report; the counts below tell of all
NO_FILES = digest_of(b"{}")


def scan(
    name: str,
    files: Sequence[Found],
    *,
    clock: Clock,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """What is in the files: a report with a verdict for each.

    name  what the user calls them all
    """
    started, cpu, wall = clock.now(), clock.cpu(), clock.wall()
    scanned: list[Scanned] = []
    for file in files:
        scanned.append(scan_file(file))
        if progress is not None:
            progress(len(scanned), len(files))
    findings = [finding for one in scanned for finding in one.found.findings]
    passed: Counter[str] = Counter()
    for one in scanned:
        passed.update(one.found.passed)
    verdicts = Counter(one.found.verdict for one in scanned)
    return Report(
        stage="scan",
        complete=len(findings) <= FINDINGS,
        subject=_subject(name, scanned),
        parameters={"lists_digest": lists_digest()},
        measures=(
            _count("files", len(scanned)),
            *(_count("files", n, verdict=verdict) for verdict, n in sorted(verdicts.items())),
        ),
        findings=tuple(findings[:FINDINGS]),
        passed=dict(passed),
        files=tuple(
            ScannedFile(
                path=one.shown,
                format=one.found.format,
                digest=one.digest,
                verdict=one.found.verdict,
                packages=one.found.packages,
            )
            for one in scanned
        ),
        cost=Cost(cpu_seconds=clock.cpu() - cpu, wall_seconds=clock.wall() - wall),
        started=started,
        finished=clock.now(),
        version=__version__,
    )


def _subject(name: str, scanned: Sequence[Scanned]) -> Subject:
    parts = {one.shown: one.digest for one in scanned if one.digest}
    if not parts:
        return Subject(kind="files", name=name, digest=NO_FILES)
    return subject_of_parts("files", name, parts)


def _count(name: str, n: int, **slice_: str) -> Count:
    return Count(name=name, slice=dict(slice_), value=n, unit="files", method="counted")
