"""The work of ``ancile data`` on versions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from ancile.cli.data_evidence import unproven
from ancile.cli.home import Home, need_home
from ancile.cli.new_place import new_place
from ancile.cli.output import Output, apart, deliver, talk
from ancile.cli.own_home import is_recorded
from ancile.cli.recorder import open_recorder
from ancile.cli.subjects import as_kept, as_sealed, column_of, open_sealed
from ancile.core.errors import AncileError
from ancile.core.report import Record
from ancile.core.text import plain
from ancile.data.adding import add_version, name_of
from ancile.data.comparing import Range, compare
from ancile.data.lineage import ancestors, mermaid
from ancile.data.stage import added_report, erased_by, verify_version
from ancile.data.store import DataStore, Kept
from ancile.data.version import DataFile, Provenance, Version, parse_spelled, path_of
from ancile.render.phrases import counted
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line

FOLDER = "data"


def store_of(home: Home) -> DataStore:
    """The versions of a home."""
    return DataStore(home.folder / FOLDER)


def adding(
    path: Path,
    name: str | None,
    provenance: Provenance,
    way: Output,
    *,
    subject: str | None = None,
    quiet: bool,
) -> int:
    """Add, record, deliver; a version that nobody recorded, since its adding was stopped, is recorded now.

    subject  the column by which rows are sealed, None to keep the files as they are
    """
    home, clock = need_home(Path.cwd()), system_clock()
    _require_apart(home, path)
    with open_recorder(home) as recorder, store_of(home) as store:
        started, called = clock.now(), name or name_of(path, home.folder.parent)
        with progress_line("add", quiet=quiet) as line, as_kept(home, store, called, path, subject) as real:
            added = add_version(
                store,
                real,
                name=called,
                provenance=provenance,
                now=started,
                progress=line.say,
            )
        version = added.kept.version
        if not added.new and added.kept.entry is not None:
            talk(f"nothing changed: it is {version.spelled}, entry {added.kept.entry}")
            if provenance != version.provenance and provenance != Provenance():
                talk(f"what was said of it stays as it is in {version.spelled}")
            return 0
        record = recorder.report(added_report(added, started=started, finished=clock.now()))
        if record.evidence is not None:
            store.entered(version, record.evidence.index)
    code = deliver(record, way)
    talk(f"{version.spelled}, {counted(len(version.files), 'file')}; get it back with `ancile data get`")
    return code


def _require_apart(home: Home, path: Path) -> None:
    """Refuse data in which ancile's own files lie: they change while they are read."""
    real, own = Path(os.path.realpath(path)), Path(os.path.realpath(home.folder))
    if own.is_relative_to(real) or real.is_relative_to(own):
        raise AncileError(
            "what ancile keeps would be part of the data",
            value=str(path),
            remedy=f"name the folder of the data alone, outside of {own.name}",
        )


def apart_from(
    home: Home, version: Version, what: str, output: Path | None, place: Path | None = None
) -> None:
    """Refuse to write a result over a file that the version is of, where it lies, or at ``place``."""
    if output is None:
        return
    where = place or home.folder.parent / version.name
    files = [where] if version.alone else [where / path_of(one.path) for one in version.files]
    apart(what, output, read=[str(one) for one in files])


def verifying(spelled: str, path: Path | None, way: Output, *, record: bool | None, quiet: bool) -> int:
    """Verify, record, deliver."""
    home, wanted = need_home(Path.cwd()), parse_spelled(spelled)
    with store_of(home) as store:
        kept = store.find(wanted)
        version = kept.version
        with progress_line("verify", quiet=quiet) as line:
            place = path or home.folder.parent / wanted.name
            apart_from(home, version, "the report", way.file, place)
            with as_sealed(home, store, version, place) as real:
                report = verify_version(
                    store,
                    version,
                    real,
                    clock=system_clock(),
                    unproven=unproven(home, kept),
                    progress=line.say,
                )
    if is_recorded(home, record):
        with open_recorder(home) as recorder:
            return deliver(recorder.report(report), way)
    return deliver(Record(report=report), way)


def list_versions(name: str | None, *, as_json: bool) -> None:
    """One line a version, the latest of a set last."""
    with store_of(need_home(Path.cwd())) as store:
        found = [one for known in ([name] if name else store.names()) for one in store.versions(known)]
    if not found:
        talk(f"no versions of {name}" if name else "no versions; `ancile data add PATH` makes one")
    for kept in found:
        click.echo(_as_json(kept) if as_json else _as_line(kept))


