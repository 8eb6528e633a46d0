"""Budgets of a day in one SQLite file, so that a restart begins none anew; several workers share it.

The same file holds evidence against identities: see ``history``.

A block is one transaction, without waiting for the disk: a killed process loses none, a loss of power what
the system had not written yet (30 s by Linux's default).
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.budgets import Spent, Unavailable, block
from ancile.serve.shared.replica import Table, noting
from ancile.trust.private_file import locked, make_private_folder
from ancile.work.database import open_database

DATABASE = "state.db"
FIRST = """
CREATE TABLE spent (who TEXT PRIMARY KEY, day INTEGER NOT NULL, taken INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
SECOND = """
CREATE TABLE evidence (who TEXT PRIMARY KEY, at REAL NOT NULL, sums TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
EVIDENCE = Table("evidence", ("who", "at", "sums"))  # that hosts with a database between them have alike
THIRD = noting((EVIDENCE,)) + "CREATE INDEX evidence_by_time ON evidence (at);"
STEPS = (FIRST, SECOND, THIRD)  # from each version to the next
WAIT_SECONDS = 0.5  # for another worker's transaction, which takes some 30 us


def open_state(folder: Path) -> sqlite3.Connection:
    """The file of a folder, both made where they are absent; AncileError where it cannot be used."""
    make_private_folder(folder)
    path = folder / DATABASE
    with locked(folder):
        try:
            return open_database(
                path,
                holds="budgets",
                steps=STEPS,
                pragmas={"synchronous": "NORMAL"},
                wait_seconds=WAIT_SECONDS,
            )
        except sqlite3.Error as reason:
            raise AncileError(
                "the budgets cannot be read or written",
                value=plain(f"{path}: {reason}"),
                remedy="free the file or the disk; a damaged one is moved away, with today's counts",
            ) from reason


class StateFile:
    """Budgets in a file of ``folder``; one thread at a time, any number of processes."""

    def __init__(self, folder: Path) -> None:
        self._db = open_state(folder)

    def take(self, who: str, day: int, *, limit: int) -> int:
        """A block, in one transaction; Unavailable where the file takes none, as on a full disk."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                known = self._known(who, day)
                granted = block(limit, taken=known.taken)
                if granted:
                    self._write(who, Spent(known.day, known.taken + granted))
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as reason:
            raise Unavailable(str(reason)) from reason
        return granted

    def give(self, who: str, day: int, *, unspent: int) -> None:
        """Of the day that is counted now; where the file takes it not, it is lost."""
        with suppress(sqlite3.Error):
            self._db.execute(
                "UPDATE spent SET taken = max(0, taken - ?) WHERE who = ? AND day = ?", (unspent, who, day)
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _known(self, who: str, day: int) -> Spent:
        row = self._db.execute("SELECT day, taken FROM spent WHERE who = ?", (who,)).fetchone()
        return (Spent(day, 0) if row is None else Spent(*row)).at(day)

    def _write(self, who: str, spent: Spent) -> None:
        self._db.execute(
            "INSERT INTO spent VALUES (?, ?, ?) "
            "ON CONFLICT (who) DO UPDATE SET day = excluded.day, taken = excluded.taken",
            (who, *spent),
        )
