"""Tables of a host's SQLite file that several hosts have alike: what was changed here, and what by others.

Triggers note the keys of rows that change, from when the file is shared on, in the transaction that changes
them. What others changed is applied in one transaction and noted nowhere. Of two changes of one row at the
same time that counts which came to the database first; a key that either took back stays taken back.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain

Value = str | bytes | int | float | None
Values = tuple[Value, ...]
NOTED = """
CREATE TABLE shared (one INTEGER PRIMARY KEY CHECK (one = 1), url TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE TABLE changed (n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, key ANY NOT NULL) STRICT;
"""
AT_ONCE = 200  # rows of one exchange
TURN_SECONDS, LOOK_SECONDS = 10.0, 0.01  # longer than a database may take to answer the process before


class Row(NamedTuple):
    """One row as it travels: its table, its key in text, its columns; None for one that was deleted."""

    name: str
    key: str
    body: bytes | None


class Table(NamedTuple):
    """What is shared of a table.

    columns  the key first; others of the table are each host's own
    merged   of a row that is there on both sides: theirs and ours to what it is from then on
    anew     column whose change by others makes the row a new one: what refers to it goes
    cleared  column that is null from when others changed the row
    """

    name: str
    columns: tuple[str, ...]
    merged: Callable[[Values, Values], Values] = lambda theirs, _: theirs
    anew: str = ""
    cleared: str = ""


def noting(tables: Sequence[Table]) -> str:
    """SQL that notes changes of these tables, once the file is shared."""
    made = [NOTED]
    for table in tables:
        for change, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            made.append(
                f"CREATE TRIGGER {table.name}_{change.lower()} AFTER {change} ON {table.name} "  # noqa: S608 - our own words
                f"WHEN EXISTS (SELECT 1 FROM shared) BEGIN INSERT INTO changed (name, key) "
                f"VALUES ('{table.name}', {row}.{table.columns[0]}); END;\n"
            )
    return "".join(made)


class Replica:
    """The tables of one file; one thread at a time.

    forgets  whether a deleted row leaves nothing behind: every host deletes it by itself
    """

    def __init__(self, db: sqlite3.Connection, tables: Sequence[Table], *, forgets: bool = False) -> None:
        self._db, self._tables = db, {table.name: table for table in tables}
        self.forgets = forgets

    def url(self) -> str:
        """Of the database that it is shared through; empty where it is not."""
        row = self._db.execute("SELECT url FROM shared").fetchone()
        return "" if row is None else str(row[0])

    def join(self, url: str) -> None:
        """Share it from now on: what is here is new to the others."""
        if self.url() == url:
            return
        self.leave()
        with self._changing():
            self._db.execute("INSERT INTO shared VALUES (1, ?, 0)", (url,))
            for table in self._tables.values():
                self._db.execute(
                    f"INSERT INTO changed (name, key) SELECT ?, {table.columns[0]} FROM {table.name}",  # noqa: S608 - our own words
                    (table.name,),
                )

    def leave(self) -> None:
        """Share it no more; what is here stays."""
        if self.url():
            with self._changing():
                self._db.execute("DELETE FROM shared")
                self._db.execute("DELETE FROM changed")

    @contextmanager
    def alone(self, *, seconds: float = TURN_SECONDS) -> Iterator[None]:
        """No other process exchanges this file meanwhile; AncileError where one does so for longer than that.

        What one has heard and not yet written here would undo what was heard after it, and decided then.
        """
        path = f"{self._db.execute('PRAGMA database_list').fetchone()[2]}-exchange"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            end = time.monotonic() + seconds
            while not _taken(handle):
                if time.monotonic() >= end:
                    raise AncileError(
                        "another process exchanges with the state database and does not end",
                        value=plain(path),
                        remedy="end it: an `ancile user` or `ancile review` that hangs",
                    )
                time.sleep(LOOK_SECONDS)
            yield
        finally:
            os.close(handle)

    def begin_anew(self) -> None:
        """Share all that is here once more, with a database that has lost what it had."""
        url = self.url()
        self.leave()
        self.join(url)

    def since(self) -> int:
        """Up to where what others changed is here."""
        row = self._db.execute("SELECT at FROM shared").fetchone()
        return 0 if row is None else int(row[0])

    def changes(self) -> tuple[int, list[Row]]:
        """Rows that were changed here, at most so many, and the number of the last change."""
        noted = self._db.execute("SELECT n, name, key FROM changed ORDER BY n LIMIT ?", (AT_ONCE,)).fetchall()
        keys = dict.fromkeys((str(name), key) for _, name, key in noted)
        rows = [Row(name, _text(key), _packed(self._values(self._tables[name], key))) for name, key in keys]
        return (int(noted[-1][0]) if noted else 0), rows

    def merged(self, row: Row, ours: bytes | None) -> Row:
        """What a row becomes that others changed as well."""
        if row.body is None or ours is None:
            return row
        made = self._tables[row.name].merged(_unpacked(row.body), _unpacked(ours))
        return row._replace(body=_packed(made))

    def take(self, rows: Sequence[Row], *, at: int, upto: int) -> bool:
        """Apply what others changed, and forget our changes up to ``upto``; whether anything is new here."""
        order = list(self._tables)
        with self._changing():
            self._db.execute("DELETE FROM changed WHERE n <= ?", (upto,))
            self._db.execute("UPDATE shared SET at = ?", (at,))
            last = self._last()
            done = False
            for row in sorted(
                (one for one in rows if one.name in order), key=lambda one: order.index(one.name)
            ):
                done |= self._apply(row)
            self._db.execute("DELETE FROM changed WHERE n > ?", (last,))
        return done

    def _apply(self, row: Row) -> bool:
        table = self._tables[row.name]
        key = bytes.fromhex(row.key[1:]) if row.key.startswith("=") else row.key[1:]
        here = self._values(table, key)
        row = self.merged(row, _packed(here))  # it may have been changed here since it was told
        if _packed(here) == row.body:
            return False
        gone = f"DELETE FROM {table.name} WHERE {table.columns[0]} = ?"  # noqa: S608 - our own words
        if row.body is None:
            self._db.execute(gone, (key,))
            return True
        values = _unpacked(row.body)
        if table.anew and here is not None:
            at = table.columns.index(table.anew)
            if here[at] != values[at]:
                self._db.execute(gone, (key,))
        try:
            self._db.execute(self._upsert(table), values)
        except sqlite3.IntegrityError:
            return False  # it belongs to what another host has deleted meanwhile
        return True

    @staticmethod
    def _upsert(table: Table) -> str:
        names, key, *rest = ", ".join(table.columns), *table.columns
        changes = [f"{name} = excluded.{name}" for name in rest] or [f"{key} = {key}"]
        changes += [f"{table.cleared} = NULL"] if table.cleared else []
        return (
            f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(table.columns))}) "  # noqa: S608 - our own words
            f"ON CONFLICT ({key}) DO UPDATE SET {', '.join(changes)}"
        )

    def _values(self, table: Table, key: Value) -> Values | None:
        query = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {table.columns[0]} = ?"  # noqa: S608 - our own words
        row: Values | None = self._db.execute(query, (key,)).fetchone()
        return row

    def _last(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(n), 0) FROM changed").fetchone()[0])

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _text(key: Value) -> str:
    """A key in text: bytes as ``=`` and hexadecimal, words behind ``:``."""
    return f"={key.hex()}" if isinstance(key, bytes) else f":{key}"


def _packed(values: Values | None) -> bytes | None:
    return None if values is None else msgspec.msgpack.encode(values)


def _unpacked(body: bytes) -> Values:
    values: list[Value] = msgspec.msgpack.decode(body)
    return tuple(values)
