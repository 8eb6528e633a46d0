"""The process that Prometheus asks: it reads the workers' counts, and has no key of the home.

Its order comes on stdin, the port that it listens at goes to stdout; it ends when its stdin does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.child import leave_signals, started
from ancile.serve.telemetry.config import TelemetryConfig
from ancile.serve.telemetry.counters import FOLDER, clear

HOST = "127.0.0.1"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Whose counts, and where."""

    folder: str
    port: int


def main() -> int:
    """Answer Prometheus until whoever gave the order is gone."""
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 - the parent has no need

    from ancile.serve.telemetry.exposition import Counts  # noqa: PLC0415 - likewise

    leave_signals()
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Counts(Path(order.folder)))
    try:
        server, thread = start_http_server(order.port, addr=HOST, registry=registry)
    except OSError as reason:
        os.write(1, (reason.strerror or "input/output error").encode() + b"\n")
        return 2
    os.write(1, b"%d\n" % server.server_port)
    sys.stdin.buffer.read()
    server.shutdown()
    thread.join()
    return 0


@contextmanager
def exporting(config: TelemetryConfig, folder: Path) -> Iterator[str]:
    """The URL that Prometheus may ask, empty without a port; counts of a run before are forgotten."""
    clear(folder / FOLDER)
    if not config.metrics_port:
        yield ""
        return
    order = Order(folder=str(folder / FOLDER), port=config.metrics_port)
    with started("ancile.serve.telemetry.exporter", order, ()) as process:
        if process.stdin is None or process.stdout is None:
            raise TypeError("a process with pipes")
        said = process.stdout.readline().strip().decode("utf-8", "replace")
        if not said.isdigit():
            raise AncileError(
                "metrics cannot be shown",
                value=plain(f"{HOST}:{config.metrics_port}: {said}"),
                remedy='choose another metrics_port; see that "ancile[telemetry]" is installed',
            )
        yield f"http://{HOST}:{said}/metrics"
        process.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
