"""SQLite files of ancile: made private, in WAL mode, with the schema of this version or none newer."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ancile.core.errors import AncileError


def open_database(
    path: Path, *, holds: str, steps: Sequence[str], pragmas: Mapping[str, str], wait_seconds: float
) -> sqlite3.Connection:
    """The file at ``path``, brought to the newest version; whoever calls holds the lock of its folder.

    holds    what is in it, for a message
    steps    SQL from each version to the next, the first from an empty file
    pragmas  beside those that all files have
    AncileError where a newer ancile wrote it; sqlite3.Error where it cannot be read or written.
    """
    if not path.exists():
        path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)
    try:
        _prepare(db, path, holds=holds, steps=steps, pragmas=pragmas)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(
    db: sqlite3.Connection, path: Path, *, holds: str, steps: Sequence[str], pragmas: Mapping[str, str]
) -> None:
    for name, value in {"journal_mode": "WAL", "trusted_schema": "OFF", **pragmas}.items():
        db.execute(f"PRAGMA {name} = {value}")
    with closing(db.execute("PRAGMA user_version")) as cursor:
        version = int(cursor.fetchone()[0])
    if version > len(steps):
        raise AncileError(
            f"the {holds} were written by a newer ancile",
            value=f"{path}: version {version}, this program reads {len(steps)}",
            remedy="update ancile: pip install --upgrade ancile",
        )
    if version < len(steps):
        left = "".join(steps[version:])
        db.executescript(f"BEGIN; {left} PRAGMA user_version = {len(steps)}; COMMIT;")
