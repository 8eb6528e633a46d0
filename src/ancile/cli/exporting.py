"""The work of ``ancile data export``, and of lineage for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from ancile.cli.home import need_home
from ancile.cli.output import talk, write_whole
from ancile.cli.versioning import apart_from, store_of
from ancile.data.croissant import croissant
from ancile.data.cyclonedx import bill_of
from ancile.data.kept import opened_kept
from ancile.data.lineage import ancestors
from ancile.data.openlineage import run_events
from ancile.data.version import parse_spelled


def exporting(spelled: str, format_: str, output: Path | None) -> None:
    """Write what other programs read of a version, to a file or to stdout."""
    home = need_home(Path.cwd())
    with store_of(home) as store:
        version = store.find(parse_spelled(spelled)).version
        apart_from(home, version, "the description", output)
        made: dict[str, Any]
        if format_ == "croissant":
            gone = store.dropped(version) is not None
            made = croissant(version, opened=None if gone else lambda one: opened_kept(store, one))
        else:
            made = bill_of(ancestors(store, version))
    text = msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"
    if output is None:
        click.echo(text, nl=False)
        return
    write_whole(output, text)
    talk(f"{version.spelled} in {output}")


def show_events(spelled: str) -> None:
    """Print the runs that led to a version, one line each, the first one first."""
    home = need_home(Path.cwd())
    with store_of(home) as store:
        found = ancestors(store, store.find(parse_spelled(spelled)).version)
    for event in run_events(found[::-1], namespace=home.log.origin or "ancile"):
        click.echo(msgspec.json.encode(event))
