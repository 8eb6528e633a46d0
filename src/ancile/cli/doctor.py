"""``ancile doctor``: what is installed, what is not, and what each missing extra would give."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator
from importlib import metadata, util

import click
import msgspec

from ancile.cli.output import page_width
from ancile.core.extras import EXTRAS
from ancile.render.json import written
from ancile.render.width import wrap
from ancile.version import __version__
from ancile.work.landlock import landlock_abi

DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "stdnum": "python-stdnum",
    "xgboost": "xgboost-cpu",
    "argon2": "argon2-cffi",
    "opentelemetry": "opentelemetry-sdk",
}


class Extra(msgspec.Struct, frozen=True, kw_only=True):
    """An extra: what it gives, its modules with their versions (None: not installed), how to get it."""

    gives: str
    installed: bool
    modules: dict[str, str | None]
    install: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed here; ``landlock_abi`` is 0 where the kernel cannot confine user code."""

    ancile: str
    python: str
    platform: str
    sqlite: str
    cryptography: str
    landlock_abi: int
    extras: dict[str, Extra]


@click.command()
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def doctor(*, format_: str) -> None:
    """Say what is installed, what is not, and what each missing extra would give."""
    found = state()
    if format_ == "json":
        click.echo(written(msgspec.to_builtins(found)), nl=False)
    else:
        click.echo("\n".join(_lines(found, page_width())))


def state() -> State:
    """What is installed on this machine."""
    return State(
        ancile=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        sqlite=sqlite3.sqlite_version,
        cryptography=metadata.version("cryptography"),
        landlock_abi=landlock_abi(),
        extras={name: _extra(name, modules, gives) for name, (modules, gives) in EXTRAS.items()},
    )


def _extra(name: str, modules: tuple[str, ...], gives: str) -> Extra:
    found = {module: _version(module) if util.find_spec(module) else None for module in modules}
    return Extra(
        gives=gives,
        installed=None not in found.values(),
        modules=found,
        install=f'pip install "ancile[{name}]"',
    )


def _version(module: str) -> str:
    for name in (DISTRIBUTIONS.get(module, module), module):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "of unknown version"


def _lines(found: State, width: int) -> Iterator[str]:
    yield from wrap(f"ancile {found.ancile}, Python {found.python}, {found.platform}", width)
    yield f"SQLite {found.sqlite}, cryptography {found.cryptography}"
    abi = found.landlock_abi
    confined = f"Landlock ABI {abi}" if abi else "no Landlock: user code can read what you can read"
    yield from wrap(f"confinement of user code: {confined}", width)
    yield ""
    for name, one in found.extras.items():
        first = f"{name:9} {'ok' if one.installed else 'missing':8} "
        yield from wrap(one.gives, width, first=first, rest=" " * len(first))
        for module, version in one.modules.items():
            yield f"{' ' * len(first)}{module} {version or 'not installed'}"
        if not one.installed:
            yield f"{' ' * len(first)}{one.install}"
