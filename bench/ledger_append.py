"""Durable appends: CPU an entry with 256 appenders and in batches, and how many entries share a sync."""

from __future__ import annotations

import statistics

from bar import Bar
from ledger_load import Load, load, middle

RUNS = 5
MOST_CPU_US_SINGLE = 40
MOST_CPU_US_BATCH = 15
LEAST_PER_SYNC = 50


def told(loads: list[Load]) -> str:
    return (
        f"{middle(loads, lambda one: one.cpu_us)} us CPU; {middle(loads, lambda one: one.per_second)} entries/s, "
        f"p50 {middle(loads, lambda one: one.p50_ms)} ms, p99 {middle(loads, lambda one: one.p99_ms)} ms"
    )


def measure(*, control: bool = False) -> list[Bar]:
    """The control appends one entry at a time, so that nothing shares a sync."""
    single = [load("one_by_one" if control else "tasks") for _ in range(RUNS)]
    batch = [load("singles" if control else "batches") for _ in range(RUNS)]
    threads = [] if control else [load("threads") for _ in range(RUNS)]
    cpu_single = statistics.median(one.cpu_us for one in single)
    cpu_batch = statistics.median(one.cpu_us for one in batch)
    per_sync = statistics.median(one.per_sync for one in single)
    beside = f"; with 256 threads {told(threads)}" if threads else ""
    return [
        Bar(
            claim="a durable entry of 1 KB costs little CPU with 256 concurrent appenders",
            measured=f"256 asyncio tasks: {told(single)}{beside}",
            wanted=f"at most {MOST_CPU_US_SINGLE} us CPU an entry (tasks), synchronous=FULL",
            met=cpu_single <= MOST_CPU_US_SINGLE,
            raw={"cpu_us": [one.cpu_us for one in single]},
        ),
        Bar(
            claim="a durable entry of 1 KB costs little CPU in batches of 1,000",
            measured=told(batch),
            wanted=f"at most {MOST_CPU_US_BATCH} us CPU an entry, synchronous=FULL",
            met=cpu_batch <= MOST_CPU_US_BATCH,
            raw={"cpu_us": [one.cpu_us for one in batch]},
        ),
        Bar(
            claim="concurrent appenders share syncs",
            measured=f"{middle(single, lambda one: one.per_sync)} entries a sync, "
            f"one took {middle(single, lambda one: one.sync_ms)} ms",
            wanted=f"at least {LEAST_PER_SYNC} entries a sync with 256 appenders",
            met=per_sync >= LEAST_PER_SYNC,
            raw={"per_sync": [one.per_sync for one in single]},
        ),
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
