"""The work of ``ancile data vet``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ancile.cli.home import need_home
from ancile.cli.output import Output, deliver
from ancile.cli.own_home import is_recorded
from ancile.cli.recorder import open_recorder
from ancile.cli.versioning import apart_from, store_of, write_version
from ancile.core.errors import AncileError
from ancile.core.report import Parameters, Record, Report
from ancile.core.text import plain
from ancile.data.checking.report import Order, check_data
from ancile.data.checking.tables import Asked
from ancile.data.checking.vetting import Vetted, vet_report
from ancile.data.lineage import ancestors
from ancile.data.personal import personal_report
from ancile.data.version import parse_spelled, path_of
from ancile.work.clock import Clock, system_clock
from ancile.work.progress import progress_line


class Wish(NamedTuple):
    """Which version is vetted, and how its content is looked at; empty or 0 where nothing was said."""

    spelled: str
    label: str
    rows: int
    seed: int


def vetting(wish: Wish, way: Output, *, usual_rows: int, record: bool | None, quiet: bool) -> int:
    """Check the kept bytes of the version, judge, record, deliver."""
    home, clock = need_home(Path.cwd()), system_clock()
    with store_of(home) as store, TemporaryDirectory(prefix="ancile-") as folder:
        version = store.find(parse_spelled(wish.spelled)).version
        apart_from(home, version, "the report", way.file)
        name = path_of(version.files[0].path) if version.alone else "data"
        place = Path(folder) / name
        write_version(home, store, version, place)
        order = Order(path=place, asked=Asked(label=wish.label), rows=wish.rows, seed=wish.seed)
        with progress_line("vet", quiet=quiet) as line:
            checked = check_data(order, clock=clock, told=lambda words, done, of: line.say(done, of, words))
        facts = Vetted(version, ancestors(store, version), checked.report, _personal(place, clock))
    report = vet_report(facts, said=_said(wish, usual_rows), clock=clock)
    if is_recorded(home, record):
        with open_recorder(home) as recorder:
            return deliver(recorder.report(report), way)
    return deliver(Record(report=report), way)


def _personal(place: Path, clock: Clock) -> Report | str:
    try:
        return personal_report([place], clock=clock)
    except AncileError as reason:
        return f"personal data is looked for in text and tables: {reason.what}"


def _said(wish: Wish, usual_rows: int) -> Parameters:
    """What was not left as it is: a policy that asks for vetting names it, or does not count it."""
    said: Parameters = {}
    if wish.label:
        said["label"] = plain(wish.label, 100)
    if wish.rows != usual_rows:
        said["rows"] = wish.rows
    if wish.seed:
        said["seed"] = wish.seed
    return said
