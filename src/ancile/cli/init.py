"""``ancile init``: configuration, keys and ledger, all or nothing."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import click

from ancile.cli.home import named_home
from ancile.cli.output import talk, write_whole
from ancile.cli.own_home import mark_place
from ancile.cli.values import quoted
from ancile.core.config import FILE, HOME
from ancile.core.errors import AncileError
from ancile.trust.keys import create_key
from ancile.trust.ledger import open_ledger
from ancile.trust.lockbox import Protection
from ancile.trust.notary import key_event, record_key_event
from ancile.trust.passphrase import passphrase
from ancile.work.clock import system_clock


class Pinned(NamedTuple):
    """What ancile.toml says of this machine's ledger and key."""

    origin: str
    authors: list[str]
    keys: list[str]


@click.command()
@click.option("--origin", help="Name of the log, like example.org/team/models; made up if absent.")
@click.option("--author", default="author", help="A label for your key; people see it, nothing rests on it.")
@click.option("--unencrypted-key", is_flag=True, help="No passphrase: for throw-away use only.")
@click.option("--print-config", is_flag=True, help="Print a commented ancile.toml and do nothing else.")
def init(origin: str | None, author: str, *, unencrypted_key: bool, print_config: bool) -> None:
    """Make ancile.toml, with comments that teach, and .ancile/ with keys and ledger."""
    if print_config:
        click.echo(configuration(origin="", authors=[], keys=[]))
        return
    base = named_home() or Path.cwd()
    if not base.is_dir():
        raise AncileError("the named home is no folder", value=str(base), remedy="make the folder first")
    folder, config = base / HOME, base / FILE
    if (folder / FILE).is_file() and not config.exists():
        (folder / FILE).rename(config)
        talk(f"made {FILE}, which an interrupted `ancile init` left undone: read it and commit it")
        return
    if os.path.lexists(folder):
        raise _there_already(folder)
    protection = Protection(None if unencrypted_key else _new_passphrase())
    name = origin or f"ancile.local/{_slug(base.name)}/{secrets.token_hex(4)}"
    unfinished = base / f"{HOME}.{secrets.token_hex(4)}"
    try:
        pinned = _made(unfinished, name, author, protection)
        if not config.exists():
            text = configuration(origin=pinned.origin, authors=pinned.authors, keys=pinned.keys)
            write_whole(unfinished / FILE, text.encode("utf-8"), own=True)
        _renamed(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _configured(folder / FILE, config, pinned)
    if unencrypted_key:
        talk("keys are not encrypted: whoever reads .ancile/keys can sign as you")


def configuration(*, origin: str, authors: list[str], keys: list[str]) -> str:
    """The commented ancile.toml with these values."""
    text = resources.files("ancile.cli").joinpath("template.toml").read_text("utf-8")
    rows = {"@authors@": authors, "@keys@": keys}
    for place, values in rows.items():
        text = text.replace(place, "\n".join(f"    {quoted(value)}," for value in values))
    return text.replace('"@origin@"', quoted(origin))


def _new_passphrase() -> bytes:
    try:
        return passphrase(os.environ, prompt="new passphrase for the keys", twice=True)
    except AncileError as reason:
        if sys.stdin.isatty():
            raise
        remedy = f"{reason.remedy}; or --unencrypted-key, for throw-away use"
        raise AncileError(reason.what, value=reason.value, remedy=remedy) from reason


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "models"


def _made(folder: Path, origin: str, author: str, protection: Protection) -> Pinned:
    clock = system_clock()
    folder.mkdir(mode=0o700)
    (folder / ".gitignore").write_text("*\n", "utf-8")
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    signer = create_key(keys, "author", author, protection=protection, now=clock.now())
    log = create_key(keys, "log", origin, protection=protection, now=clock.now())
    with open_ledger(folder, clock=clock.now) as ledger:
        for key in (signer, log):
            event = key_event(key.public, now=clock.now())
            record_key_event(ledger, event, author=signer, log=log, clock=clock.now)
    mark_place(folder)
    return Pinned(origin, [signer.public.id], list(log.public.vkeys))


def _renamed(unfinished: Path, folder: Path) -> None:
    try:
        unfinished.rename(folder)
    except OSError as reason:
        if os.path.lexists(folder):  # another `ancile init` was faster
            raise _there_already(folder) from reason
        raise


def _there_already(folder: Path) -> AncileError:
    return AncileError(
        "this project has a home already",
        value=str(folder),
        remedy="use it; or move it away first, it holds keys and evidence",
    )


def _configured(made: Path, path: Path, pinned: Pinned) -> None:
    """Put ancile.toml in its place; one that exists is the team's: it is told what lines it may lack."""
    if made.exists():
        made.rename(path)
        talk(f"made {HOME}/ and {FILE}: read it, set eps and what the gate asks for, commit it")
        return
    talk(f"made {HOME}/; {FILE} exists and was left alone. To use this machine's ledger and key, set in it:")
    keys, authors = (", ".join(map(quoted, values)) for values in (pinned.keys, pinned.authors))
    click.echo(f"[ledger]\norigin = {quoted(pinned.origin)}\nkeys = [{keys}]", err=True)
    click.echo(f"[policy]\nauthors = [{authors}]", err=True)
