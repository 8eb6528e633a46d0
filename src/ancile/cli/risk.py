"""The work of ``ancile data risk``."""

from __future__ import annotations

from pathlib import Path

from ancile.cli.home import find_home, need_home
from ancile.cli.output import Output, deliver, talk
from ancile.cli.own_home import is_recorded
from ancile.cli.recorder import open_recorder
from ancile.core.report import Record
from ancile.data.risk import Wanted, risk_report
from ancile.work.clock import system_clock


def risking(path: Path, wanted: Wanted, way: Output, *, record: bool | None) -> int:
    """Count, record, deliver."""
    home = need_home(Path.cwd()) if record else find_home(Path.cwd())
    report = risk_report(path, wanted, clock=system_clock())
    if home is not None and record is not False and is_recorded(home, record):
        with open_recorder(home) as recorder:
            return deliver(recorder.report(report), way)
    code = deliver(Record(report=report), way)
    talk("not evidence: nothing was signed")
    return code
