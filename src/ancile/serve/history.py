"""What is held against identities, over the end of a process: in the file of the budgets.

Where hosts share a database, the parent exchanges these rows with it, and workers hear of them as often as
they write: who goes from one host to another brings along what is held against him.

A worker writes what has changed every few seconds, without waiting for the disk, and reads what there is of
an identity when it first asks: who is suspected gains nothing by a restart. What has decayed to nothing is
forgotten, and beyond ``MOST_ROWS`` whoever had evidence against him longest ago.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from ancile.serve.ladder import FORGOTTEN_HALVES, Evidence, Ladder
from ancile.serve.shared.replica import Replica, Values
from ancile.serve.state import EVIDENCE, open_state

MOST_ROWS = 50_000
WRITE_TICKS = 5  # seconds of evidence that a kill may take
PURGE_WRITES = 60
SLACK_SECONDS = 60.0  # that clocks of hosts, and the way between them, may take
_SUMS = msgspec.json.Decoder(dict[str, float])


class History:
    """Evidence of earlier processes; one thread at a time, any number of processes.

    folder  of the state
    wall    seconds of Unix time
    clock   seconds that only go forward, as evidence has them
    """

    def __init__(
        self,
        folder: Path,
        ladder: Ladder,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ladder, self._wall, self._clock = ladder, wall, clock
        self._ticks = self._writes = 0
        self._heard = self._wall()
        self._version = -1
        self._db = open_state(folder)

    def recall(self, who: str) -> Evidence:
        """What there is against an identity; nothing where the file cannot be read. Cost: 10 us."""
        with suppress(sqlite3.Error):
            row = self._db.execute("SELECT at, sums FROM evidence WHERE who = ?", (who,)).fetchone()
            if row is not None:
                return self._evidence(*row)
        return Evidence()

    def _evidence(self, at: float, sums: str) -> Evidence:
        found = Evidence()
        with suppress(msgspec.MsgspecError):
            found.sums = _SUMS.decode(sums)
        found.at = self._clock() - max(0.0, self._wall() - at)
        return found

    def tick(self, known: Iterable[tuple[str, Evidence]], of: Callable[[str], Evidence | None]) -> None:
        """Once a second: every few of them, write what has changed, and hear what others wrote.

        of  evidence against an identity; None of one that is not known here
        """
        self._ticks += 1
        if self._ticks % WRITE_TICKS == 0:
            self.write(known)
            with suppress(sqlite3.Error):
                self._hear(of)

    def _hear(self, of: Callable[[str], Evidence | None]) -> None:
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return
        now, clock = self._wall(), self._clock()
        rows = self._db.execute(
            "SELECT who, at, sums FROM evidence WHERE at > ?", (self._heard - SLACK_SECONDS,)
        )
        for who, at, sums in rows:
            found = of(who)
            if found is not None:
                found.merge(self._evidence(at, sums), clock, self._ladder)
        self._version, self._heard = version, now

    def write(self, known: Iterable[tuple[str, Evidence]]) -> None:
        """Write what has changed; where the file takes it not, it is tried again the next time."""
        changed = [(who, found) for who, found in known if found.changed]
        now, since = self._wall(), self._clock()
        rows = [
            (who, now - max(0.0, since - found.at), msgspec.json.encode(found.sums).decode("ascii"))
            for who, found in changed
        ]
        if not rows:
            return
        with suppress(sqlite3.Error), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO evidence VALUES (?, ?, ?) "
                "ON CONFLICT (who) DO UPDATE SET at = excluded.at, sums = excluded.sums",
                rows,
            )
            if self._writes % PURGE_WRITES == 0:
                self._purge(now)
            self._writes += 1
            for _, found in changed:
                found.changed = False

    def _purge(self, now: float) -> None:
        oldest = now - FORGOTTEN_HALVES * self._ladder.half_seconds
        self._db.execute("DELETE FROM evidence WHERE at < ?", (oldest,))
        self._db.execute(
            "DELETE FROM evidence WHERE who IN (SELECT who FROM evidence ORDER BY at DESC LIMIT -1 OFFSET ?)",
            (MOST_ROWS,),
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def evidence_replica(db: sqlite3.Connection, ladder: Ladder) -> Replica:
    """The rows of evidence in a state file, as hosts exchange them; each forgets by itself what is old."""

    def merged(theirs: Values, ours: Values) -> Values:
        sides = []
        for _, at, sums in (theirs, ours):
            side = Evidence()
            side.at, side.sums = float(at or 0.0), _SUMS.decode(str(sums))
            sides.append(side)
        one, other = sides
        one.merge(other, max(one.at, other.at), ladder)
        return (theirs[0], one.at, msgspec.json.encode(one.sums).decode("ascii"))

    return Replica(db, (EVIDENCE._replace(merged=merged),), forgets=True)
