"""What the gateway adds to the median latency at 200 requests a second, beside a bare pass-through.

The same client asks a stub of a model server directly, through a pass-through on the same stack (serve_paced.py),
and through the gateway with every guard on and each verdict recorded (durable_seconds 0.2), request by request in
turn, seven rounds of two seconds. What is added is the difference of medians over the rounds; all of it is on loopback
on shared cores. The control hashes every window of an input before it answers.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bar import Bar
from serve_load import write_requests
from serve_overhead import PLANTED, SHAPES, gateway, process, requests

HERE = Path(__file__).parent
ROUNDS, SECONDS = 7, 2.0
TIMES = 2.0


def medians(ports: Sequence[int], asked: Path) -> list[float]:
    """Of one round, in microseconds, for each port."""
    command = [
        sys.executable,
        str(HERE / "serve_paced.py"),
        "ask",
        str(SECONDS),
        str(asked),
        *map(str, ports),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return [statistics.median(times) for times in json.loads(ended.stdout)]


def measure(*, control: bool = False) -> list[Bar]:
    """A bar for each kind of input."""
    return [_bar(name, shape, control=control) for name, shape in SHAPES.items()]


def _bar(name: str, shape: tuple[int, ...], *, control: bool) -> Bar:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        ours, _, key = stack.enter_context(gateway(folder, shape, planted=PLANTED if control else ""))
        stub = [sys.executable, str(HERE / "serve_load.py"), "server", json.dumps(list(shape))]
        direct = int(stack.enter_context(process(stub, r"(\d+)"))[1][1])
        bare = [sys.executable, str(HERE / "serve_paced.py"), "pass", str(direct)]
        passing = int(stack.enter_context(process(bare, r"(\d+)"))[1][1])
        asked = folder / "requests"
        write_requests(asked, requests(shape, key))
        ports = (direct, passing, ours)
        medians(ports, asked)  # the first seconds of each are for imports and connections
        rounds = [medians(ports, asked) for _ in range(ROUNDS)]
    plain, through, own = (statistics.median(one[at] for one in rounds) for at in range(3))
    ratio = (own - plain) / (through - plain)
    ratios = [(c - a) / (b - a) for a, b, c in rounds]
    return Bar(
        claim=f"every guard and a record of {name} add little to the median latency",
        measured=f"added ours / pass-through = {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}); medians "
        f"{plain / 1000:.2f} ms direct, {through / 1000:.2f} passed through, {own / 1000:.2f} ours",
        wanted=f"at most {TIMES:g} times what a bare pass-through on the same stack adds, at 200 requests/s",
        met=0 <= ratio <= TIMES,  # below: the machine had other work, and nothing was measured
        raw={
            "direct_us": [a for a, _, _ in rounds],
            "passed_us": [b for _, b, _ in rounds],
            "ours_us": [c for _, _, c in rounds],
        },
    )


if __name__ == "__main__":
    for one in measure(control="--control" in sys.argv):
        print(one)
