"""The work of ``ancile data retain --column``: rows whose day is over go, and versions that hold them end."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ancile.cli.home import Home, need_home
from ancile.cli.output import talk
from ancile.cli.recorder import Recorder, open_recorder
from ancile.cli.subjects import as_kept, column_of
from ancile.cli.versioning import store_of, write_version
from ancile.core.errors import AncileError
from ancile.core.report import Parameters
from ancile.data.adding import Added, add_version
from ancile.data.erasing import dropped_report
from ancile.data.expiring import Expired, without_old
from ancile.data.stage import added_report
from ancile.data.store import DataStore
from ancile.data.version import Provenance, Version, parse_spelled, path_of
from ancile.render.phrases import counted
from ancile.work.clock import Clock, system_clock


def expiring(name: str, column: str, before: datetime, said: Parameters, *, yes: bool) -> None:
    """Make a version without rows of days before that, and end the versions before it."""
    home, clock = need_home(Path.cwd()), system_clock()
    with store_of(home) as store, ExitStack() as stack:
        latest = store.find(parse_spelled(name)).version
        home.cache.mkdir(mode=0o700, exist_ok=True)
        folder = Path(stack.enter_context(TemporaryDirectory(dir=home.cache)))
        place, found = _rest(home, store, latest, folder, column, before)
        if not found.went:
            talk(f"no row of {latest.spelled} is older than that")
            return
        if not yes:
            talk(
                f"{found.went:,} of {found.stay + found.went:,} rows would go, and all versions before; --yes"
            )
            return
        with open_recorder(home) as recorder:
            done = f"rows with {column} before {before:%Y-%m-%d} taken out"
            added = _added(home, store, recorder, latest, place, done)
            _ended(store, recorder, added.kept.version, said, clock)
    talk(f"{counted(found.went, 'row')} gone; {added.kept.version.spelled} is what stays")
    talk("copies of this folder, and the files outside it, are not touched")


def _rest(
    home: Home, store: DataStore, version: Version, folder: Path, column: str, before: datetime
) -> tuple[Path, Expired]:
    """Where the files of a version lie without rows that are too old, and how many rows stay and went."""
    whole, rest = folder / "whole", folder / "rest"
    whole.mkdir()
    rest.mkdir()
    top = Path(path_of(version.files[0].path)).name if version.alone else "files"
    write_version(home, store, version, whole / top)
    stay = went = 0
    for one in sorted(path for path in [whole / top, *(whole / top).rglob("*")] if path.is_file()):
        to = rest / one.relative_to(whole)
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("xb") as file:
            found = without_old(one, file, column, before)
        stay, went = stay + found.stay, went + found.went
    return rest / top, Expired(stay, went)


def _added(
    home: Home, store: DataStore, recorder: Recorder, latest: Version, place: Path, transformation: str
) -> Added:
    started = recorder.clock.now()
    said = latest.provenance
    provenance = Provenance(
        licence=said.licence, access=said.access, transformation=transformation, parents=(latest.spelled,)
    )
    column = column_of(store, latest)
    with as_kept(home, store, latest.name, place, column) as real:
        added = add_version(store, real, name=latest.name, provenance=provenance, now=started)
    report = added_report(added, started=started, finished=recorder.clock.now())
    evidence = recorder.report(report).evidence
    if evidence is not None:
        store.entered(added.kept.version, evidence.index)
    return added


def _ended(store: DataStore, recorder: Recorder, heir: Version, said: Parameters, clock: Clock) -> None:
    started = clock.now()
    due = [kept.version for kept in store.versions(heir.name) if kept.version.number != heir.number]
    due = [one for one in due if (drop := store.dropped(one)) is None or drop.entry is None]
    store.drop([one for one in due if store.dropped(one) is None])
    for one in due:
        report = dropped_report(store, one, said, heir=heir, started=started, finished=clock.now())
        evidence = recorder.report(report).evidence
        if evidence is not None:
            store.drop_entered(one, evidence.index)


def need_name(name: str | None) -> str:
    """The set whose rows are meant; AncileError without one."""
    if name is None:
        raise AncileError("rows go from one set at a time", value="--column", remedy="name the data set")
    return name
