"""The work of ``ancile data check`` and ``ancile data clean``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ancile.cli.home import Home, find_home, need_home
from ancile.cli.new_place import new_place
from ancile.cli.output import Output, deliver, talk, writable, write_whole
from ancile.cli.own_home import is_recorded
from ancile.cli.recorder import open_recorder
from ancile.cli.versioning import store_of, write_version
from ancile.core.errors import AncileError
from ancile.core.report import Record, Report
from ancile.core.subject import manifest_digest
from ancile.core.wire import LARGEST, read_record
from ancile.data.adding import add_version, name_of
from ancile.data.checking.cleaning import Unwanted, clean, parse_rows, unwanted_of
from ancile.data.checking.expectations import frozen
from ancile.data.checking.report import Compared, Order, check_data
from ancile.data.files import listed
from ancile.data.stage import added_report
from ancile.data.version import Provenance, Version, parse_spelled, path_of
from ancile.formats.source import Wanted, read_once
from ancile.render.phrases import counted
from ancile.work.clock import system_clock
from ancile.work.hashing import hash_file
from ancile.work.progress import progress_line


def checking(
    order: Order,
    way: Output,
    *,
    against: str | None,
    freeze: Path | None,
    record: bool | None,
    quiet: bool,
) -> int:
    """Check, record, deliver.

    against  the version to compare with, as NAME@N; without it the latest of the set that lies there
    freeze   where what the data keeps to is written
    """
    home = need_home(Path.cwd()) if record or against else find_home(Path.cwd())
    if freeze is not None:
        writable("the expectations", freeze)
    with ExitStack() as stack:
        if home is not None and (earlier := _earlier(home, order.path, against)) is not None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="ancile-")))
            order = order._replace(against=_got(home, earlier, folder))
        line = stack.enter_context(progress_line("check", quiet=quiet))
        found = check_data(
            order, clock=system_clock(), told=lambda words, done, of: line.say(done, of, words)
        )
    if freeze is not None:
        write_whole(freeze, frozen(found.keeps_to, order.path.name).encode("utf-8"))
        talk(f"expectations in {freeze}")
    if home is not None and record is not False and is_recorded(home, record):
        with open_recorder(home) as recorder:
            return deliver(recorder.report(found.report), way)
    code = deliver(Record(report=found.report), way)
    talk("not evidence: nothing was signed")
    return code


def _earlier(home: Home, path: Path, against: str | None) -> Version | None:
    """The version to compare with; None where there is none, or it is the data itself."""
    with store_of(home) as store:
        if against is not None:
            return store.find(parse_spelled(against)).version
        latest = store.latest(name_of(path, home.folder.parent))
        if latest is not None and store.dropped(latest.version) is not None:
            return None
    if latest is None or latest.version.subject().digest == digest_at(path):
        return None
    return latest.version


def _got(home: Home, version: Version, folder: Path) -> Compared:
    """The files of a version, written to a folder that is there for as long as they are compared."""
    with store_of(home) as store:
        where = folder / (path_of(version.files[0].path) if version.alone else "data")
        write_version(home, store, version, where)
    return Compared(version.spelled, where)


class Wish(NamedTuple):
    """What is to be cleaned of what: the rows of a report with a score or more, or rows by number."""

    path: Path
    report: Path | None
    rows: str
    score: float


def cleaning(wish: Wish, output: Path, *, quiet: bool) -> int:
    """Write the data without rows; where the data is a version that is kept, the result is the next one."""
    digest = digest_at(wish.path)
    unwanted, why = _unwanted(wish, digest)
    with new_place("the cleaned data", output) as unfinished:
        cleaned = clean(wish.path, unwanted, unfinished)
    talk(f"{counted(cleaned.gone, 'row')} left out, {counted(cleaned.left, 'row')} left; {output}")
    home = find_home(Path.cwd())
    parent = _version(home, digest) if home is not None else None
    if home is None or parent is None:
        talk("no version of this data is kept: `ancile data add` keeps both with where they came from")
        return 0
    said = Provenance(
        parents=(parent.spelled,),
        transformation=f"{counted(cleaned.gone, 'row')} left out: {why}",
        licence=parent.provenance.licence,
    )
    _keep(home, output, said, quiet=quiet)
    return 0


def _keep(home: Home, path: Path, said: Provenance, *, quiet: bool) -> None:
    """Add a version, and put its origin into the ledger."""
    clock = system_clock()
    with open_recorder(home) as recorder, store_of(home) as store:
        started = clock.now()
        with progress_line("add", quiet=quiet) as line:
            added = add_version(
                store,
                path,
                name=name_of(path, home.folder.parent),
                provenance=said,
                now=started,
                progress=line.say,
            )
        record = recorder.report(added_report(added, started=started, finished=clock.now()))
        if record.evidence is not None:
            store.entered(added.kept.version, record.evidence.index)
    talk(f"{added.kept.version.spelled}, made from {', '.join(said.parents)}")


def digest_at(path: Path) -> str:
    """SHA-256 of a file, or of the manifest of a folder, as evidence names it."""
    listing = listed(path)
    entries = listing.files.items()
    digests = {name: f"sha256:{hash_file(entry.path).sha256}" for name, entry in entries}
    return next(iter(digests.values())) if listing.alone else manifest_digest(digests)


def _unwanted(wish: Wish, digest: str) -> tuple[Unwanted, str]:
    """What to leave out, and why in words."""
    if wish.report is None:
        return parse_rows(wish.rows), "named by hand"
    report = _report(wish.report)
    if digest != report.subject.digest and not report.subject.covers(digest):
        raise AncileError(
            "the report is about other data",
            value=f"{report.subject.digest}, {wish.path} is {digest}",
            remedy="check this data: `ancile data check PATH -o REPORT.json`",
        )
    found = unwanted_of(report, wish.score)
    if not found.rows:
        raise AncileError(
            "no row of the report has such a score",
            value=f"--score {wish.score:g}",
            remedy="there is nothing to leave out; a lower --score takes rows that are less sure",
        )
    return found, f"score {wish.score:g} or more in the check of {report.finished:%Y-%m-%d %H:%M} UTC"


def _report(path: Path) -> Report:
    wanted = Wanted(
        what="report",
        missing="write one: `ancile data check PATH -o REPORT.json`",
        not_a_file="give the JSON file that `ancile data check` wrote",
        limit_bytes=LARGEST,
        too_large=f"at most {LARGEST} bytes are read",
    )
    return read_record(read_once(path, wanted).data, name="the report").report


def _version(home: Home, digest: str) -> Version | None:
    """The latest version that is of these bytes; None where none is kept."""
    with store_of(home) as store:
        every = [kept.version for name in store.names() for kept in store.versions(name)]
    return max(
        (one for one in every if one.subject().digest == digest), key=lambda one: one.made, default=None
    )
