"""`ancile --help` against importing its CLI library alone: CPU time of whole processes, alternating runs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from bar import Bar

RUNS = 15
HEAVY = ("torch", "numpy", "matplotlib", "scipy", "sklearn", "pyarrow", "onnxruntime")

OURS = "import sys; sys.argv = ['ancile', '--help']; from ancile.cli.main import main; main()"
PLANTED = f"import numpy; {OURS}"  # a heavy library on the way to --help
LOADED = "import sys, atexit; atexit.register(lambda: print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr));"


def cpu_seconds(code: str) -> float:
    """User and system time of one Python process that runs ``code``."""
    before = os.times()
    subprocess.run(
        [sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return float(used)


def measure(*, control: bool = False) -> list[Bar]:
    """Ratio of medians, and the heavy libraries that --help loaded."""
    ours = PLANTED if control else OURS
    pairs = [(cpu_seconds(ours), cpu_seconds("import click")) for _ in range(RUNS)]
    ratios = [a / b for a, b in pairs]
    ratio = statistics.median(a for a, _ in pairs) / statistics.median(b for _, b in pairs)
    ended = subprocess.run(
        [sys.executable, "-c", LOADED.format(heavy=HEAVY) + ours], check=False, capture_output=True, text=True
    )
    loaded = ended.stderr.strip().splitlines()[-1]
    measured = f"ours / click = {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), loaded {loaded}"
    return [
        Bar(
            claim="ancile --help costs little more than its CLI library",
            measured=measured,
            wanted="ratio at most 3, none of " + ", ".join(HEAVY) + " loaded",
            met=ratio <= 3 and loaded == "[]",
            raw={"ours": [a for a, _ in pairs], "click": [b for _, b in pairs]},
        )
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
