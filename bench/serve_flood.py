"""Latency of one identity while another's requests are refused in a flood that takes half a core of the gateway.

The flood is over its rate: each request is refused before its body. A program in C sends it over 16 connections,
one request under way on each, evenly, and moves its rate twenty times a second so that the gateway's processes take
half a core more than without it. Five rounds in turn, two seconds each: without it and with it, while the other
identity asks a hundred times a second on one connection, open loop. On a machine whose cores are all busy otherwise
a flood at any program slows everybody: it is to be run on a quiet one. The control's refusals take two milliseconds
each, which comes to half a core as well and holds everybody up.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bar import Bar
from serve_load import write_requests
from serve_overhead import HERE, cpu_ns, gateway, requests

ROUNDS, SECONDS = 5, 2.0
CORE_SHARE, SOUGHT_SECONDS = 0.5, 1.5
LEAST_SHARE, MOST_SHARE = 0.4, 0.6  # that it took indeed: a machine that starves the flood shows nothing
MOST_RATIO = 1.2
PROBES = 100  # a second
FEW = '\n[serve.roles.few]\nmay = ["infer"]\nrate = 0.001\nburst = 1\n'
SLOW = """
import time
import ancile.serve.admission as admission
plain = admission.Admission._refused
def slowly(self, *given):
    end = time.thread_time() + 0.002
    while time.thread_time() < end:
        pass
    return plain(self, *given)
admission.Admission._refused = slowly
"""


class Flooded(NamedTuple):
    """What came of a flood: answers, how many of them refuse, and how many a second."""

    answers: int
    refusals: int
    rate: float


@contextmanager
def flooding(program: Path, port: int, file: Path, pids: list[int]) -> Iterator[list[Flooded]]:
    """A flood at its share while this is entered, and what came of it in the list afterwards."""
    words = [str(program), str(port), str(CORE_SHARE), str(SOUGHT_SECONDS), str(file), *map(str, pids)]
    came: list[Flooded] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as started:
        if started.stdout.readline() != "floods\n":
            sys.exit("the flood ended before it began")
        try:
            yield came
        finally:
            started.terminate()
            answers, refusals, rate = started.communicate()[0].split()
            came.append(Flooded(int(answers), int(refusals), float(rate)))


def latency(port: int, file: Path) -> float:
    """Median seconds of an answer."""
    command = [sys.executable, str(HERE / "serve_load.py"), "probe", str(port), str(PROBES), str(SECONDS)]
    ended = subprocess.run([*command, str(file)], check=True, capture_output=True, text=True)
    return float(ended.stdout)


def built(folder: Path) -> Path:
    """The program that floods."""
    if shutil.which("gcc") is None:
        sys.exit("gcc is absent: it builds the flood")
    program = folder / "flood"
    subprocess.run(["gcc", "-O2", "-o", program, HERE / "flood.c"], check=True)
    return program


class Round(NamedTuple):
    """Median seconds of an answer without the flood and with it; cores that it took."""

    quiet: float
    loud: float
    cores: float


def measure(*, control: bool = False) -> list[Bar]:
    """One bar."""
    with ExitStack() as stack:
        side = _side(stack, planted=SLOW if control else "")
        program = built(side.folder)
        time.sleep(1.5)  # until the keys are known
        rounds, came = [], []
        for _ in range(ROUNDS):
            quiet, own = _taking(side)
            with flooding(program, side.port, side.folder / "flood.http", side.pids) as found:
                loud, cores = _taking(side)
            came += found
            rounds.append(Round(quiet, loud, cores - own))
    return [bar(rounds, came)]


class Side(NamedTuple):
    """A gateway, and the files of who asks it and who floods it."""

    folder: Path
    port: int
    pids: list[int]


def _side(stack: ExitStack, *, planted: str) -> Side:
    folder = Path(stack.enter_context(TemporaryDirectory()))
    port, pids, key = stack.enter_context(gateway(folder, (30,), more=FEW, planted=planted))
    add = [sys.executable, "-m", "ancile", "user", "add", "flood", "--role", "few"]
    flood = subprocess.run(add, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    write_requests(folder / "probe", requests((30,), key))
    (folder / "flood.http").write_bytes(requests((30,), flood)[0])
    return Side(folder, port, pids)


def _taking(side: Side) -> tuple[float, float]:
    """Median seconds of an answer, and how many cores the gateway took meanwhile."""
    before, start = cpu_ns(side.pids), time.perf_counter()
    found = latency(side.port, side.folder / "probe")
    return found, (cpu_ns(side.pids) - before) / 1e9 / (time.perf_counter() - start)


def bar(rounds: list[Round], came: list[Flooded]) -> Bar:
    """The bar of these rounds, with what came of the floods."""
    cores, ratios = [one.cores for one in rounds], [one.loud / one.quiet for one in rounds]
    share, rate = statistics.median(cores), statistics.median(one.rate for one in came)
    ratio = statistics.median(ratios)
    only_refused = (
        sum(one.answers - one.refusals for one in came) <= 1
    )  # the first request is within the rate
    before, after = (
        1e3 * statistics.median(times)
        for times in zip(*((one.quiet, one.loud) for one in rounds), strict=True)
    )
    return Bar(
        claim="a flood of refused requests hardly slows another identity",
        measured=f"median latency with it / without = {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
        f"{after:.2f} ms against {before:.2f} ms; the flood took {share:.2f} of {os.cpu_count()} cores "
        f"({min(cores):.2f} to {max(cores):.2f}) with {rate:.0f} refusals/s",
        wanted=f"at most {MOST_RATIO} times, with a flood that takes {CORE_SHARE} of a core",
        met=ratio <= MOST_RATIO and LEAST_SHARE <= share <= MOST_SHARE and only_refused,
        raw={"before": [one.quiet for one in rounds], "flood": [one.loud for one in rounds], "cores": cores},
    )


if __name__ == "__main__":
    for one in measure(control="--control" in sys.argv):
        print(one)
