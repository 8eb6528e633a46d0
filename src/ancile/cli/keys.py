"""``ancile keys``: list, export, trust, rotate, revoke, back up and restore."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from ancile.cli.home import Home, need_home
from ancile.cli.ledger import reading
from ancile.cli.output import talk, write_whole
from ancile.cli.pins import pin_author, pin_log
from ancile.cli.recorder import open_recorder
from ancile.cli.trusting import addition, fingerprint, public_lines, read_public, trust
from ancile.cli.values import quoted
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.render.json import written
from ancile.trust.backup import backup_keys, restore_keys
from ancile.trust.keys import (
    StoredKey,
    active_key,
    find_key,
    list_keys,
    revoke_key,
    rotate_key,
    unlock_key,
)
from ancile.trust.lockbox import Protection
from ancile.trust.notary import key_event, unannounced
from ancile.trust.passphrase import passphrase


@click.group()
def keys() -> None:
    """List, exchange, rotate, revoke and back up keys."""


@keys.command("list")
@click.option("--public", is_flag=True, help="The lines that another machine's ancile.toml needs.")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def list_(*, public: bool, format_: str) -> None:
    """List the keys of this project, without their secrets."""
    home = need_home(Path.cwd())
    stored = list_keys(home.keys)
    if public and format_ == "table":
        print_public(stored)
        return
    with reading(home) as opened:
        for key in unannounced(opened, stored):
            talk(f"not told in the ledger, a crash came between: {key.public.purpose} {key.public.id[:19]}")
    if format_ == "json":
        click.echo(written([_document(key) for key in stored]), nl=False)
        return
    for key in stored:
        sealed = "sealed" if not key.is_open else "OPEN"
        state = f"{key.state}, {sealed}" if key.state != "revoked" else "revoked"
        click.echo(
            f"{key.public.purpose:8} {state:16} {key.file.created:%Y-%m-%d} {plain(key.public.name, 40)}"
        )
        click.echo(f"         {key.public.id}")
        if key.file.revoked:
            click.echo(f"         {key.file.revoked.time:%Y-%m-%d}: {plain(key.file.revoked.reason, 100)}")


def _document(key: StoredKey) -> dict[str, object]:
    """What the table shows, and the public key's line."""
    revoked = key.file.revoked
    return {
        "purpose": key.public.purpose,
        "name": key.public.name,
        "id": key.public.id,
        "state": key.state,
        "sealed": key.state != "revoked" and not key.is_open,
        "created": key.file.created.isoformat(),
        "public": key.public.text,
        "revoked": None if revoked is None else {"time": revoked.time.isoformat(), "reason": revoked.reason},
    }


def print_public(stored: Sequence[StoredKey]) -> None:
    """The tables that another machine's ancile.toml needs; a rotated author's evidence still counts."""
    authors = [k for k in stored if k.public.purpose == "author" and k.state != "revoked"]
    if authors:
        click.echo(f"[policy]\nauthors = [{', '.join(quoted(k.public.id) for k in authors)}]")
    for key in stored:
        if key.public.purpose == "log" and key.state == "active":
            pins = ", ".join(map(quoted, key.public.vkeys))
            click.echo(f"[[policy.logs]]\norigin = {quoted(key.public.name)}\nkeys = [{pins}]")


@keys.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to FILE, not to stdout.")
def export(output: Path | None) -> None:
    """Write the public keys of authors and log, for `ancile keys trust` on another machine."""
    stored = list_keys(need_home(Path.cwd()).keys)
    text = public_lines(stored, now=datetime.now(UTC))
    if output is None:
        click.echo(text, nl=False)
        return
    write_whole(output, text.encode("ascii"))
    talk(f"public keys in {output}; tell the other side this fingerprint over another channel:")
    talk(fingerprint(read_public(output)))


@keys.command("trust")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", default="", help="Whose keys they are: it stands in a comment of ancile.toml.")
@click.option("--fingerprint", "wanted", help="What the other side told you; without it you are asked.")
def trust_(file: Path, *, name: str, wanted: str | None) -> None:
    """Let evidence count that the keys in FILE signed: show them, ask, and add them to ancile.toml.

    A log that ancile.toml pins with other keys is refused.
    """
    home, found = need_home(Path.cwd()), read_public(file)
    seen, label = fingerprint(found), plain(name or file.name, 60)
    added = addition(home, found)
    if wanted is not None and wanted != seen:
        raise AncileError(
            "the fingerprint is another one",
            value=f"{file} has {seen}",
            remedy="ask for the file once more, and for its fingerprint over another channel",
        )
    if not added.authors and not added.logs:
        talk(f"{home.config_file.name} names all of these keys already")
        return
    for id_ in added.authors:
        talk(f"author {id_}")
    for origin, vkeys in added.logs.items():
        known = " more, of a log that is known," if origin in {x.origin for x in home.policy.logs} else ""
        talk(f"log {plain(origin, 100)} with {len(vkeys)}{known} verifier keys")
    talk(f"fingerprint {seen}")
    if wanted is None:
        _agreed(file)
    trust(home, added, name=label, now=datetime.now(UTC))
    talk(f"{home.config_file.name} was changed: look at it and commit it")


