"""``ancile doctor``: what is installed, what is not, and what each missing extra would give."""

from __future__ import annotations

import platform
import sqlite3
from importlib import metadata, util

import click

from ancile.core.extras import EXTRAS
from ancile.version import __version__
from ancile.work.landlock import landlock_abi

DISTRIBUTIONS = {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu"}


@click.command()
def doctor() -> None:
    """Say what is installed, what is not, and what each missing extra would give."""
    click.echo(f"ancile {__version__}, Python {platform.python_version()}, {platform.platform()}")
    click.echo(f"SQLite {sqlite3.sqlite_version}, cryptography {metadata.version('cryptography')}")
    abi = landlock_abi()
    confined = f"Landlock ABI {abi}" if abi else "no Landlock: user code can read what you can read"
    click.echo(f"confinement of user code: {confined}\n")
    for extra, (modules, gives) in EXTRAS.items():
        missing = [m for m in modules if util.find_spec(m) is None]
        state = "missing" if missing else "ok"
        click.echo(f"{extra:8} {state:8} {gives}")
        for module in modules:
            click.echo(f"{'':18}{module} {_version(module)}")
        if missing:
            click.echo(f'{"":18}pip install "ancile[{extra}]"')


def _version(module: str) -> str:
    for name in (DISTRIBUTIONS.get(module, module), module):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "not installed"
