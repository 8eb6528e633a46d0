"""The work of ``ancile data retain``: versions beyond their time lose their content, and an entry says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click

from ancile.cli.expiring import expiring, need_name
from ancile.cli.home import need_home
from ancile.cli.output import talk
from ancile.cli.recorder import open_recorder
from ancile.cli.versioning import store_of
from ancile.core.budget import seconds_of
from ancile.core.errors import AncileError
from ancile.core.report import Parameters
from ancile.core.text import plain
from ancile.data.erasing import dropped_report
from ancile.data.store import DataStore
from ancile.data.version import Version, parse_spelled
from ancile.render.phrases import counted
from ancile.work.clock import system_clock


def retaining(name: str | None, older_than: str, column: str | None, reason: str, *, yes: bool) -> None:
    """Drop versions, or with a column rows, that are older than that; without ``yes`` only say which."""
    home, clock = need_home(Path.cwd()), system_clock()
    before = clock.now() - _window(older_than)
    said: Parameters = {"older_than": older_than, "reason": reason, "column": column or ""}
    said = {key: value for key, value in said.items() if value}
    if column is not None:
        expiring(need_name(name), column, before, said, yes=yes)
        return
    with store_of(home) as store:
        due = beyond(store, name, before)
        for one in due:
            click.echo(f"{one.made:%Y-%m-%d %H:%M} {plain(one.spelled, 40)}")
        if not due:
            talk(f"no version was made before {before:%Y-%m-%d %H:%M}")
            return
        if not yes:
            talk(f"{counted(len(due), 'version')} would lose the content; --yes does it, for good")
            return
        with open_recorder(home) as recorder:
            started = clock.now()
            freed = store.drop([one for one in due if store.dropped(one) is None])
            for one in due:
                report = dropped_report(store, one, said, started=started, finished=clock.now())
                record = recorder.report(report)
                if record.evidence is not None:
                    store.drop_entered(one, record.evidence.index)
    talk(f"{counted(len(due), 'version')} erased, {freed:,} bytes are gone; the ledger says so")
    talk("copies of this folder, and the files outside it, are not touched")


def _window(text: str) -> timedelta:
    try:
        return timedelta(seconds=seconds_of(text))
    except OverflowError as reason:
        raise AncileError(
            "a duration too long", value=plain(text), remedy="give less, such as 3650d"
        ) from reason


def beyond(store: DataStore, name: str | None, before: datetime) -> list[Version]:
    """Versions that were made before a time and whose end no entry tells, of one set or all."""
    names = [parse_spelled(name).name] if name else store.names()
    if name and not store.versions(names[0]):
        raise AncileError("no such data set", value=plain(name, 80), remedy="see `ancile data log`")
    known = [kept.version for one in names for kept in store.versions(one)]
    found = []
    for one in known:
        drop = store.dropped(one)
        if one.made < before and (
            drop is None or drop.entry is None
        ):  # an end that nobody recorded is told now
            found.append(one)
    return found
