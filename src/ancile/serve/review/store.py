"""The queue: one SQLite file that workers, the command line and the page share.

A decision has an effect once it is evidence: whoever has the keys puts it into the ledger and notes its
entry. Inputs are sealed by AES-256-GCM under a key that follows from the pepper, bound to the id; the
file alone, as in a backup of it, shows none.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ancile.core.errors import AncileError
from ancile.core.report import Evidence
from ancile.core.text import plain
from ancile.serve.shared.replica import Replica, Table, noting
from ancile.trust.events import Review, ReviewChange
from ancile.trust.private_file import locked, make_private_folder
from ancile.version import __version__
from ancile.work.database import open_database

DATABASE = "reviews.db"
KEY_OF = b"inputs that wait for a person"  # what the pepper's hash of is the key
NONCE_BYTES = 12
WAIT_SECONDS = 5.0  # for another process that writes
MOST_ROWS = 5000  # read at once by every worker when something was decided
DAY_SECONDS = 86_400.0
MOST_NOTE = 1000
FIRST = """
CREATE TABLE reviews (
    id TEXT PRIMARY KEY, made REAL NOT NULL, until REAL NOT NULL, who TEXT NOT NULL, role TEXT NOT NULL,
    model TEXT NOT NULL, guard TEXT NOT NULL, why TEXT NOT NULL, said TEXT NOT NULL, input TEXT NOT NULL,
    sealed BLOB, state TEXT NOT NULL DEFAULT 'pending', label TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '', by TEXT NOT NULL DEFAULT '', decided REAL, event TEXT, entry INTEGER
) STRICT;
CREATE INDEX by_request ON reviews (who, model, input);
CREATE INDEX by_state ON reviews (state, made);
"""
COLUMNS = "id, made, until, who, role, model, guard, why, said, input, state, label, note, by, decided, entry"
SHARED = (
    Table("reviews", (*COLUMNS.split(", "), "sealed"), cleared="event"),
)  # by hosts; events are a host's own
STEPS = (FIRST, noting(SHARED))  # from each version to the next

State = Literal["pending", "approved", "rejected"]
STATES: tuple[State, ...] = ("pending", "approved", "rejected")
LABELS = ("benign", "attack", "unsure")


class Held(NamedTuple):
    """A request that waits, or waited.

    made, until  Unix time; until then it may be decided, and after a decision until then that stands
    said         evidence of each guard against the identity at that time, as JSON
    input        keyed digest
    by           who decided, and when
    entry        of the ledger that holds the decision; None while it does not count yet
    """

    id: str
    made: float
    until: float
    who: str
    role: str
    model: str
    guard: str
    why: str
    said: str
    input: str
    state: State
    label: str
    note: str
    by: str
    decided: float | None
    entry: int | None

    def shown(self, now: float) -> str:
        """Its state; of one that nobody decided in time, expired."""
        return "expired" if self.state == "pending" and self.until <= now else self.state


class Said(NamedTuple):
    """What a person said of a request."""

    change: ReviewChange
    label: str
    note: str = ""
    by: str = ""


class Asked(NamedTuple):
    """What is put into the queue of a request."""

    who: str
    role: str
    model: str
    guard: str
    why: str
    said: dict[str, float]
    input: str
    body: bytes | None


class Reviews:
    """The queue of a folder; one thread at a time, any number of processes.

    key  of 32 bytes, for inputs
    """

    def __init__(self, folder: Path, *, key: bytes) -> None:
        make_private_folder(folder)
        self._path, self._cipher = folder / DATABASE, AESGCM(key)
        with locked(folder), self._faults():
            self._db = open_database(
                self._path,
                holds="reviews",
                steps=STEPS,
                # What waits may be lost with the power: it is asked again.
                pragmas={"synchronous": "NORMAL", "secure_delete": "ON"},
                wait_seconds=WAIT_SECONDS,
            )

    def replica(self) -> Replica:
        """What hosts with a database between them have alike; each forgets by itself what is old."""
        return Replica(self._db, SHARED, forgets=True)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What a worker does.

    def hold(self, asked: Asked, *, now: float, until: float, pending: int, each: int) -> str | None:
        """The id of a request that waits now; None where no more may wait. Expired ones make room."""
        with self._changing() as db:
            alive = "FROM reviews WHERE state = 'pending' AND until > ?"
            total = db.execute(f"SELECT count(*) {alive}", (now,)).fetchone()[0]
            own = db.execute(f"SELECT count(*) {alive} AND who = ?", (now, asked.who)).fetchone()[0]
            if total >= pending or own >= each:
                return None
            id_ = f"rev-{secrets.token_hex(6)}"
            sealed = None if asked.body is None else self._seal(id_, asked.body)
            db.execute(
                "INSERT INTO reviews (id, made, until, who, role, model, guard, why, said, input, sealed) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    id_, now, until, asked.who, asked.role, asked.model, asked.guard, asked.why,
                    msgspec.json.encode(asked.said).decode("ascii"), asked.input, sealed,
                ),
            )  # fmt: skip
            return id_

    def purge(self, *, now: float, keep_seconds: float) -> None:
        """Forget what is older than it may be, and what is more than the file may hold."""
        with self._changing() as db:
            db.execute("DELETE FROM reviews WHERE max(made, coalesce(decided, 0)) < ?", (now - keep_seconds,))
            db.execute(
                "DELETE FROM reviews WHERE id IN "
                "(SELECT id FROM reviews ORDER BY made DESC LIMIT -1 OFFSET ?)",
                (MOST_ROWS,),
            )

    def version(self) -> int:
        """A number that changes when another connection has changed something."""
        with self._faults():
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    # What people do.

    def list(self, state: str | None = None, *, last: int = MOST_ROWS) -> list[Held]:
        """Requests in the order in which they came, the last so many."""
        with self._faults():
            rows = self._db.execute(
                f"SELECT {COLUMNS} FROM reviews WHERE :state IS NULL OR state = :state "  # noqa: S608 - our own words
                "ORDER BY made DESC LIMIT :last",
                {"state": state, "last": last},
            ).fetchall()
        return [Held(*row) for row in reversed(rows)]

    def get(self, id_: str) -> Held:
        """One request; AncileError where there is none."""
        with self._faults():
            row = self._db.execute(f"SELECT {COLUMNS} FROM reviews WHERE id = ?", (id_,)).fetchone()  # noqa: S608 - likewise
        if row is None:
            raise AncileError("no such review", value=plain(id_), remedy="see `ancile review list`")
        return Held(*row)

    def body(self, id_: str) -> bytes | None:
        """The input of a request, as the Open Inference Protocol has it; None where it was not kept."""
        with self._faults():
            row = self._db.execute("SELECT sealed FROM reviews WHERE id = ?", (id_,)).fetchone()
        if row is None or row[0] is None:
            return None
        sealed = bytes(row[0])
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], id_.encode("ascii"))
        except InvalidTag as reason:
            raise AncileError(
                "an input that waits was changed, or is sealed under another pepper",
                value=plain(id_),
                remedy="reject it; restore the pepper from a backup",
            ) from reason

    def decide(self, id_: str, said: Said, *, now: float, until: float) -> None:
        """Note what a person said; it counts once ``hand_over`` has made it evidence.

        AncileError for a request that waits no more, and for a label before a decision.
        """
        if said.label not in LABELS or len(said.note) > MOST_NOTE:
            raise AncileError(
                "not a label of a review",
                value=plain(said.label),
                remedy=f"one of {', '.join(LABELS)}, with a note of at most {MOST_NOTE} characters",
            )
        held = self.get(id_)
        if (held.shown(now) == "pending") == (said.change == "labelled") or held.shown(now) == "expired":
            raise AncileError(
                "this cannot be decided",
                value=f"{id_} is {held.shown(now)}",
                remedy="see `ancile review list`",
            )
        values = said._asdict() | {
            "state": held.state if said.change == "labelled" else said.change,
            "now": now,
            "until": until,
            "event": f"{said.change}:{secrets.token_hex(16)}",
            "id": id_,
            "before": held.state,
        }
        with self._changing() as db:
            done = db.execute(
                "UPDATE reviews SET state = :state, label = :label, note = :note, by = :by, decided = :now, "
                "until = :until, event = :event, entry = CASE WHEN state = :state THEN entry END "
                "WHERE id = :id AND state = :before",
                values,
            )
            if not done.rowcount:
                raise AncileError("this was decided meanwhile", value=id_, remedy="look at it again")

    def hand_over(self, write: Callable[[Review], Evidence]) -> int:
        """Make decisions evidence; how many were."""
        with self._faults():
            if not self._db.execute("SELECT 1 FROM reviews WHERE event IS NOT NULL LIMIT 1").fetchone():
                return 0
        with self._changing() as db:
            rows = db.execute(f"SELECT event, {COLUMNS} FROM reviews WHERE event IS NOT NULL").fetchall()  # noqa: S608 - our own words
            for event, *columns in rows:
                entry = write(_event(event, Held(*columns))).index
                db.execute("UPDATE reviews SET event = NULL, entry = ? WHERE id = ?", (entry, columns[0]))
        return len(rows)

    def _seal(self, id_: str, body: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, id_.encode("ascii"))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._faults(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as reason:
            raise AncileError(
                "the reviews cannot be read or written",
                value=plain(f"{self._path}: {reason}"),
                remedy="free the file or the disk; a damaged one is moved away, with what waits in it",
            ) from reason


def _event(event: str, held: Held) -> Review:
    change, _, name = event.partition(":")
    return Review(
        event=name,
        review=held.id,
        change=msgspec.convert(change, ReviewChange),
        label=held.label,
        note=held.note,
        user=held.who,
        model=held.model,
        guard=held.guard,
        input=held.input,
        by=held.by,
        time=datetime.fromtimestamp(held.decided or held.made, UTC),
        version=__version__,
    )


def streaks(decided: Sequence[Held]) -> dict[tuple[str, str, str], int]:
    """What the decisions on an identity, a model and a guard come to, in the order in which they were made.

    n  so many approvals labelled benign in a row, the last ones; -n: so many rejections labelled attack
    """
    found: dict[tuple[str, str, str], int] = {}
    for one in sorted(decided, key=lambda held: held.decided or 0.0):
        key = (one.who, one.model, one.guard)
        before = found.get(key, 0)
        if one.state == "approved" and one.label == "benign":
            found[key] = max(before, 0) + 1
        elif one.state == "rejected" and one.label == "attack":
            found[key] = min(before, 0) - 1
        else:
            found[key] = 0
    return found
