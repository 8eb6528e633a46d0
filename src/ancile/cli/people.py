"""People who may log in to the administration: made on the local command line, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module

import click

from ancile.cli.home import Home
from ancile.cli.in_force import FOLDER
from ancile.cli.output import talk
from ancile.cli.recorder import open_recorder
from ancile.cli.sharing import exchanging
from ancile.serve.keys import Users
from ancile.trust.passphrase import passphrase

VARIABLE = "ANCILE_PERSON_PASSWORD"


@contextmanager
def asking(home: Home, *, needed: bool = False) -> Iterator[Users]:
    """Users as all hosts have them; see ``exchanging``."""
    with Users(home.folder / FOLDER) as users, exchanging(users, needed=needed):
        yield users


@contextmanager
def changing(home: Home, *, needed: bool = True) -> Iterator[Users]:
    """Users, and what is changed of them in the ledger at the end, with what waited from before."""
    with open_recorder(home) as recorder:
        with asking(home, needed=needed) as users:
            yield users
        with Users(home.folder / FOLDER) as users:
            users.hand_over(recorder.write)


def add_person(home: Home, name: str, *, role: str) -> None:
    """Ask for a password, and print the second factor once: as a picture where a person looks."""
    from ancile.serve.identity.people import People  # noqa: PLC0415 - Argon2, for this alone

    with changing(home) as users:
        secret = passphrase(_environment(), prompt=f"password of {name}", twice=True)
        uri = People(users).add(name, role=role, password=secret.decode("utf-8", "replace"), now=_now())
    if sys.stdout.isatty():
        import_module("segno").make(uri).terminal(compact=True)
    click.echo(uri)
    talk("put it into an authenticator: it is sealed here and cannot be shown again")


def remove_person(users: Users, name: str) -> bool:
    """Whether there was such a person, who is logged out by that."""
    if not users.rows("SELECT 1 FROM people WHERE name = ?", name):
        return False
    from ancile.serve.identity.people import People  # noqa: PLC0415 - Argon2, for this alone

    return People(users).remove(name, now=_now())


def _environment() -> dict[str, str]:
    return {
        key.replace(VARIABLE, "ANCILE_PASSPHRASE"): value
        for key, value in os.environ.items()
        if key.startswith(VARIABLE)
    }


def _now() -> datetime:
    return datetime.now(UTC)
