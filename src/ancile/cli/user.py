"""``ancile user``: who may ask the gateway."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from ancile.cli.home import Home, need_home
from ancile.cli.output import talk
from ancile.cli.serve import FOLDER
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.render.json import written
from ancile.serve.config import ServeConfig, policy_of
from ancile.serve.keys import Users


@click.group()
def user() -> None:
    """Give out and take back the API keys of the gateway."""


@user.command()
@click.argument("name")
@click.option("--role", required=True, help="monitor, analyst, service, or one of ancile.toml.")
def add(name: str, *, role: str) -> None:
    """Make a key for NAME and print it once; a running gateway knows it within a second."""
    home = need_home(Path.cwd())
    roles = policy_of(home.config.get("serve", ServeConfig)).roles
    if role not in roles:
        raise AncileError(
            "no such role", value=plain(role), remedy=f"choose one of: {', '.join(sorted(roles))}"
        )
    with _users(home) as users:
        key = users.add(name, role=role, now=datetime.now(UTC))
    click.echo(key)
    talk("keep it: it is not stored and cannot be shown again")


@user.command("list")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def list_(*, format_: str) -> None:
    """List users with their roles and how many keys let them in."""
    with _users(need_home(Path.cwd())) as users:
        found = users.list()
    if format_ == "json":
        click.echo(written([msgspec.to_builtins(one._asdict()) for one in found]), nl=False)
        return
    if not found:
        talk("nobody has a key yet: ancile user add NAME --role analyst")
    for one in found:
        revoked = f", {one.revoked} revoked" if one.revoked else ""
        click.echo(f"{plain(one.name, 40):24} {plain(one.role, 24):12} {_keys(one.keys)}{revoked}")


@user.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Take all keys of NAME back; a running gateway refuses them within a second."""
    with _users(need_home(Path.cwd())) as users:
        count = users.revoke(name, now=datetime.now(UTC))
    talk(f"{_keys(count)} of {name} {'lets' if count == 1 else 'let'} in no more")


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count} keys"


def _users(home: Home) -> Users:
    return Users(home.folder / FOLDER)
