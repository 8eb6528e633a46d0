"""CPU of the gateway for a request, saturated, beside a bare echo by uvicorn and Starlette.

Both answer 16 connections in a closed loop, in turn, five rounds; 256 different inputs. Ours stands before a
stub of a model server with every guard on (key, rate, quota, schema with ranges, sequence, rounding) and
records each verdict (durable_seconds 0.2, segments of 10 s); its figure is that of worker and supervisor
together, the stub's and the client's CPU are nobody's. The control hashes every window of an input.
"""

from __future__ import annotations

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from bar import Bar
from environments import environment
from serve_load import write_requests

HERE = Path(__file__).parent
ROUNDS, SECONDS = 5, 2.0
INPUTS = 256
LIMITS = {"a row of 30 features": 2.5, "3x32x32 as binary tensors": 4.0}
SHAPES = {"a row of 30 features": (30,), "3x32x32 as binary tensors": (3, 32, 32)}
ANCILE = [sys.executable, "-m", "ancile"]
READY = r"at http://127.0.0.1:(\d+)[^\0]*try:"
ROLE = '\n[serve.roles.bench]\nmay = ["infer"]\nrate = 1e6\nburst = 1000000\ndaily = 1000000000000\n'
PLANTED = """
import hashlib
import ancile.serve.judging as gateway
plain = gateway.digest_of_input
def windows(infer, key):
    data = infer.inputs[0].array.tobytes() * 4
    for at in range(300):
        hashlib.sha256(data[at : at + 80]).digest()
    return plain(infer, key)
gateway.digest_of_input = windows
"""


class Took(NamedTuple):
    """Microseconds of CPU for a request, and requests a second."""

    cpu: float
    rate: float


def cpu_ns(pids: list[int]) -> int:
    """User and system time of all threads of some processes."""
    return sum(
        int(path.read_text("ascii").split()[0])
        for pid in pids
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


def load(port: int, pids: list[int], requests: Path) -> Took:
    before, start = cpu_ns(pids), time.perf_counter()
    command = [sys.executable, str(HERE / "serve_load.py"), "client", str(port), str(SECONDS), str(requests)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    spent, wall = cpu_ns(pids) - before, time.perf_counter() - start
    good, bad = map(int, ended.stdout.split())
    if bad or not good:
        sys.exit(f"{bad} requests failed, {good} did not")
    return Took(spent / good / 1000, good / wall)


@contextmanager
def process(
    command: list[str], ready: str, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], re.Match[str]]]:
    """A program, once it says what it says when it is ready."""
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=env
    )
    said = ""
    try:
        while (found := re.search(ready, said)) is None:
            line = started.stdout.readline()
            if not line:
                sys.exit(f"{command[:4]} ended: {said}")
            said += line
        yield started, found
    finally:
        started.terminate()
        started.communicate(timeout=60)


def requests(shape: tuple[int, ...], key: str) -> list[bytes]:
    rng = np.random.default_rng(1)
    found = []
    for x in rng.normal(size=(INPUTS, 1, *shape)).astype("<f4"):
        tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP32"}
        head, rest, more = {"inputs": [tensor]}, b"", ""
        if len(shape) == 1:
            tensor["data"] = [round(float(v), 4) for v in x.ravel()]
        else:
            tensor["parameters"], rest = {"binary_data_size": x.nbytes}, x.tobytes()
        body = json.dumps(head, separators=(",", ":")).encode()
        if rest:
            more = f"Inference-Header-Content-Length: {len(body)}\r\n"
        lines = f"POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n{more}"
        found.append(f"{lines}Content-Length: {len(body) + len(rest)}\r\n\r\n".encode() + body + rest)
    return found