def _agreed(file: Path) -> None:
    """Ask; where nobody can answer, the fingerprint has to be given."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise AncileError(
            "nobody is there to say whether the fingerprint is right",
            value=str(file),
            remedy="give what the other side told you: --fingerprint sha256:…",
        )
    if not click.confirm("ancile: did the other side tell you this fingerprint?", default=False, err=True):
        raise AncileError("not trusted", value=str(file), remedy="ask the other side for its fingerprint")


@keys.command()
@click.argument("purpose", type=click.Choice(["author", "log"]))
@click.option("--unencrypted-key", is_flag=True, help="No passphrase: for throw-away use only.")
def rotate(purpose: str, *, unencrypted_key: bool) -> None:
    """Put a new key in the place of the active one; the old one signs that it did."""
    home, now = need_home(Path.cwd()), datetime.now(UTC)
    secret = functools.cache(lambda: passphrase(os.environ, prompt="passphrase of the keys"))
    if purpose == "log" and _finish(home, secret, now=now):
        return
    protection = Protection(None if unencrypted_key else secret())
    with open_recorder(home) as recorder:
        if purpose == "author":
            changed = rotate_key(home.keys, "author", secret, protection=protection, now=now)
            recorder.write(key_event(changed.new.public, now=now, after=changed.old.public.id))
            pin_author(home.config_file, changed.new.public.id)
            new = changed.new.public
        else:
            log = rotate_key(home.keys, "log", secret, protection=protection, now=now)
            recorder.write(key_event(log.new.public, now=now, after=log.old.public.id))
            pin_log(home.config_file, keys=log.new.public.vkeys)
            new = log.new.public
    talk(f"{purpose} key is now {new.id}; {home.config_file.name} was changed: look at it and commit it")


def _finish(home: Home, secret: Callable[[], bytes], *, now: datetime) -> bool:
    """Pin the log's key whose rotation was interrupted before that; whether there is one.

    Only a key that took the place of the pinned one, and that the passphrase opens.
    """
    active = active_key(home.keys, "log")
    before = [key for key in list_keys(home.keys) if key.public.id == active.file.after]
    if not any(set(key.public.vkeys) == set(home.log.keys) for key in before):
        return False
    unlock_key(home.keys, "log", secret)
    pin_log(home.config_file, keys=active.public.vkeys)
    with open_recorder(need_home(Path.cwd())) as recorder:
        if unannounced(recorder.ledger, [active]):
            recorder.write(key_event(active.public, now=now, after=active.file.after))
    talk(f"the rotation that was interrupted is finished: log key is now {active.public.id}")
    talk(f"{home.config_file.name} was changed: look at it and commit it")
    return True


@keys.command()
@click.argument("key_id")
@click.option("--reason", required=True, help="Why: it stands in the ledger.")
@click.option("--unrecorded", is_flag=True, help="Do it without an entry, when the passphrase is lost.")
def revoke(key_id: str, reason: str, *, unrecorded: bool) -> None:
    """Mark a key as not to be believed and destroy its seeds. Evidence that it signed no longer counts."""
    home, now = need_home(Path.cwd()), datetime.now(UTC)
    public = find_key(home.keys, key_id).public
    if not unrecorded:
        with open_recorder(home) as recorder:
            recorder.write(key_event(public, now=now, revoked_because=reason))
    revoke_key(home.keys, public.id, reason=reason, now=now)
    talk(f"revoked {public.purpose} key {public.id}")
    if public.purpose != "witness":
        talk("strike it from ancile.toml where it stands, and tell those who pinned it")


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Write all keys to FILE, sealed under a passphrase of its own (ANCILE_BACKUP_PASSPHRASE…, or asked)."""
    home = need_home(Path.cwd())
    count = backup_keys(
        home.keys,
        file,
        passphrase=functools.cache(lambda: passphrase(os.environ, prompt="passphrase of the keys")),
        backup_passphrase=_backup_passphrase(twice=True),
        now=datetime.now(UTC),
    )
    talk(f"{count} keys in {file}: keep it away from this machine")


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--unencrypted-key", is_flag=True, help="Keep the restored keys without a passphrase.")
def restore(file: Path, *, unencrypted_key: bool) -> None:
    """Put the keys of a backup back; keys that are there stay as they are."""
    home = need_home(Path.cwd())
    written, left = restore_keys(
        file,
        home.keys,
        backup_passphrase=_backup_passphrase(twice=False),
        protection=Protection(
            None
            if unencrypted_key
            else passphrase(os.environ, prompt="new passphrase of the keys", twice=True)
        ),
    )
    talk(f"{len(written)} keys restored, {len(left)} were there already")


def _backup_passphrase(*, twice: bool) -> bytes:
    """The backup's own passphrase: the variables of the keys' one with BACKUP in their names."""
    renamed = {
        name.replace("ANCILE_BACKUP_PASSPHRASE", "ANCILE_PASSPHRASE"): value
        for name, value in os.environ.items()
        if name.startswith("ANCILE_BACKUP_PASSPHRASE")
    }
    return passphrase(renamed, prompt="passphrase of the backup", twice=twice)
