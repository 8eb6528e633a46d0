"""The work of ``ancile scan``: which files, under which terms, and where the report goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ancile.cli.output import Output, apart, deliver, talk, writable, write_whole
from ancile.cli.reading import no_waiting
from ancile.core.errors import AncileError
from ancile.core.report import EXIT_CODES, Record, Report
from ancile.core.text import plain
from ancile.render.phrases import counted
from ancile.scan.again import Before, shown_from, still_there
from ancile.scan.baseline import LARGEST, Baseline, Place, parse_baseline
from ancile.scan.baseline import write_baseline as baseline_of
from ancile.scan.files import Found
from ancile.scan.policy import STRICT_DOUBT, Policy
from ancile.scan.stage import Terms, files_of, scan
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line

if TYPE_CHECKING:
    from ancile.cli.home import Home


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command line asks for."""

    paths: tuple[Path, ...]
    again: bool
    policy: Policy
    baseline: Path | None
    write_baseline: Path | None
    digest: bool
    record: bool | None
    quiet: bool


class Asked(NamedTuple):
    """The files to scan.

    base    folder that their paths are relative to, as the report names it; None without a home
    before  what is known of them from earlier scans
    """

    name: str
    files: Sequence[Found]
    base: str | None
    before: dict[str, Before] | None


def scanning(wanted: Wanted, way: Output) -> int:
    """Scan and deliver; the exit code."""
    here = Path.cwd()
    home = _home(wanted, here)
    known = None if wanted.baseline is None else _read(wanted.baseline)
    if wanted.write_baseline is not None:
        _may_write(wanted.write_baseline, known=wanted.baseline)
    asked = _before(home) if home is not None and wanted.again else _asked(wanted.paths, home)
    if wanted.write_baseline is not None:
        apart("the baseline", wanted.write_baseline, read=[str(one.path) for one in asked.files])
    terms = Terms(
        policy=wanted.policy, digest=wanted.digest, baseline=known, base=asked.base, before=asked.before
    )
    with progress_line("scan", quiet=wanted.quiet) as line:
        line.say(0, len(asked.files))
        report = scan(asked.name, asked.files, clock=system_clock(), terms=terms, progress=line.say)
    if wanted.write_baseline is not None:
        _write(wanted.write_baseline, report, asked.files, known)
    return _delivered(report, wanted, home, way)


def _home(wanted: Wanted, here: Path) -> Home | None:
    """Where the report is recorded; where it is not, no file of a checkout decides about the scan."""
    if not wanted.again and (wanted.record is False or not wanted.digest):
        return None
    from ancile.cli.home import find_home, need_home  # noqa: PLC0415 - not where nothing is recorded

    return need_home(here) if wanted.record or wanted.again else find_home(here)


def _delivered(report: Report, wanted: Wanted, home: Home | None, way: Output) -> int:
    if home is not None and _is_recorded(home, wanted.record):
        return _recorded(report, home, way)
    code = deliver(Record(report=report), way)
    why = "`ancile init` makes keys and a ledger"
    if home is not None and wanted.record is None:
        why = f"{home.folder} is a copy, or another user's: --record if it is your own"
    elif not wanted.digest:
        why = "without digests it names no file"
    elif wanted.record is False:
        why = "--no-record leaves it out"
    talk(f"not evidence: nothing was signed ({why})")
    return code


def _is_recorded(home: Home, record: bool | None) -> bool:
    from ancile.cli.own_home import is_recorded  # noqa: PLC0415 - keys are not looked at without a home

    return is_recorded(home, record)


def _recorded(report: Report, home: Home, way: Output) -> int:
    """The report with its evidence; where it cannot be recorded it is not lost, and that is no pass."""
    from ancile.cli.recorder import open_recorder  # noqa: PLC0415 - keys are not needed without a ledger

    try:
        with open_recorder(home) as recorder:
            record = recorder.report(report)
    except AncileError as reason:
        code = deliver(Record(report=report), way)
        talk(f"error: not recorded: {reason}")
        talk(f"hint: {reason.remedy}")
        return code or EXIT_CODES["no_conclusion"]
    return deliver(record, way)


def _asked(paths: tuple[Path, ...], home: Home | None) -> Asked:
    files = files_of(paths)
    if not files:
        raise AncileError(
            "no regular file there, so nothing was examined",
            value=plain(" ".join(map(str, paths)), 200),
            remedy="name what holds files; pipes and devices are not opened",
        )
    base = paths[0] if len(paths) == 1 and paths[0].is_dir() else Path()
    named = None if home is None else shown_from(home.folder.parent, base.absolute())
    return Asked(plain(" ".join(map(str, paths)), 200), files, named, None)


def _before(home: Home) -> Asked:
    from ancile.cli.scanned_before import scanned_before  # noqa: PLC0415 - no ledger is needed for the rest

    known = scanned_before(home)
    return Asked("everything scanned before", still_there(known), ".", known)


def _read(path: Path) -> Baseline:
    try:
        with open(path, "rb", opener=no_waiting) as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as reason:
        raise AncileError(
            "the baseline cannot be read",
            value=f"{plain(str(path))}: {getattr(reason, 'strerror', None) or reason}",
            remedy="name a file that `ancile scan PATH --write-baseline FILE` wrote",
        ) from reason
    return parse_baseline(data, path=path)


def _may_write(path: Path, *, known: Path | None) -> None:
    """Refuse before any work what cannot be written, or would lose the reasons that stand there."""
    writable("the baseline", path)
    if path.exists() and not (known is not None and path.samefile(known)):
        raise AncileError(
            "the baseline would be written over a file",
            value=plain(str(path)),
            remedy="name another file; to bring a baseline up to date, give it as --baseline too",
        )


def _write(path: Path, report: Report, files: Sequence[Found], known: Baseline | None) -> None:
    """A baseline of everything that decides the exit code, with what was accepted already."""
    digests = {one.path: one.digest for one in report.files or ()}
    written = baseline_of(
        (one for one in report.findings if one.check != STRICT_DOUBT),
        {one.shown: Place(one.path, digests.get(one.shown, "")) for one in files},
        old=known,
        folder=Path(os.path.realpath(path)).parent,
        today=report.started.date(),
    )
    write_whole(path, written.data)
    talk(f"{counted(written.entries, 'entry', 'entries')} in {path}, {written.open} without a reason")
