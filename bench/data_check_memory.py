"""Peak memory of ``ancile data check`` on a table that is larger than it.

A table of six columns of real numbers, two of whole ones, one of towns and one of codes, 86 bytes a row, written in
row groups of a quarter of a million: 4 GiB are 50 million rows, here a tenth of them, and all with ``python
bench/data_check_memory.py 50000000``. What is measured is the resident memory of the process at its highest. The
control reads the whole table first, as a script would.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bar import Bar

ROWS, GROUP = 5_000_000, 250_000
WANTED = 1 << 30
SEARCHED = 5_000
CHECK = "import sys; from ancile.cli.main import run; code = run(sys.argv[1:])"
WHOLE = """import sys, pyarrow.parquet as pq
table = pq.read_table(sys.argv[3])
columns = [column.to_numpy() for column in table.columns]
code = 0
"""
TOLD = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr); sys.exit(code)"


def written(path: Path, rows: int) -> int:
    """The table; its bytes, unpacked."""
    rng = np.random.Generator(np.random.Philox(8))
    size, writer = 0, None
    for start in range(0, rows, GROUP):
        count = min(GROUP, rows - start)
        columns = {f"v{at}": rng.normal(size=count) for at in range(6)}
        codes = np.char.add("item-", (rng.integers(0, rows, count) + 10**9).astype("U10"))
        table = pa.table(
            columns
            | {
                "age": rng.integers(18, 90, count),
                "day": np.arange(start, start + count) // 1000,
                "town": np.array(["Rome", "Bern", "Oslo", "Aarau"])[rng.integers(0, 4, count)],
                "code": codes,
                "label": rng.integers(0, 2, count).astype(np.int8),
            }
        )
        size += table.nbytes
        writer = writer or pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=["town"])
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return size


def peak(program: str, path: Path) -> tuple[int, float]:
    """Bytes at the highest, and CPU seconds; the report must be there."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        sys.executable,
        "-c",
        program + TOLD,
        "data",
        "check",
        str(path),
        "--rows",
        str(SEARCHED),
        "--no-record",
    ]
    ended = subprocess.run(
        [*command, "-q", "-f", "json", "-o", str(path.with_suffix(".json"))],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode in (0, 1), ended.stderr
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return int(ended.stderr.splitlines()[-1]) * 1024, seconds


def measure(control: bool = False, rows: int = ROWS) -> list[Bar]:
    """Peak memory on one table."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        size = written(path, rows)
        highest, seconds = peak(WHOLE if control else CHECK, path)
    return [
        Bar(
            claim=f"data check: a table of {rows:,} rows in bounded memory",
            measured=f"{highest / 2**20:.0f} MiB for {size / 2**20:.0f} MiB; {seconds:.0f} s of CPU",
            wanted="below 1,024 MiB",
            met=highest < WANTED,
            raw={"peak_bytes": [float(highest)], "cpu_seconds": [seconds]},
        )
    ]


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:] if one.isdecimal()]
    for bar in measure(control="control" in sys.argv, rows=numbers[0] if numbers else ROWS):
        print(bar)
