"""Memory of the gateway over 200,000 requests of 10,000 identities, every guard on, each verdict recorded.

Proportional set size of supervisor and worker, after each slice of load; 16 connections in a closed loop, each
request with the next identity's key. In the first half all identities ask in turn, and memory grows with what is
remembered of each; in the second half a hundredth of them does, whose windows are full after a fifth of it: from
then on nothing may grow. The control keeps every request's line.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ancile.serve.keys import Users, new_key
from bar import Bar
from serve_load import write_requests
from serve_overhead import HERE, gateway, requests

IDENTITIES, REQUESTS = 10_000, 200_000
FEW, FULL = 100, 120_000  # identities of the second half, and requests after which their windows are full
SLICE_SECONDS = 4.0
MOST_GROWTH = 0.03  # what allocators and SQLite's caches move by
KEPT = """
import ancile.serve.front as front
plain, kept = front.line_of, []
def keeping(record):
    kept.append(plain(record) * 4)
    return plain(record)
front.line_of = keeping
"""


def pss_mib(pids: list[int]) -> float:
    """Memory of some processes, what they share counted once."""
    lines = [Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines() for pid in pids]
    return sum(int(line.split()[1]) for found in lines for line in found if line.startswith("Pss:")) / 1024


def asked(port: int, file: Path) -> int:
    """Requests of one slice."""
    command = [
        sys.executable,
        str(HERE / "serve_load.py"),
        "client",
        str(port),
        str(SLICE_SECONDS),
        str(file),
    ]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    good, bad = map(int, ended.stdout.split())
    if bad:
        sys.exit(f"{bad} requests failed")
    return good


def measure(*, control: bool = False) -> list[Bar]:
    """One bar."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        port, pids, key = stack.enter_context(
            gateway(folder, (30,), planted=KEPT if control else "", before=lambda: _identities(folder))
        )
        keys = (folder / "keys").read_text("ascii").split()
        plain = requests((30,), key)
        for name, some in (("all", keys), ("few", keys[:FEW] * (len(plain) // FEW + 1))):
            whole = [
                plain[at % len(plain)].replace(key.encode(), one.encode()) for at, one in enumerate(some)
            ]
            write_requests(folder / name, whole)
        done, memory = 0, [(0, pss_mib(pids))]
        while done < REQUESTS:
            done += asked(port, folder / ("all" if done < REQUESTS // 2 else "few"))
            memory.append((done, pss_mib(pids)))
    count, middle = next(one for one in memory if one[0] >= FULL)
    growth = memory[-1][1] / middle - 1
    return [
        Bar(
            claim="memory is flat over many requests of many identities",
            measured=f"{100 * growth:+.1f} % from {count} requests to {done}: "
            f"{memory[0][1]:.0f} MiB before, {middle:.0f}, {memory[-1][1]:.0f}; {IDENTITIES} identities",
            wanted=f"at most {100 * MOST_GROWTH:.0f} % from {FULL} of {REQUESTS} on",
            met=growth <= MOST_GROWTH,
            raw={"requests": [count for count, _ in memory], "mib": [mib for _, mib in memory]},
        )
    ]


def _identities(folder: Path) -> None:
    """Ten thousand users with a key each, in one transaction: giving them out is not what is measured."""
    place, made = folder / ".ancile" / "serve", [new_key() for _ in range(IDENTITIES)]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with Users(place) as users, closing(sqlite3.connect(place / "users.db")) as db, db:
        names = [f"user-{number}" for number in range(IDENTITIES)]
        db.executemany(
            "INSERT INTO users (name, role, made) VALUES (?, 'bench', ?)", [(n, now) for n in names]
        )
        rows = [(users.hash(key.encode()), name, now) for key, name in zip(made, names, strict=True)]
        db.executemany("INSERT INTO keys (hash, name, made) VALUES (?, ?, ?)", rows)
    (folder / "keys").write_text("\n".join(made), "ascii")


if __name__ == "__main__":
    for one in measure(control="--control" in sys.argv):
        print(one)
