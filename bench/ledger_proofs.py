"""Inclusion proofs from cached tiles, in CPU time, at 200,000 entries."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from ancile.trust.ledger import Draft, Ledger, open_ledger
from ancile.trust.tiles import Nodes
from bar import Bar

RUNS = 5
SIZE = 200_000
ASKED = range(0, 50_000, 5)
WANTED = 50_000


def per_second(ledger: Ledger) -> float:
    start = time.process_time()
    for index in ASKED:
        ledger.inclusion_proof(index, SIZE)
    return len(ASKED) / (time.process_time() - start)


def measure(*, control: bool = False) -> list[Bar]:
    """The control has a cache of one tile."""
    with (
        tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder,
        open_ledger(Path(folder) / "ledger", clock=lambda: datetime.now(UTC)) as ledger,
    ):
        body = os.urandom(64)
        for _ in range(SIZE // 10_000):
            ledger.append([Draft("run", bytes(32), body)] * 10_000)
        if control:
            ledger._nodes = Nodes(ledger.store.tile, capacity=1)  # noqa: SLF001 - the planted weakness
        cold = per_second(ledger)
        rates = [per_second(ledger) for _ in range(1 if control else RUNS)]
    rate = statistics.median(rates)
    return [
        Bar(
            claim="inclusion proofs from the cache",
            measured=f"{rate:,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) a CPU second at {SIZE:,} entries, "
            f"{cold:,.0f} with an empty cache",
            wanted=f"at least {WANTED:,} a CPU second",
            met=rate >= WANTED,
            raw={"proofs a CPU second": rates},
        )
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
