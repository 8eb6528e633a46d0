"""``ancile user``: who may ask the gateway."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import click
import msgspec

from ancile.cli.home import Home, need_home
from ancile.cli.in_force import FOLDER
from ancile.cli.output import talk
from ancile.cli.people import add_person, asking, changing, remove_person
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.render.json import written
from ancile.serve.config import Permission, ServeConfig, policy_of
from ancile.serve.identity.config import role_of
from ancile.serve.keys import Identity

LONGEST_GRACE = 90 * 24  # hours
KEPT = "keep it: it is not stored and cannot be shown again"


@click.group()
def user() -> None:
    """Give out and take back the API keys of the gateway; each change is an entry of the ledger."""


@user.command()
@click.argument("name")
@click.option("--role", help="monitor, analyst, service, or one of ancile.toml.")
@click.option("--admin", "person", flag_value="admin", help="A person who administers instead: no key.")
@click.option("--reviewer", "person", flag_value="reviewer", help="A person who reviews instead: no key.")
def add(name: str, *, role: str | None, person: str | None) -> None:
    """Make a key for NAME and print it once; a running gateway knows it within a second.

    A person gets a password, which is asked for, and a second factor, which is printed once.
    """
    home = need_home(Path.cwd())
    if (role is None) == (person is None):
        raise AncileError(
            "either a role or a person", value=plain(name), remedy="say --role ROLE, or --admin"
        )
    if role is None:
        add_person(home, name, role=person or "")
        return
    _known(home, role)
    with changing(home) as users:
        key = users.add(name, role=role, now=datetime.now(UTC))
    click.echo(key)
    talk(KEPT)


@user.command("list")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def list_(*, format_: str) -> None:
    """List users with their roles and how many keys let them in."""
    with asking(need_home(Path.cwd())) as users:
        found = users.list(datetime.now(UTC))
        people = users.rows("SELECT name, role FROM people ORDER BY name")
        blocked = sorted(users.blocked())
    if format_ == "json":
        click.echo(written([msgspec.to_builtins(one._asdict()) for one in found]), nl=False)
        return
    if not (found or people or blocked):
        talk("nobody has a key yet: ancile user add NAME --role analyst")
    for one in found:
        until = f", the first until {one.until}" if one.until else ""
        revoked = f", {one.revoked} revoked or ended" if one.revoked else ""
        click.echo(f"{plain(one.name, 40):24} {plain(one.role, 24):12} {_keys(one.keys)}{until}{revoked}")
    for name, role_ in people:
        click.echo(f"{plain(str(name), 40):24} {plain(str(role_), 24):12} logs in")
    for name in blocked:
        click.echo(f"{plain(name, 60):24} {'':12} is let in no more")


@user.command()
@click.argument("name")
@click.option(
    "--grace",
    type=click.IntRange(0, LONGEST_GRACE),
    default=24,
    show_default=True,
    help="Hours for which the keys before still let in.",
)
def rotate(name: str, *, grace: int) -> None:
    """Make a new key for NAME and print it once; the keys before end after a time of grace."""
    with changing(need_home(Path.cwd())) as users:
        key = users.rotate(name, grace=timedelta(hours=grace), now=datetime.now(UTC))
    click.echo(key)
    talk(f"{KEPT}; the keys before let in for {grace} hours more")


@user.command()
@click.argument("name")
@click.argument("role")
def role(name: str, role: str) -> None:
    """Give NAME another ROLE; its keys stay, and a running gateway knows it within a second."""
    home = need_home(Path.cwd())
    _known(home, role)
    with changing(home) as users:
        users.set_role(name, role, now=datetime.now(UTC))
    talk(f"{name} is {role}")


@user.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Take all keys of NAME back; a running gateway refuses them within a second. A person is logged out.

    oidc:NAME or cert:URI is let in no more by a token or certificate, until `ancile user admit`.
    """
    home = need_home(Path.cwd())
    if ":" in name:
        with asking(home) as users:
            users.block(name, now=datetime.now(UTC))
        talk(f"{plain(name)} is let in no more")
        with changing(home, needed=False):
            return
    with asking(home) as users:  # at once: a key that leaked does not wait for a passphrase
        now = datetime.now(UTC)
        gone = remove_person(users, name)
        count = 0 if gone and not users.has(name) else users.revoke(name, now=now)
    if gone:
        talk(f"{name} logs in no more")
    talk(f"{_keys(count)} of {name} {'lets' if count == 1 else 'let'} in no more")
    with changing(home, needed=False):
        pass