def _as_json(kept: Kept) -> str:
    version = kept.version
    said = {name: value for name, value in msgspec.to_builtins(version.provenance).items() if value}
    about = {
        "name": version.name,
        "number": version.number,
        "digest": version.subject().digest,
        "root": version.root(),
        "files": len(version.files),
        "bytes": version.size,
        "made": version.made.isoformat(),
        "entry": kept.entry,
    }
    return msgspec.json.encode(about | {"provenance": said}).decode()


def _as_line(kept: Kept) -> str:
    version = kept.version
    where = "not recorded: add it again" if kept.entry is None else f"entry {kept.entry}"
    about = f"{counted(len(version.files), 'file')}, {_bytes(version.size)}, {where}"
    source = version.provenance.source or ", ".join(version.provenance.parents)
    origin = f", from {plain(source, 40)}" if source else ""
    return f"{version.made:%Y-%m-%d %H:%M} {plain(version.spelled, 40):24} {about}{origin}"


def _bytes(size: int) -> str:
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def difference(old: str, new: str, *, as_json: bool) -> int:
    """Print what differs; 1 where something does."""
    with store_of(need_home(Path.cwd())) as store:
        first, second = (store.find(parse_spelled(one)).version for one in (old, new))
    found = compare(first.files, second.files, alone=first.alone and second.alone)
    if as_json:
        click.echo(msgspec.json.encode(found._asdict()).decode())
    else:
        for line in [
            *(f"missing  {path}" for path in found.missing),
            *(f"added    {path}" for path in found.added),
            *(f"moved    {before} -> {path}" for path, before in found.moved.items()),
            *(
                f"changed  {one.path}: {_in_all(one.gone)} gone, {_in_all(one.come)} new"
                for one in found.changed
            ),
        ]:
            click.echo(line)
    if found.none:
        talk(f"no difference between {first.spelled} and {second.spelled}")
    return 0 if found.none else 1


def _in_all(ranges: Sequence[Range]) -> str:
    size = _bytes(sum(one.end - one.start for one in ranges))
    return f"{size} in {counted(len(ranges), 'place')}" if ranges else "nothing"


def getting(spelled: str, output: Path) -> None:
    """Write a version to a new place, whole or not at all."""
    home = need_home(Path.cwd())
    with new_place("the version", output) as unfinished, store_of(home) as store:
        kept = store.find(parse_spelled(spelled))
        write_version(home, store, kept.version, unfinished)
        said = unproven(home, kept)
    if said:
        talk(f"do not rely on it: {said}")
    talk(f"{kept.version.spelled} in {output}")


def write_version(home: Home, store: DataStore, version: Version, to: Path) -> None:
    """The files of a version as they were added, to a place where nothing is."""
    drop = store.dropped(version)
    if drop is not None:
        raise AncileError(
            "the content of this version is gone",
            value=f"{version.spelled}: {erased_by(drop)}",
            remedy="take another version",
        )
    _write(store, version, to)
    if column_of(store, version) is not None:
        open_sealed(home, to, alone=version.alone)


def _write(store: DataStore, version: Version, to: Path) -> None:
    if version.alone:
        _write_file(store, version.files[0], to)
        return
    to.mkdir()
    for file in version.files:
        path = to / path_of(file.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_file(store, file, path)


def _write_file(store: DataStore, file: DataFile, path: Path) -> None:
    with path.open("xb") as target:
        for piece in file.chunks:
            target.write(store.read(piece))


def show_lineage(spelled: str, format_: str) -> None:
    """Print a version's ancestors."""
    with store_of(need_home(Path.cwd())) as store:
        found = ancestors(store, store.find(parse_spelled(spelled)).version)
    if format_ == "mermaid":
        click.echo(mermaid(found), nl=False)
        return
    for one in found:
        said = {name: value for name, value in msgspec.to_builtins(one.provenance).items() if value}
        if format_ == "json":
            click.echo(
                msgspec.json.encode({"version": one.spelled, "digest": one.subject().digest, **said}).decode()
            )
        else:
            words = ", ".join(f"{name} {_told(value)}" for name, value in said.items())
            click.echo(f"{plain(one.spelled, 40):24} {plain(words or 'nothing is said of it', 200)}")


def _told(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else " ".join(value)
