"""What a worker tells of each request: one plain call, after the answer is made."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.serve.call import Call
from ancile.serve.framing import Connection
from ancile.serve.record import Refusal
from ancile.serve.telemetry.access_log import AccessLog, Line
from ancile.serve.telemetry.config import TelemetryConfig
from ancile.serve.telemetry.counters import FOLDER, Counters, keep

if TYPE_CHECKING:
    from ancile.serve.telemetry.traces import Traces

ASKED = b"ancile-overhead"


class Watch:
    """Counts always, and what the configuration asks for."""

    def __init__(self, config: TelemetryConfig, folder: Path) -> None:
        self.counters = Counters()
        self._folder, self._header = folder / FOLDER, config.overhead_header
        path = folder / config.access_log
        self._log = AccessLog(path, networks=config.addresses == "network") if config.access_log else None
        self._traces = _traces(config)

    def begin(self, exchange: Connection, call: Call) -> None:
        """A request has come in whole."""
        if self._traces is not None:
            self._traces.begin(exchange.headers, call)

    def observe(self, exchange: Connection, call: Call, status: int, size: int) -> bytes:
        """A request is answered; further lines for the head of its answer."""
        identity, verdict, spent = call.caller.identity, call.verdict, call.spent
        key = (call.route.model, identity.role, verdict.reaction, verdict.guard, status)
        self.counters.add(key, spent, call.model_seconds)
        if self._traces is not None:
            self._traces.end(call, status)
        if self._log is not None:
            self._log.add(
                Line(
                    time=time.time_ns() // 1000,
                    who=identity.name,
                    role=identity.role,
                    model=call.route.model,
                    ask=call.route.ask,
                    status=status,
                    said=verdict.reaction,
                    guard=verdict.guard,
                    us=round(spent * 1e6),
                    model_us=round(call.model_seconds * 1e6),
                    bytes=size,
                    network=self._log.network(exchange.address),
                    trace=call.trace[3:35].decode("ascii") if call.sampled else "",
                )
            )
        if self._header and ASKED in exchange.headers:
            return b"ancile-overhead-us: %d\r\n" % round(spent * 1e6)
        return b""

    def refused(self, exchange: Connection, status: int) -> None:
        """A request is refused before its body."""
        if self._log is not None:
            self._log.refused(status, exchange.address)

    def counted(self, refusal: Refusal, count: int) -> None:
        """Refusals of the last second."""
        self.counters.refused(refusal, count)

    def tick(self) -> None:
        """Once a second: show the counts, write the log; where that fails the gateway serves on."""
        with suppress(AncileError, OSError):
            if self._log is not None:
                self._log.tick(time.time_ns() // 1000)
                self.counters.lost = self._log.lost
            keep(self.counters.snapshot(), self._folder, worker=str(os.getpid()))

    def close(self) -> None:
        """Write and send the last of it."""
        self.tick()
        if self._log is not None:
            self._log.close(time.time_ns() // 1000)
        if self._traces is not None:
            self._traces.close()


def _traces(config: TelemetryConfig) -> Traces | None:
    if not config.traces:
        return None
    from ancile.serve.telemetry.traces import Traces  # noqa: PLC0415 - off by default, and heavy

    return Traces(config.traces, sample=config.sample)