@user.command()
@click.argument("name")
@click.argument("action", type=click.Choice(get_args(Permission)))
@click.argument("model", default="")
@click.option("--role", help="Of an identity that is no user: one of a token or a certificate.")
def explain(name: str, action: str, model: str, *, role: str | None) -> int:
    """Say whether NAME may do ACTION with MODEL, and by which policies; exit 1 where not.

    Without MODEL the gateway itself is asked. An identity of a token is oidc:NAME, of a certificate cert:URI.
    """
    from ancile.serve.identity.permissions import Permissions, read_policies  # noqa: PLC0415 - Cedar, for this alone

    home = need_home(Path.cwd())
    config = home.config.get("serve", ServeConfig)
    policies = read_policies(config.policies, home.config_file.parent)
    with asking(home) as users:
        if name in users.blocked():
            click.echo(f"{plain(name)} may do nothing: it was taken back by `ancile user revoke`")
            return 1
    who = _identity(home, name, role)
    roles = policy_of(config).roles
    said = Permissions(roles, policies).decide(who, msgspec.convert(action, Permission), model)
    may = "may" if said.allowed else "may not"
    of = f" of {plain(model)}" if model else ""
    click.echo(f"{plain(name)} ({plain(who.role) or 'no role'}) {may} ask for {action}{of}: {said.why}")
    held = ", ".join(roles[who.role].may) if who.role in roles else "nothing"
    talk(f"policies: {config.policies or 'those that come with ancile'}; the role may: {held}")
    return 0 if said.allowed else 1


@user.command()
def schema() -> None:
    """Print what policies in Cedar may speak of, and those that come with ancile."""
    from ancile.serve.identity.permissions import schema as spoken  # noqa: PLC0415 - Cedar, for this alone
    from ancile.serve.identity.permissions import shipped  # noqa: PLC0415 - likewise

    click.echo("".join(f"// {line}\n" for line in spoken().strip().splitlines()))
    click.echo(shipped(), nl=False)


def _identity(home: Home, name: str, role: str | None) -> Identity:
    source = {"oidc": "oidc", "cert": "certificate"}.get(name.partition(":")[0], "key")
    if role is not None:
        return Identity(name, role, source)
    if source == "certificate":
        known = home.config.get("serve", ServeConfig).certificates
        return Identity(name, role_of(name.removeprefix("cert:"), known) or "", source)
    with asking(home) as users:
        for one in users.list(datetime.now(UTC)):
            if one.name == name:
                return Identity(name, one.role)
    raise AncileError(
        "no such user", value=plain(name), remedy="see `ancile user list`; for a token say --role ROLE"
    )


@user.command()
@click.argument("name")
def admit(name: str) -> None:
    """Let NAME in again: an identity of a token or certificate that was taken back."""
    with changing(need_home(Path.cwd())) as users:
        if not users.admit(name, now=datetime.now(UTC)):
            raise AncileError("it was not taken back", value=plain(name), remedy="see `ancile user list`")
    talk(f"{plain(name)} is let in again")


@user.command()
@click.argument("name")
def forget(name: str) -> None:
    """Erase the inputs that were kept of NAME; the ledger keeps their digests."""
    from ancile.serve.kept_inputs import erase_kept  # noqa: PLC0415 - needs numpy, which the rest does not

    count = erase_kept(need_home(Path.cwd()).folder / FOLDER, name)
    talk(f"{count} input{'s' if count != 1 else ''} of {plain(name)} can be read no more")


def _known(home: Home, role: str) -> None:
    roles = policy_of(home.config.get("serve", ServeConfig)).roles
    if role not in roles:
        raise AncileError(
            "no such role", value=plain(role), remedy=f"choose one of: {', '.join(sorted(roles))}"
        )


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count} keys"
