"""CPU that counting a request costs the gateway: every stamp and the one call for each answer, without the rest.

In one process, against the same loop without them; seven alternating runs of 20,000 requests, the least counts,
as other work on the machine only adds. The control has the access log on and writes each line at once.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from ancile.serve.call import Call
from ancile.serve.caller import Caller
from ancile.serve.config import Role
from ancile.serve.keys import Identity
from ancile.serve.routes import Route
from ancile.serve.telemetry import access_log
from ancile.serve.telemetry.config import TelemetryConfig
from ancile.serve.telemetry.watch import Watch
from ancile.serve.verdict import ALLOW
from bar import Bar

RUNS, REQUESTS = 7, 20_000
MOST_US = 2.0


class Exchange:
    """What is asked of a connection."""

    headers = {b"host": b"h", b"authorization": b"Bearer k", b"content-length": b"381"}  # noqa: RUF012 - nobody writes
    address = "127.0.0.1"


def microseconds(watch: Watch | None) -> float:
    """CPU of one run for one request; without a watch that of the loop alone."""
    call, exchange = (
        Call(Caller(Identity("alice", "analyst"), Role()), Route("/infer", "m"), ALLOW),
        Exchange(),
    )
    start = time.process_time()
    for _ in range(REQUESTS):
        if watch is not None:
            since = perf_counter()
            call.spent = perf_counter() - since
            call.came = call.since = perf_counter()
            watch.begin(exchange, call)
            call.asked = perf_counter()
            call.spent += call.asked - call.since
            call.since = perf_counter()
            call.model_seconds = call.since - call.asked
            call.spent += perf_counter() - call.since
            watch.observe(exchange, call, 200, 160)
    return (time.process_time() - start) / REQUESTS * 1e6


def measure(*, control: bool = False) -> list[Bar]:
    """One bar."""
    gathered = access_log.GATHERED
    with TemporaryDirectory() as made:
        config = TelemetryConfig(access_log="a.log") if control else TelemetryConfig()
        if control:
            access_log.GATHERED = 1
        watch = Watch(config, Path(made))
        pairs = [(microseconds(watch), microseconds(None)) for _ in range(RUNS)]
        watch.close()
    access_log.GATHERED = gathered
    took = min(with_ for with_, _ in pairs) - min(without for _, without in pairs)
    return [
        Bar(
            claim="counting a request costs the gateway next to nothing",
            measured=f"{took:.2f} us of CPU a request, counters alone",
            wanted=f"at most {MOST_US:g} us",
            met=took <= MOST_US,
            raw={"with_us": [a for a, _ in pairs], "without_us": [b for _, b in pairs]},
        )
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