def home(folder: Path, more: str = "") -> str:
    """A home in a folder; the key of a user whose role has all it wants; ``more`` of the configuration."""
    init = [*ANCILE, "init", "--unencrypted-key", "--origin", "bench.example/log"]
    subprocess.run(init, cwd=folder, check=True, capture_output=True)
    with (folder / "ancile.toml").open("a", encoding="utf-8") as config:
        config.write(ROLE + more)
    add = [*ANCILE, "user", "add", "bench", "--role", "bench"]
    return subprocess.run(add, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def with_children(pid: int) -> list[int]:
    """A process and those that it started."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split())]


@contextmanager
def gateway(
    folder: Path,
    shape: tuple[int, ...],
    *,
    planted: str = "",
    more: str = "",
    before: Callable[[], None] | None = None,
) -> Iterator[tuple[int, list[int], str]]:
    """Port and processes of ours, and a key.

    planted  what is done to the gateway's modules
    more     of the configuration
    before   is called before it starts
    """
    key = home(folder, more)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, *shape)).astype(np.float32)
    x[0], x[1] = -20, 20  # a range that all inputs are in
    np.savez(folder / "reference.npz", x=x, y=np.arange(1000) % 3)
    environ = dict(os.environ, OMP_NUM_THREADS="1")
    if before is not None:
        before()
    if planted:
        (folder / "sitecustomize.py").write_text(planted, "utf-8")
        environ["PYTHONPATH"] = str(folder)
    stub = [sys.executable, str(HERE / "serve_load.py"), "server", json.dumps(list(shape))]
    with process(stub, r"(\d+)") as (_, port):
        serve = ["serve", "--upstream", f"http://127.0.0.1:{port[1]}", "--name", "m", "--port", "0"]
        command = [*ANCILE, *serve, "--reference", "reference.npz"]
        with process(command, READY, cwd=folder, env=environ) as (ours, at):
            yield int(at[1]), with_children(ours.pid), key


@contextmanager
def echo() -> Iterator[tuple[int, list[int]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    python = str(environment("gateway") / "python")
    options = [
        "--port",
        str(port),
        "--log-level",
        "info",
        "--no-access-log",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    ]
    command = [python, "-m", "uvicorn", "serve_echo:app", *options]
    with process(command, "running on", cwd=HERE) as (started, _):
        yield port, [started.pid]


def measure(*, control: bool = False) -> list[Bar]:
    """A bar for each kind of input."""
    return [_bar(name, SHAPES[name], LIMITS[name], control=control) for name in SHAPES]


def _bar(name: str, shape: tuple[int, ...], limit: float, *, control: bool) -> Bar:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        our_port, ours, key = stack.enter_context(gateway(folder, shape, planted=PLANTED if control else ""))
        their_port, theirs = stack.enter_context(echo())
        write_requests(folder / "requests", requests(shape, key))
        load(our_port, ours, folder / "requests")  # the first second of each is for imports and connections
        load(their_port, theirs, folder / "requests")
        rounds = [
            (load(our_port, ours, folder / "requests"), load(their_port, theirs, folder / "requests"))
            for _ in range(ROUNDS)
        ]
    ratios = [a.cpu / b.cpu for a, b in rounds]
    ratio = statistics.median(ratios)
    cpu = [statistics.median(pair[side].cpu for pair in rounds) for side in (0, 1)]
    rates = [statistics.median(pair[side].rate for pair in rounds) for side in (0, 1)]
    return Bar(
        claim=f"every guard and a record of {name} cost little beside a bare echo",
        measured=f"CPU a request ours / echo = {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), {cpu[0]:.0f} us "
        f"against {cpu[1]:.0f} us; {rates[0]:.0f} requests/s against {rates[1]:.0f}",
        wanted=f"at most {limit} times its CPU, saturated, durable_seconds 0.2",
        met=ratio <= limit,
        raw={
            "ours_us": [a.cpu for a, _ in rounds],
            "echo_us": [b.cpu for _, b in rounds],
            "ours_per_second": [a.rate for a, _ in rounds],
            "echo_per_second": [b.rate for _, b in rounds],
        },
    )


if __name__ == "__main__":
    for one in measure(control="--control" in sys.argv):
        print(one)
