"""Latency of one identity while another's requests are refused in a flood that takes half a core of the gateway.

The flood is over its rate: each request is refused before its body. It is paced by the CPU that the gateway
spends: as many are sent a second as make half a core. Five
rounds without and with it in turn, two seconds each; the other identity asks a hundred times a second on one
connection, open loop. The control floods with requests that are served.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bar import Bar
from serve_load import write_requests
from serve_overhead import HERE, cpu_ns, gateway, requests

ROUNDS, SECONDS = 5, 2.0
FIRST_RATE, MOST_RATE, SOUGHT = 5000.0, 25_000.0, 4  # refusals a second, and how often they are adjusted
CORE_SHARE = 0.5
LEAST_SHARE = 0.4  # that it took indeed: a machine that starves the flood shows nothing
MOST_RATIO = 1.2
PROBES = 100  # a second
FEW = '\n[serve.roles.few]\nmay = ["infer"]\nrate = 0.001\nburst = 1\n'


@contextmanager
def flooding(port: int, rate: float, file: Path) -> Iterator[None]:
    """A flood in a process of its own while this is entered."""
    command = [sys.executable, str(HERE / "serve_load.py"), "flood", str(port), str(rate), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        started.stdout.readline()
        try:
            yield
        finally:
            started.terminate()


def latency(port: int, file: Path) -> float:
    """Median seconds of an answer."""
    command = [sys.executable, str(HERE / "serve_load.py"), "probe", str(port), str(PROBES), str(SECONDS)]
    ended = subprocess.run([*command, str(file)], check=True, capture_output=True, text=True)
    return float(ended.stdout)


def paced(port: int, pids: list[int], file: Path) -> float:
    """Requests a second that take the share of a core; each costs less the more there are, so it is sought."""
    rate = FIRST_RATE
    for _ in range(SOUGHT):
        with flooding(port, rate, file):
            time.sleep(0.5)
            before, start = cpu_ns(pids), time.perf_counter()
            time.sleep(SECONDS / 2)
            cores = (cpu_ns(pids) - before) / 1e9 / (time.perf_counter() - start)
        rate = min(MOST_RATE, rate * CORE_SHARE / cores)
    return rate


def measure(*, control: bool = False) -> list[Bar]:
    """One bar."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        port, pids, key = stack.enter_context(gateway(folder, (30,), more=FEW))
        add = [sys.executable, "-m", "ancile", "user", "add", "flood", "--role", "few"]
        flood = subprocess.run(add, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
        write_requests(folder / "probe", requests((30,), key))
        write_requests(folder / "flood", requests((30,), key if control else flood))
        time.sleep(1.5)  # until the key is known
        rate = paced(port, pids, folder / "flood")
        quiet, loud, cores = [], [], []
        for _ in range(ROUNDS):
            quiet.append(latency(port, folder / "probe"))
            with flooding(port, rate, folder / "flood"):
                before, start = cpu_ns(pids), time.perf_counter()
                loud.append(latency(port, folder / "probe"))
                cores.append((cpu_ns(pids) - before) / 1e9 / (time.perf_counter() - start))
    ratios = [a / b for a, b in zip(loud, quiet, strict=True)]
    ratio, taken = statistics.median(ratios), statistics.median(cores)
    return [
        Bar(
            claim="a flood of refused requests hardly slows another identity",
            measured=f"median latency with it / without = {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
            f"{1e3 * statistics.median(loud):.2f} ms against {1e3 * statistics.median(quiet):.2f} ms; "
            f"{rate:.0f} refusals/s were sent, {taken:.2f} of {os.cpu_count()} cores were the gateway's",
            wanted=f"at most {MOST_RATIO} times, with a flood that takes {CORE_SHARE} of a core",
            met=ratio <= MOST_RATIO and taken >= LEAST_SHARE,
            raw={"quiet": quiet, "flood": loud, "cores": cores},
        )
    ]


if __name__ == "__main__":
    for one in measure(control="--control" in sys.argv):
        print(one)
