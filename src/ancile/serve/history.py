"""What is held against identities, over the end of a process: in the file of the budgets.

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
from ancile.serve.state import open_state

MOST_ROWS = 50_000
WRITE_TICKS = 5  # seconds of evidence that a kill may take
PURGE_WRITES = 60
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
        self._db = open_state(folder)

    def recall(self, who: str) -> Evidence:
        """What there is against an identity; nothing where the file cannot be read. Cost: 10 us."""
        found = Evidence()
        with suppress(sqlite3.Error, msgspec.MsgspecError):
            row = self._db.execute("SELECT at, sums FROM evidence WHERE who = ?", (who,)).fetchone()
            if row is not None:
                found.sums = _SUMS.decode(row[1])
                found.at = self._clock() - max(0.0, self._wall() - row[0])
        return found

    def tick(self, known: Iterable[tuple[str, Evidence]]) -> None:
        """Once a second: every few of them, write what has changed."""
        self._ticks += 1
        if self._ticks % WRITE_TICKS == 0:
            self.write(known)

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
