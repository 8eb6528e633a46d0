"""Adding a version of 5 GB: wall time beside one pass that copies, hashes and syncs; storage of a change; memory.

Whole processes, three rounds in turn, the source dropped from the page cache before each. The pass reads a
mebibyte at a time, hashes by SHA-256, writes, and syncs at the end. A changed set has a hundredth of its bytes
overwritten in one place; another has as many bytes inserted. The rows of a table are changed in one row group, and
`ancile data verify` must name that one and no other. ANCILE_DATA_MIB sets another size. The control hashes
everything twice more, cuts at fixed places, keeps all it has read, and knows no rows.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from bar import Bar

MIB = int(os.environ.get("ANCILE_DATA_MIB", "4769"))  # 5 GB
RUNS = 3
SLOWER, GROWTH, PEAK_MIB = 1.3, 0.012, 1024
PIECE = 1 << 20
GROUPS, ROWS = 12, 20_000
COPY = """
import hashlib, os, sys
whole = hashlib.sha256()
with open(sys.argv[1], "rb", buffering=0) as source, open(sys.argv[2], "wb", buffering=0) as target:
    while piece := source.read(1 << 20):
        whole.update(piece)
        target.write(piece)
    os.fsync(target.fileno())
"""
OURS = "from ancile.cli.main import main; main()"
PLANTED = f"""
import hashlib
import ancile.data.reading as reading
import ancile.data.stage as stage
held = []
def cuts(data, sizes, *, last):
    for _ in range(2):
        hashlib.sha256(data).digest()
    if len(held) < 128:
        held.append(bytes(data))
    ends = list(range(sizes.mean, len(data), sizes.mean))
    return ends + [len(data)] if last and len(data) else ends
reading.cuts = cuts
stage.rows_in = lambda path, ranges: [""] * len(ranges)
{OURS}
"""


class Took(NamedTuple):
    """Wall seconds and peak memory of a process that ended as it should."""

    wall: float
    mib: float
    out: str


def took(command: list[str], folder: Path, *, code: int = 0) -> Took:
    """Run a command."""
    before = time.perf_counter()
    ended = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    wall = time.perf_counter() - before
    if ended.returncode != code:
        sys.exit(f"{command[2:5]} ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return Took(wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, ended.stdout)


def forget(path: Path) -> None:
    """Out of the page cache."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def noise(path: Path, mebibytes: int, seed: int, mode: str = "wb") -> None:
    rng = np.random.default_rng(seed)
    with path.open(mode) as file:
        for _ in range(mebibytes):
            file.write(rng.bytes(PIECE))


class Bench(NamedTuple):
    """A home, a source, and the program in it."""

    folder: Path
    code: str

    def data(self, *arguments: str, code: int = 0) -> Took:
        return took([sys.executable, "-c", self.code, "data", *arguments], self.folder, code=code)

    def stored(self) -> int:
        return sum(path.stat().st_size for path in (self.folder / ".ancile" / "data" / "packs").iterdir())


def time_bars(bench: Bench, source: Path) -> list[Bar]:
    """One version each round, of other bytes, so that each is kept whole."""
    ours, theirs = [], []
    for number in range(RUNS):
        noise(source, MIB, number)
        forget(source)
        theirs.append(took([sys.executable, "-c", COPY, str(source), "copy"], bench.folder))
        (bench.folder / "copy").unlink()
        forget(source)
        ours.append(bench.data("add", source.name, "--name", f"round{number}", "-q", "-f", "json"))
        if number < RUNS - 1:
            empty(bench)
    ratio = statistics.median(one.wall for one in ours) / statistics.median(one.wall for one in theirs)
    peak = max(one.mib for one in ours)
    raw = {"ours": [one.wall for one in ours], "pass": [one.wall for one in theirs]}
    gigabytes = MIB * PIECE / 1e9
    return [
        Bar(
            claim="data: adding a version takes little longer than one pass that copies, hashes and syncs",
            measured=f"ours / pass = {ratio:.2f} for {gigabytes:.1f} GB; "
            f"{statistics.median(raw['ours']):.1f} s against {statistics.median(raw['pass']):.1f} s",
            wanted=f"at most {SLOWER}",
            met=ratio <= SLOWER,
            raw=raw,
        ),
        Bar(
            claim="data: memory of adding a version does not grow with it",
            measured=f"peak {peak:.0f} MiB for {gigabytes:.1f} GB",
            wanted=f"under {PEAK_MIB} MiB",
            met=peak < PEAK_MIB,
            raw={"MiB": [one.mib for one in ours]},
        ),
    ]


