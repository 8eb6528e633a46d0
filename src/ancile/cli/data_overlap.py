"""The work of ``ancile data overlap``."""

from __future__ import annotations

from pathlib import Path

from ancile.cli.home import find_home, need_home
from ancile.cli.output import Output, deliver
from ancile.cli.own_home import is_recorded
from ancile.cli.recorder import open_recorder
from ancile.core.report import Record
from ancile.data.leakage import overlap_report
from ancile.data.leakage_reading import Chosen
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line


def comparing(train: Path, test: Path, said: Chosen, way: Output, *, record: bool | None, quiet: bool) -> int:
    """Compare, record, deliver."""
    home = need_home(Path.cwd()) if record else find_home(Path.cwd())
    with progress_line("overlap", quiet=quiet) as line:
        report = overlap_report(train, test, said, clock=system_clock(), told=line.say)
    if home is not None and record is not False and is_recorded(home, record):
        with open_recorder(home) as recorder:
            return deliver(recorder.report(report), way)
    return deliver(Record(report=report), way)
