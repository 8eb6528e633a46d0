"""Which entries speak of a digest: a scan of the ledger, or an index beside it that may be deleted any time.

The index lies in ``.ancile/cache/`` and is a hint: each hit is read again from the ledger, so a planted one
is dropped, but one that was taken out of the index is missed. A gate therefore scans, a listing may use it.
What a changed leaf hides, neither finds, and who signed an erasure neither asks: the audit does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.trust.dsse import unverified
from ancile.trust.events import Erasure
from ancile.trust.leaf import ERASURE, parse_leaf
from ancile.trust.ledger import Ledger
from ancile.trust.private_file import make_private_folder
from ancile.trust.statement import KINDS, parse_statement
from ancile.trust.store import Stored

FILE = "subjects-v1.db"
SEGMENT = "segment"


class Speaking(NamedTuple):
    """Indices of entries that speak of a digest, and of statements that nobody can read any more.

    damaged  leaf, body or envelope is wrong or gone, and no erasure entry says why: any of them might
             have spoken of the digest; of leaves in a row that are gone the first
    """

    entries: tuple[int, ...]
    damaged: tuple[int, ...]


@dataclass(frozen=True)
class _Row:
    """What one entry means for the index: digests that it speaks of, or the entry that it erased."""

    index: int
    digests: tuple[str, ...] = ()
    is_damaged: bool = False
    erased: int | None = None


def entries_about(ledger: Ledger, digest: str, *, cache: Path | None = None) -> Speaking:
    """Entries with a statement about ``digest``, in order.

    cache  folder of an index that makes the next question cheap; None scans every entry
    """
    if cache is not None:
        make_private_folder(cache)
        try:
            hits = _hits(ledger, digest, path=cache / FILE)
        except sqlite3.Error:
            (cache / FILE).unlink(missing_ok=True)  # damaged, or a full disk: the ledger itself still answers
        else:
            return _speaking((row for hit in hits for row in _rows(ledger, hit, hit + 1)), digest)
    return _speaking(_rows(ledger, 0, ledger.size()), digest)


def _speaking(rows: Iterable[_Row], digest: str) -> Speaking:
    found, damaged, erased = [], [], set()
    for row in rows:
        if digest in row.digests:
            found.append(row.index)
        if row.is_damaged:
            damaged.append(row.index)
        if row.erased is not None:
            erased.add(row.erased)
    return Speaking(tuple(found), tuple(index for index in damaged if index not in erased))


def _rows(ledger: Ledger, start: int, stop: int) -> Iterator[_Row]:
    """What each entry means; an entry that is not there is damaged, of many in a row the first is named.

    Whoever adds an entry far away makes a gap that nobody can count through.
    """
    following = start
    for stored in ledger.entries(start, stop):
        if following < stored.index:
            yield _Row(following, is_damaged=True)
        yield _row(stored)
        following = stored.index + 1
    if following < stop:
        yield _Row(following, is_damaged=True)


def _row(stored: Stored) -> _Row:
    try:
        leaf = parse_leaf(stored.leaf or b"")
        if leaf.kind not in KINDS or leaf.kind == SEGMENT:  # a segment speaks of its own lines alone
            return _Row(stored.index)
        if stored.salt is None or stored.body is None:
            return _Row(stored.index, is_damaged=True)
        if not leaf.commits_to(stored.salt, stored.body):
            return _Row(stored.index, is_damaged=True)
        said = parse_statement(unverified(stored.body).payload)
    except AncileError:
        return _Row(stored.index, is_damaged=True)
    erased = said.predicate.entry if isinstance(said.predicate, Erasure) else None
    return _Row(stored.index, digests=tuple(set(said.subjects.values())), erased=erased)


class Told(NamedTuple):
    """The entry that says of another that its body was erased, and what it says; its signature unread."""

    by: int
    said: Erasure


def erasures(entries: Iterable[Stored]) -> dict[int, Told]:
    """Erased entry to who tells it, among these entries; ``audit`` says whether to believe it."""
    found: dict[int, Told] = {}
    for entry in entries:
        try:
            if parse_leaf(entry.leaf or b"").kind == ERASURE:
                said = parse_statement(unverified(entry.body or b"").payload).predicate
                if isinstance(said, Erasure):
                    found.setdefault(said.entry, Told(entry.index, said))
        except AncileError:
            continue
    return found


# The index: every table is append-only and follows from the first ``size`` entries.

SCHEMA = """
CREATE TABLE IF NOT EXISTS subjects(digest TEXT, idx INTEGER, PRIMARY KEY(digest, idx)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS damaged(idx INTEGER PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS erased(idx INTEGER PRIMARY KEY, erasure INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS state(size INTEGER, root BLOB) STRICT;
"""
HITS = """
WITH hits(idx) AS (SELECT idx FROM subjects WHERE digest = ? UNION SELECT idx FROM damaged)
SELECT idx FROM hits UNION SELECT erasure FROM erased WHERE idx IN hits ORDER BY 1
"""


def _hits(ledger: Ledger, digest: str, *, path: Path) -> list[int]:
    """Entries to read again: those that speak of the digest, damaged ones, and erasures of either."""
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")  # it can be made again
        db.executescript(SCHEMA)
        db.execute("BEGIN IMMEDIATE")
        size = ledger.size()  # read under the lock: never below what another process has indexed
        _catch_up(db, ledger, size=size)
        db.execute("COMMIT")
        hits = [hit for (hit,) in db.execute(HITS, (digest,))]
        if not all(isinstance(hit, int) for hit in hits):
            raise sqlite3.DatabaseError("an index has a value of a wrong type")
        return [hit for hit in hits if 0 <= hit < size]


def _catch_up(db: sqlite3.Connection, ledger: Ledger, *, size: int) -> None:
    done, root = db.execute("SELECT size, root FROM state").fetchone() or (0, ledger.root(0))
    if not isinstance(done, int) or not 0 <= done <= size or ledger.root(done) != root:  # of another ledger
        for table in ("subjects", "damaged", "erased"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608 - three names from the line above
        done = 0
    for row in _rows(ledger, done, size):
        db.executemany("INSERT INTO subjects VALUES (?, ?)", [(digest, row.index) for digest in row.digests])
        if row.is_damaged:
            db.execute("INSERT INTO damaged VALUES (?)", (row.index,))
        if row.erased is not None:
            db.execute("INSERT OR IGNORE INTO erased VALUES (?, ?)", (row.erased, row.index))
    db.execute("DELETE FROM state")
    db.execute("INSERT INTO state VALUES (?, ?)", (size, ledger.root(size)))
