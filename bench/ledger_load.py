"""Loads on a ledger, each in a process of its own under a counter of real syncs; printed as one line of JSON.

python bench/ledger_load.py tasks|one_by_one|threads|batches|singles|bare FOLDER SECONDS
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ancile.trust.ledger import Draft, Ledger, open_ledger

HERE = Path(__file__).parent
APPENDERS = 256
AUTHOR = bytes(range(32))
BODIES = [os.urandom(1024) for _ in range(4096)]


@dataclass(frozen=True)
class Load:
    """What a load cost: CPU of the whole process, user and system; syncs as the system was asked for them."""

    entries: int
    wall_seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float
    syncs: int
    sync_ms: float

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.entries * 1e6

    @property
    def per_second(self) -> float:
        return self.entries / self.wall_seconds

    @property
    def per_sync(self) -> float:
        return self.entries / max(1, self.syncs)


def load(what: str, *, seconds: float = 2.0, sync_at_least_us: int = 0) -> Load:
    """Runs a load in a child; AssertionError without gcc, which builds the counter."""
    assert shutil.which("gcc"), "gcc is absent: it builds the counter of syncs"
    with tempfile.TemporaryDirectory(dir=HERE) as folder:  # beside the repository: a real disk, no tmpfs
        library = Path(folder) / "syncs.so"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "syncs.c"], check=True)
        environment = {**os.environ, "LD_PRELOAD": str(library), "SYNC_AT_LEAST_US": str(sync_at_least_us)}
        command = [sys.executable, __file__, what, f"{folder}/ledger", str(seconds)]
        done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
    return Load(**json.loads(done.stdout))


def middle(loads: list[Load], key: Callable[[Load], float]) -> str:
    """Median and spread."""
    values = [key(one) for one in loads]
    return f"{statistics.median(values):,.1f} ({min(values):,.1f} to {max(values):,.1f})"


def tasks(ledger: Ledger, stop: float, *, one_by_one: bool = False) -> list[float]:
    """256 asyncio tasks that append one entry after the other; the control lets one in at a time."""
    waits: list[float] = []

    async def appender(k: int, turn: asyncio.Semaphore) -> None:
        while (start := time.perf_counter()) < stop:
            async with turn:
                await ledger.append_async([Draft("run", AUTHOR, BODIES[(k + len(waits)) % 4096])])
            waits.append(time.perf_counter() - start)

    async def run() -> None:
        turn = asyncio.Semaphore(1 if one_by_one else APPENDERS)
        await asyncio.gather(*(appender(k, turn) for k in range(APPENDERS)))

    asyncio.run(run())
    return waits


def threads(ledger: Ledger, stop: float) -> list[float]:
    """256 threads that append one entry after the other."""
    waits: list[float] = []

    def appender(k: int) -> None:
        while (start := time.perf_counter()) < stop:
            ledger.append([Draft("run", AUTHOR, BODIES[(k + len(waits)) % 4096])])
            waits.append(time.perf_counter() - start)

    workers = [threading.Thread(target=appender, args=(k,)) for k in range(APPENDERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return waits


def batches(ledger: Ledger, stop: float, *, size: int = 1000) -> list[float]:
    """One caller that appends ``size`` entries at a time."""
    waits: list[float] = []
    drafts = [Draft("run", AUTHOR, body) for body in BODIES[:size]]
    while (start := time.perf_counter()) < stop:
        ledger.append(drafts)
        waits.append(time.perf_counter() - start)
    return waits


def bare(folder: Path, stop: float) -> list[float]:
    """What people write first: one INSERT and one commit an entry, as durable as ours."""
    waits: list[float] = []
    with closing(sqlite3.connect(folder / "bare.db")) as db:
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE e (body BLOB);")
        while (start := time.perf_counter()) < stop:
            db.execute("INSERT INTO e VALUES (?)", (BODIES[len(waits) % 4096],))
            db.commit()
            waits.append(time.perf_counter() - start)
    return waits


LOADS: dict[str, Callable[[Ledger, float], list[float]]] = {
    "tasks": tasks,
    "one_by_one": lambda ledger, stop: tasks(ledger, stop, one_by_one=True),
    "threads": threads,
    "batches": batches,
    "singles": lambda ledger, stop: batches(ledger, stop, size=1),
}


def main() -> None:
    what, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    counter = ctypes.CDLL(None)
    counter.syncs_nanoseconds.restype = ctypes.c_longlong
    with open_ledger(folder, clock=lambda: datetime.now(UTC)) as ledger:
        ledger.append([Draft("run", AUTHOR, b"warm")])
        before = (counter.syncs_count(), counter.syncs_nanoseconds())
        cpu, wall = time.process_time(), time.perf_counter()
        waits = bare(folder, wall + seconds) if what == "bare" else LOADS[what](ledger, wall + seconds)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        entries = len(waits) if what == "bare" else ledger.size() - 1
    syncs = counter.syncs_count() - before[0]
    waits.sort()
    found = Load(
        entries,
        wall,
        cpu,
        p50_ms=waits[len(waits) // 2] * 1e3,
        p99_ms=waits[int(len(waits) * 0.99)] * 1e3,
        syncs=syncs,
        sync_ms=(counter.syncs_nanoseconds() - before[1]) / max(1, syncs) / 1e6,
    )
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
