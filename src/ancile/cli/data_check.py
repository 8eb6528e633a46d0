"""The work of ``ancile data check``."""

from __future__ import annotations

from pathlib import Path

from ancile.cli.home import find_home, need_home
from ancile.cli.output import Output, deliver, talk
from ancile.cli.own_home import is_recorded
from ancile.cli.recorder import open_recorder
from ancile.core.report import Record
from ancile.data.checking.report import Order, check_data
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line


def checking(order: Order, way: Output, *, record: bool | None, quiet: bool) -> int:
    """Check, record, deliver."""
    home = need_home(Path.cwd()) if record else find_home(Path.cwd())
    with progress_line("check", quiet=quiet) as line:
        report = check_data(
            order, clock=system_clock(), told=lambda words, done, of: line.say(done, of, words)
        )
    if home is not None and record is not False and is_recorded(home, record):
        with open_recorder(home) as recorder:
            return deliver(recorder.report(report), way)
    code = deliver(Record(report=report), way)
    talk("not evidence: nothing was signed")
    return code
