"""Where a request's time goes in the gateway's worker: microseconds of each step, without its sockets.

python serve_steps.py [--wide]    a row of 30 features, or 3x32x32 as binary tensors

The worker's own objects in this process; client and model server are played by buffers, the journal is a real
file. Each step is timed without those that it calls: the median of its calls, less the timer's own cost. ``all``
is the CPU of a request without timers, with what other threads do and what medians leave out. No bar: what a
socket costs is in serve_overhead.py.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ancile.core.place import Place
from ancile.serve import admission, front, gateway, judging, upstream
from ancile.serve.call import Settings
from ancile.serve.config import Role, ServeConfig, policy_of
from ancile.serve.framing import Connection
from ancile.serve.journal import Journal
from ancile.serve.keys import Users
from ancile.serve.limits import Limits
from ancile.serve.pool import Sending
from ancile.serve.reference import references
from ancile.serve.review.holding import Holding
from ancile.serve.review.store import KEY_OF, Reviews
from ancile.serve.signature import Signature, Spec
from ancile.serve.telemetry.config import TelemetryConfig
from ancile.serve.telemetry.watch import Watch
from ancile.serve.turn import Turn
from serve_load import framed
from serve_overhead import SHAPES, requests

ROUNDS, REQUESTS = 5, 4000
TURN = 4  # requests that a turn of a loop under load has
SCORES = {"name": "scores", "datatype": "FP32", "shape": [1, 3], "data": [0.123456, 0.7, 0.176544]}
STEPS: dict[str, tuple[object, str]] = {
    "admission": (admission.Admission, "judge"),
    "body into arrays": (gateway, "parse_request"),
    "digest of the input": (judging, "digest_of_input"),
    "guard: schema": (judging, "schema"),
    "guard: sequence": (judging, "sequence"),
    "guard: outlier, of new inputs": (judging, "outlier"),
    "other guards before the model": (judging.Judging, "before"),
    "question to the model server": (upstream.Upstream, "_message"),
    "pool of connections": (upstream.Upstream, "ask"),
    "answer into arrays": (upstream, "parse_answer"),
    "guards after the model": (judging.Judging, "after"),
    "arrays into the answer": (gateway, "write_answer"),
    "record": (front.Front, "_record"),
    "journal": (Journal, "add"),
    "the rest of the gateway": (gateway.Gateway, "serve"),
    "counts, and the answer's way out": (gateway.Gateway, "_leave"),
    "HTTP of the client": (Connection, "data_received"),
    "HTTP of the model server": (Sending, "data_received"),
}


class Pipe(asyncio.Transport):
    """A transport that keeps what was written last."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Any] = []

    def write(self, data: Any) -> None:
        self.written.append(data)

    def writelines(self, list_of_data: Any) -> None:
        self.written.extend(list_of_data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        return

    abort = pause_reading = resume_reading = close


class Inside:
    """The keeper of one connection."""

    limits, draining, date = Limits(), False, b"Date: Sun, 22 Nov 2026 00:00:00 GMT\r\n"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.turn = Turn(loop)

    def enter(self, _: Connection) -> bool:
        return True

    def leave(self, _: Connection) -> None:
        return


class Timer:
    """Seconds of each call of a step without those that it calls; of a median no other process is part."""

    def __init__(self) -> None:
        self.took: defaultdict[str, list[float]] = defaultdict(list)
        self._inner = [0.0]

    def around(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        inner, took, clock = self._inner, self.took[name], time.perf_counter

        def timed(*arguments: Any, **named: Any) -> Any:
            inner.append(0.0)
            start = clock()
            try:
                return plain(*arguments, **named)
            finally:
                spent = clock() - start
                took.append(spent - inner.pop())
                inner[-1] += spent

        return timed


def made(
    folder: Path, shape: tuple[int, ...], loop: asyncio.AbstractEventLoop
) -> tuple[gateway.Gateway, str]:
    """A gateway before a model server that is not asked yet, and a key."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, *shape)).astype(np.float32)
    x[0], x[1] = -20, 20
    np.savez(folder / "reference.npz", x=x, y=np.arange(1000) % 3)
    plain = Signature("m", "stub", (Spec("x", "FP32", (-1, *shape)),), ())
    learned = references(str(folder / "reference.npz"), {"m": plain})
    role = Role(may=("infer",), rate=1e6, burst=10**6, daily=10**12)
    policy = policy_of(ServeConfig(roles={"bench": role}), profile="standard")
    users = Users(folder)
    key = users.add("bench", role="bench", now=datetime.now(UTC))
    place = Place("http", "127.0.0.1", 9, "", (ip_address("127.0.0.1"),))
    behind = upstream.Upstream(place, learned.signatures, seconds=30.0, loop=loop)
    journal = Journal(folder / "journal", loop=loop, durable=0.2, records=10_000, seconds=10.0, room=1 << 30)
    holding = Holding(Reviews(folder, key=users.hash(KEY_OF)), ServeConfig().review, time.time)
    settings = Settings(policy, learned.learned, 64)
    return gateway.Gateway(behind, users, journal, settings, Watch(TelemetryConfig(), folder), holding), key


def run(service: gateway.Gateway, asked: list[bytes], loop: asyncio.AbstractEventLoop, count: int) -> float:
    """Seconds of so many requests over one connection."""
    client, server = Pipe(), Pipe()
    connection = Connection(Inside(loop), service, loop)
    connection.connection_made(client)
    answer = framed({"model_name": "m", "outputs": [SCORES]})
    pool = vars(service._backend)["_pool"]  # noqa: SLF001 - its sockets are played here
    sending = Sending(pool)
    sending.connection_made(server)
    pool._idle.append(sending)  # noqa: SLF001 - likewise
    start = time.process_time()
    for number in range(count):
        sending.used = loop.time()
        connection.data_received(asked[number % len(asked)])
        sending.data_received(answer)
        while connection.busy:  # the bound on records holds it back
            loop.run_until_complete(asyncio.sleep(0.001))
        if number % TURN == TURN - 1:
            loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    spent = time.process_time() - start
    if sum(one.startswith(b"HTTP/1.1 200") for one in client.written) != count:
        sys.exit(f"not all requests were answered: {client.written[-1][:200]!r}")
    pool._idle.clear()  # noqa: SLF001 - likewise
    return spent


def main(shape: tuple[int, ...]) -> None:
    import uvloop

    loop = uvloop.new_event_loop()
    with TemporaryDirectory() as name:
        service, key = made(Path(name), shape, loop)
        asked = requests(shape, key)
        run(service, asked, loop, REQUESTS)
        bare = [run(service, asked, loop, REQUESTS) for _ in range(ROUNDS)]
        print(f"{'all':46s} {statistics.median(bare) / REQUESTS * 1e6:6.1f} us")
        timer = Timer()
        for step, (place, attribute) in STEPS.items():
            setattr(place, attribute, timer.around(step, getattr(place, attribute)))
        own = Timer()
        empty = own.around("nothing", lambda: None)
        run(service, asked, loop, REQUESTS)
        for _ in range(REQUESTS):
            empty()
        each = statistics.median(own.took["nothing"])
        for step, took in ((a, b) for a, b in timer.took.items() if b):
            spent = (statistics.median(took) - each) * len(took) / REQUESTS
            print(f"{step:46s} {spent * 1e6:6.1f} us")


if __name__ == "__main__":
    main(list(SHAPES.values())["--wide" in sys.argv])