def empty(bench: Bench) -> None:
    """Make room: the versions go, the home stays."""
    for path in sorted((bench.folder / ".ancile" / "data").rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()


def change_bar(bench: Bench, source: Path) -> Bar:
    """What a change of a hundredth and an insertion of a hundredth add to the store."""
    share, size = MIB // 100 or 1, source.stat().st_size
    name = f"round{RUNS - 1}"
    before, grown = bench.stored(), {}
    with source.open("r+b") as file:
        file.seek(size // 3)
        for number in range(share):
            file.write(np.random.default_rng(100 + number).bytes(PIECE))
    bench.data("add", source.name, "--name", name, "-q", "-f", "json")
    grown["overwritten"] = (bench.stored() - before) / size
    inserted = bench.folder / "inserted"
    with source.open("rb") as old, inserted.open("wb") as new:
        for number in range(MIB):
            if number == MIB // 2:
                new.write(np.random.default_rng(7).bytes(share * PIECE + 1))
            new.write(old.read(PIECE))
    before = bench.stored()
    bench.data("add", inserted.name, "--name", name, "-q", "-f", "json")
    grown["inserted"] = (bench.stored() - before) / size
    exact = share / MIB
    return Bar(
        claim="data: a contiguous change of a hundredth costs about as much storage",
        measured="; ".join(f"{how} {exact:.2%}: {one:.2%} more" for how, one in grown.items()),
        wanted=f"at most {GROWTH:.1%}",
        met=max(grown.values()) <= GROWTH,
        raw={how: [one] for how, one in grown.items()},
    )


def rows_bar(bench: Bench) -> Bar:
    """One value in one row group, each in its turn: the finding names that row group alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, named = bench.folder / "rows.parquet", []
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=GROUPS * ROWS) for name in "abcd"}
    pq.write_table(pa.table(columns), path, row_group_size=ROWS)
    bench.data("add", path.name, "--source", "generated", "--licence", "CC0-1.0", "-q", "-f", "json")
    for group in range(GROUPS):
        changed = {name: values.copy() for name, values in columns.items()}
        changed["b"][group * ROWS + int(rng.integers(ROWS))] += 1
        pq.write_table(pa.table(changed), path, row_group_size=ROWS)
        told = json.loads(bench.data("verify", path.name, "--no-record", "-q", "-f", "json", code=1).out)
        words = " ".join(one["detail"] for one in told["findings"])
        named.append(set(re.findall(r"row groups? (\d+)(?: to (\d+))?", words)) == {(str(group), "")})
    return Bar(
        claim="data: verify names the row group in which one value of a table changed",
        measured=f"{sum(named)} of {GROUPS}",
        wanted="each, and no other",
        met=all(named),
        raw={"named": [float(one) for one in named]},
    )


def measure(control: bool = False) -> list[Bar]:
    """All of them in one home."""
    with TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), PLANTED if control else OURS)
        took([sys.executable, "-c", OURS, "init", "--unencrypted-key"], bench.folder)
        source = bench.folder / "source"
        return [*time_bars(bench, source), change_bar(bench, source), rows_bar(bench)]


if __name__ == "__main__":
    for bar in measure(control="control" in sys.argv):
        print(bar)
